// What each set of system calls is made of. Those that depend on arguments are in jail_filter.cc.
#include "jail/jail_sets.h"

#include <array>
#include <sys/syscall.h>
#include <utility>

#include "mutirao/base/check.h"

namespace mutirao::world::jail {

namespace {
constexpr std::array kCompute{
    // Memory
    SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise,
    // Threads and waiting; clone, where it makes threads alone, is in jail_filter.cc
    SYS_futex, SYS_set_robust_list, SYS_rseq, SYS_sched_yield, SYS_sched_getaffinity,
    SYS_sched_setaffinity, SYS_getcpu, SYS_membarrier, SYS_gettid, SYS_getpid, SYS_exit,
    SYS_exit_group, SYS_restart_syscall,
    // Time and randomness
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_nanosleep, SYS_clock_nanosleep,
    SYS_getrandom,
    // Signals of its own
    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_sigaltstack,
    // What threads of the runtime say to each other and wait for
    SYS_eventfd2, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait, SYS_epoll_pwait,
    SYS_epoll_pwait2, SYS_poll, SYS_ppoll, SYS_read, SYS_write, SYS_writev, SYS_close, SYS_dup,
    SYS_fcntl,
    // Limits, and who it is
    SYS_getrusage, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_uname};

constexpr std::array kCode{SYS_memfd_create, SYS_ftruncate, SYS_seccomp};

constexpr std::array kFiles{SYS_pread64,   SYS_pwrite64,   SYS_preadv,    SYS_pwritev,
                            SYS_preadv2,   SYS_pwritev2,   SYS_readv,     SYS_lseek,
                            SYS_fstat,     SYS_newfstatat, SYS_ftruncate, SYS_fsync,
                            SYS_fdatasync, SYS_fallocate,  SYS_fstatfs,   SYS_fadvise64};

constexpr std::array kStreams{SYS_accept4,     SYS_recvmsg,    SYS_sendmsg,    SYS_recvfrom,
                              SYS_sendto,      SYS_shutdown,   SYS_getsockopt, SYS_setsockopt,
                              SYS_getsockname, SYS_getpeername};

// socket() itself, for IPv4 and IPv6, is in jail_filter.cc.
constexpr std::array kNetwork{SYS_connect,    SYS_bind,        SYS_listen,     SYS_accept4,
                              SYS_recvmsg,    SYS_sendmsg,     SYS_recvmmsg,   SYS_sendmmsg,
                              SYS_recvfrom,   SYS_sendto,      SYS_shutdown,   SYS_getsockopt,
                              SYS_setsockopt, SYS_getsockname, SYS_getpeername};

// socket() itself is in jail_filter.cc.
constexpr std::array kLocal{SYS_connect, SYS_bind, SYS_listen, SYS_fchmod, SYS_unlink};

constexpr std::array kFolders{SYS_openat,       SYS_openat2,    SYS_newfstatat,      SYS_statx,
                              SYS_getdents64,   SYS_readlinkat, SYS_mkdirat,         SYS_mknodat,
                              SYS_unlinkat,     SYS_renameat,   SYS_renameat2,       SYS_linkat,
                              SYS_symlinkat,    SYS_faccessat,  SYS_faccessat2,      SYS_fchmod,
                              SYS_fchmodat,     SYS_fchown,     SYS_fchownat,        SYS_utimensat,
                              SYS_fstatfs,      SYS_fgetxattr,  SYS_fsetxattr,       SYS_flistxattr,
                              SYS_fremovexattr, SYS_syncfs,     SYS_copy_file_range, SYS_fallocate};

constexpr std::array kNameFiles{SYS_open,      SYS_openat,    SYS_openat2,    SYS_creat,
                                SYS_stat,      SYS_lstat,     SYS_newfstatat, SYS_statx,
                                SYS_access,    SYS_faccessat, SYS_faccessat2, SYS_readlink,
                                SYS_readlinkat};
}  // namespace

std::span<int const> calls_of(Calls set) noexcept {
  switch (set) {
    case Calls::compute:
      return kCompute;
    case Calls::code:
      return kCode;
    case Calls::files:
      return kFiles;
    case Calls::streams:
      return kStreams;
    case Calls::network:
      return kNetwork;
    case Calls::local:
      return kLocal;
    case Calls::names:
      return kNameFiles;
    case Calls::folders:
      return kFolders;
  }
  MUT_UNREACHABLE();
}

std::span<int const> calls_that_name_files() noexcept { return kNameFiles; }

}  // namespace mutirao::world::jail
