// The filter of system calls, by libseccomp, and the end of a process that is caught by it.
#include <cerrno>
#include <csignal>
#include <linux/netlink.h>
#include <memory>
#include <sched.h>
#include <seccomp.h>
#include <set>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "jail/jail_sets.h"

#if defined(__clang__)
// The macros of seccomp.h
#pragma clang diagnostic ignored "-Wc99-extensions"
#pragma clang diagnostic ignored "-Wmissing-field-initializers"
#endif

namespace mutirao::world::jail {

namespace {
// Threads share all with their process; what makes a process, or a namespace, is none.
constexpr unsigned kOfThreads = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
constexpr unsigned kOfProcesses = CLONE_VFORK | CLONE_PTRACE | CLONE_PARENT | CLONE_NEWNS |
                                  CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                  CLONE_NEWUTS | CLONE_NEWCGROUP;

int report_to = -1;

/// Runs in the thread whose call was refused. It can't be replaced: the filter lets nobody change
/// what happens with SIGSYS, and where it is blocked the kernel ends the process. Sanitizers have
/// nothing to do in it: they would look for the limits of its stack in a file.
[[gnu::no_sanitize_address]] void end_violator(int, siginfo_t* info, void*) {
  auto number = static_cast<unsigned>(info->si_syscall);
  char text[12];
  std::size_t at = sizeof text;
  text[--at] = '\n';
  do text[--at] = static_cast<char>('0' + number % 10);
  while ((number /= 10) != 0);
  [[maybe_unused]] auto const written = ::write(report_to, text + at, sizeof text - at);
  ::_exit(kViolated);
}

/// A filter in the making; remembers the first failure.
class Filter {
 public:
  explicit Filter(std::uint32_t otherwise) : context_{seccomp_init(otherwise)} {
    if (context_ == nullptr) failed_ = ENOMEM;
  }
  ~Filter() {
    if (context_ != nullptr) seccomp_release(context_);
  }
  Filter(Filter const&) = delete;
  Filter& operator=(Filter const&) = delete;

  template <class... Comparisons>
  void rule(std::uint32_t action, int call, Comparisons... comparisons) {
    if (failed_ == 0)
      failed_ = -seccomp_rule_add(context_, action, call, sizeof...(comparisons), comparisons...);
  }

  /// For all threads of the process.
  [[nodiscard]] Result<void> load() {
    auto const set = [&](scmp_filter_attr attribute, std::uint32_t value) {
      if (failed_ == 0) failed_ = -seccomp_attr_set(context_, attribute, value);
    };
    set(SCMP_FLTATR_CTL_TSYNC, 1);
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree: the calls of a hot path come as soon
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (failed_ == 0) failed_ = -seccomp_load(context_);
    if (failed_ == 0) return {};
    return std::unexpected{base::system_error(failed_, "filtering system calls")
                               .with_mend("a kernel with CONFIG_SECCOMP_FILTER")};
  }

 private:
  scmp_filter_ctx context_;
  int failed_ = 0;
};

void allow_threads(Filter& filter) {
  filter.rule(SCMP_ACT_ALLOW, SYS_clone,
              SCMP_A0(SCMP_CMP_MASKED_EQ, kOfThreads | kOfProcesses, kOfThreads));
  // Its flags lie in memory, where no filter sees them; the C library goes on with clone.
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), SYS_clone3);
  // To itself, as abort() does.
  filter.rule(SCMP_ACT_ALLOW, SYS_tgkill,
              SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid())));
  filter.rule(SCMP_ACT_ALLOW, SYS_rt_sigaction, SCMP_A0(SCMP_CMP_NE, SIGSYS));
  for (auto const option : {PR_SET_NAME, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_VMA})
    filter.rule(SCMP_ACT_ALLOW, SYS_prctl, SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(option)));
}

void allow_sockets(Filter& filter) {
  for (auto const family : {AF_INET, AF_INET6})
    filter.rule(SCMP_ACT_ALLOW, SYS_socket,
                SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family)));
  filter.rule(SCMP_ACT_ALLOW, SYS_socket, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
              SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));
  filter.rule(SCMP_ACT_ALLOW, SYS_ioctl, SCMP_A1(SCMP_CMP_EQ, FIONREAD));
}

void allow_mappings(Filter& filter, bool of_code) {
  // The filter that will end this says first that there is no way back.
  if (of_code) filter.rule(SCMP_ACT_ALLOW, SYS_prctl, SCMP_A0(SCMP_CMP_EQ, PR_SET_NO_NEW_PRIVS));
  for (auto const call : {SYS_mmap, SYS_mprotect}) {
    if (of_code)
      filter.rule(SCMP_ACT_ALLOW, static_cast<int>(call));
    else
      filter.rule(SCMP_ACT_ALLOW, static_cast<int>(call),
                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  }
}
}  // namespace

Result<void> allow_only(std::span<Calls const> sets, int report) {
  std::set<Calls> const wanted{sets.begin(), sets.end()};
  std::set<int> calls;
  for (auto const each : wanted)
    for (auto const call : calls_of(each)) calls.insert(call);
  Filter filter{SCMP_ACT_TRAP};
  for (auto const call : calls) filter.rule(SCMP_ACT_ALLOW, call);
  for (auto const call : calls_that_name_files())
    if (!calls.contains(call)) filter.rule(SCMP_ACT_ERRNO(EACCES), call);
  if (wanted.contains(Calls::compute)) {
    allow_threads(filter);
    allow_mappings(filter, wanted.contains(Calls::code));
  }
  if (wanted.contains(Calls::network)) allow_sockets(filter);
  bool const local = wanted.contains(Calls::local);
  // The C library looks for name servers by such sockets too, and can do without.
  if (local || wanted.contains(Calls::network))
    filter.rule(local ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT), SYS_socket,
                SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
  report_to = report;
  struct sigaction action{};
  action.sa_sigaction = end_violator;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  if (::sigaction(SIGSYS, &action, nullptr) != 0)
    return fail(Fault::unsupported, "the end of a violator can't be prepared");
  return filter.load();
}

Result<void> allow_no_new_code() {
  Filter filter{SCMP_ACT_ALLOW};
  for (auto const call : {SYS_mmap, SYS_mprotect, SYS_pkey_mprotect})
    filter.rule(SCMP_ACT_TRAP, static_cast<int>(call),
                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
  for (auto const call : calls_of(Calls::code)) {
    // Which open files may be cut is for another set to say.
    if (call != SYS_ftruncate) filter.rule(SCMP_ACT_TRAP, call);
  }
  return filter.load();
}

std::string name_of_call(int number) {
  std::unique_ptr<char, decltype(&::free)> const name{
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &::free};
  return name == nullptr ? fmt::format("{}", number) : std::string{name.get()};
}

}  // namespace mutirao::world::jail
