#include "mutirao/world/jail.h"

#include <array>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/io.h"

#include "real_disk.h"
#include "real_world_fixture.h"

namespace mutirao::world {
namespace {

using jail::Calls;

/// How a process in the jail ended, and what it reported.
struct JailEnd {
  int code;
  std::string report;
};

/// What could not be done of what a test stands on.
[[noreturn]] void jail_failed(Result<void> const& done) {
  std::fprintf(stderr, "%s\n", done.error().what.c_str());
  ::_exit(99);
}
void jail_must(Result<void> const& done) {
  if (!done) jail_failed(done);
}

/// Runs `body` in a process of its own behind all walls; its result is the exit code.
JailEnd in_jail(std::vector<Calls> const& sets, std::function<int()> const& body) {
  int report[2];
  EXPECT_EQ(::pipe2(report, O_CLOEXEC), 0);
  pid_t const child = ::fork();
  if (child == 0) {
    jail_must(jail::leave_files());
    jail_must(jail::give_up_privileges());
    jail_must(jail::allow_only(sets, report[1]));
    ::_exit(body());
  }
  ::close(report[1]);
  JailEnd end{};
  std::array<char, 64> bytes;
  for (ssize_t got; (got = ::read(report[0], bytes.data(), bytes.size())) > 0;)
    end.report.append(bytes.data(), static_cast<std::size_t>(got));
  ::close(report[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  end.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return end;
}

std::vector<Calls> const kOfAMonitor{Calls::compute, Calls::files, Calls::streams};

TEST(Jail, ends_whoever_starts_a_program_traces_mounts_or_reaches_out_and_says_which_call_it_was) {
  struct Attempt {
    int call;
    std::function<void()> make;
  };
  std::vector<Attempt> const attempts{
      {SYS_execve,
       [] {
         char* const none[] = {nullptr};
         ::execve("/bin/true", none, none);
       }},
      {SYS_socket, [] { ::socket(AF_INET, SOCK_STREAM, 0); }},
      {SYS_ptrace, [] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
      {SYS_mount, [] { ::mount("tmpfs", "/", "tmpfs", 0, nullptr); }},
      {SYS_unshare, [] { ::unshare(CLONE_NEWUSER); }},
      {SYS_kill, [] { ::kill(1, 0); }},
      {SYS_tgkill, [] { ::syscall(SYS_tgkill, 1, 1, 0); }},
      {SYS_clone, [] { ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
      {SYS_clone,
       [] {
         ::syscall(SYS_clone,
                   CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWUSER,
                   0, 0, 0, 0);
       }},
      {SYS_io_uring_setup, [] { ::syscall(SYS_io_uring_setup, 8, nullptr); }},
      {SYS_bpf, [] { ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {SYS_process_vm_readv, [] { ::syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0); }},
      {SYS_memfd_create, [] { ::memfd_create("code", 0); }},
      {SYS_mmap,
       [] { ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }},
      {SYS_prctl, [] { ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }},
      // (By its number: the thread sanitizer keeps calls of signal() from the kernel.)
      {SYS_rt_sigaction, [] { ::syscall(SYS_rt_sigaction, SIGSYS, nullptr, nullptr, 8); }},
  };
  for (auto const& [call, make] : attempts) {
    auto const end = in_jail(kOfAMonitor, [&make] {
      make();
      return 0;
    });
    EXPECT_EQ(end.code, jail::kViolated) << jail::name_of_call(call);
    EXPECT_EQ(end.report, std::to_string(call) + "\n") << jail::name_of_call(call);
  }
}

TEST(Jail, ends_a_violator_also_when_it_blocked_the_signal) {
  auto const end = in_jail(kOfAMonitor, [] {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
    ::kill(1, 0);
    return 0;
  });
  EXPECT_EQ(end.code, 128 + SIGSYS);
}

TEST(Jail, has_an_empty_file_system_that_nobody_can_fill) {
  pid_t const child = ::fork();
  if (child == 0) {
    jail_must(jail::leave_files());
    if (::open("/etc/passwd", O_RDONLY) >= 0) ::_exit(1);
    if (::open("/file", O_CREAT | O_WRONLY, 0600) >= 0) ::_exit(2);
    if (::access("..", R_OK) != 0 || ::access("../etc", F_OK) == 0) ::_exit(3);
    DIR* const root = ::opendir("/");
    while (dirent const* const entry = ::readdir(root))
      if (entry->d_name[0] != '.') ::_exit(4);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
}

TEST(Jail, keeps_copies_of_the_files_that_were_named_and_no_others) {
  pid_t const child = ::fork();
  if (child == 0) {
    std::vector<std::string> const kept{"/etc/passwd", "/no/such/file"};
    jail_must(jail::leave_files(kept));
    std::array<char, 16> bytes;
    int const file = ::open("/etc/passwd", O_RDONLY);
    if (file < 0 || ::read(file, bytes.data(), bytes.size()) <= 0) ::_exit(1);
    if (::open("/etc/group", O_RDONLY) >= 0 || ::access("/no", F_OK) == 0) ::_exit(2);
    if (::open("/etc/passwd", O_WRONLY) >= 0 || ::mkdir("/more", 0700) == 0) ::_exit(3);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
}

sockaddr_un jail_address(std::string const& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

int jail_socket(std::string const& path, decltype(&::connect) call) {
  auto const address = jail_address(path);
  int const socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  return socket < 0 ? -1
                    : call(socket, reinterpret_cast<sockaddr const*>(&address), sizeof address);
}

TEST(Jail, keeps_a_folder_that_was_named_where_it_was_for_unix_sockets_and_nothing_beside_it) {
  std::string above = "/tmp/mutirao-jail-XXXXXX";
  ASSERT_NE(::mkdtemp(above.data()), nullptr);
  auto const folder = above + "/folder";
  ASSERT_EQ(::mkdir(folder.c_str(), 0700), 0);
  auto const listen_at = [](std::string const& path) {
    auto const address = jail_address(path);
    int const socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr const*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket, 1), 0);
    return Descriptor{socket};
  };
  auto const inside = listen_at(folder + "/inside");
  auto const beside = listen_at(above + "/beside");
  int report[2];
  ASSERT_EQ(::pipe2(report, O_CLOEXEC), 0);
  pid_t const child = ::fork();
  if (child == 0) {
    std::vector<std::string> const folders{folder};
    jail_must(jail::leave_files({}, folders));
    jail_must(jail::leave_network());
    jail_must(jail::give_up_privileges());
    jail_must(jail::allow_only(std::array{Calls::compute, Calls::local}, report[1]));
    if (jail_socket(folder + "/inside", ::connect) != 0) ::_exit(1);
    if (jail_socket(above + "/beside", ::connect) == 0) ::_exit(2);
    if (jail_socket(folder + "/own", ::bind) != 0) ::_exit(3);
    if (jail_socket(above + "/own", ::bind) == 0) ::_exit(4);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
  EXPECT_EQ(::access((folder + "/own").c_str(), F_OK), 0);
  std::filesystem::remove_all(above);
  ::close(report[0]);
  ::close(report[1]);
}

TEST(Jail, has_a_network_of_its_own_once_it_has_left_that_of_the_host) {
  // A name without a file.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string const name = "mutirao-jail-" + std::to_string(::getpid());
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  Descriptor const listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  auto const* const at = reinterpret_cast<sockaddr const*>(&address);
  ASSERT_EQ(::bind(listener.get(), at, sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  auto const connects = [&] {
    int const socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    return ::connect(socket, at, sizeof address) == 0;
  };
  pid_t const child = ::fork();
  if (child == 0) {
    if (!connects()) ::_exit(1);
    jail_must(jail::leave_files());
    jail_must(jail::leave_network());
    ::_exit(connects() ? 2 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
}

TEST(Jail, answers_who_looks_for_a_file_that_there_is_none) {
  auto const end = in_jail(kOfAMonitor, [] {
    return ::open("/etc/passwd", O_RDONLY) < 0 && threads::last_error_number() == EACCES ? 0 : 1;
  });
  EXPECT_EQ(end.code, 0);
}

TEST(Jail, leaves_no_privilege_and_no_way_to_one) {
  pid_t const child = ::fork();
  if (child == 0) {
    jail_must(jail::give_up_privileges());
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = {};
    ::syscall(SYS_capget, &header, has);
    for (auto const& each : has)
      if ((each.effective | each.permitted | each.inheritable) != 0) ::_exit(1);
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) ::_exit(2);
    if (::geteuid() == 0 && ::prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0) ::_exit(3);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
}

TEST(Jail, lets_a_guest_s_network_make_sockets_to_other_machines_alone) {
  EXPECT_EQ(in_jail({Calls::compute, Calls::network},
                    [] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1; })
                .code,
            0);
  EXPECT_EQ(in_jail({Calls::compute, Calls::network},
                    [] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : 1; })
                .code,
            1);
  for (int const family : {AF_PACKET, AF_VSOCK})
    EXPECT_EQ(in_jail({Calls::compute, Calls::network},
                      [family] { return ::socket(family, SOCK_RAW, 0) >= 0 ? 0 : 1; })
                  .code,
              jail::kViolated);
}

TEST(Jail, takes_the_making_of_code_away_once_it_is_made) {
  auto const end = in_jail({Calls::compute, Calls::code}, [] {
    auto* const code =
        ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) return 1;
    jail_must(jail::allow_no_new_code());
    if (::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
        MAP_FAILED)
      return 2;
    ::mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
    return 3;
  });
  EXPECT_EQ(end.code, jail::kViolated);
  EXPECT_EQ(end.report, std::to_string(SYS_mprotect) + "\n");
}

TEST(Jail, lets_folders_that_are_open_be_used_where_that_was_allowed) {
  auto const use = [](std::vector<Calls> const& sets) {
    int const folder = ::open("/etc", O_PATH | O_DIRECTORY);
    auto const end =
        in_jail(sets, [folder] { return ::openat(folder, "passwd", O_RDONLY) >= 0 ? 0 : 1; });
    ::close(folder);
    return end.code;
  };
  EXPECT_EQ(use({Calls::compute, Calls::folders}), 0);
  EXPECT_EQ(use({Calls::compute, Calls::files}), 1);
}

/// A whole runtime: threads on several LWPs that wait, a file that was open, randomness.
TEST(Jail, is_no_hindrance_to_the_runtime_and_what_it_has_open) {
  Descriptor passwd{::open("/etc/passwd", O_RDONLY | O_CLOEXEC)};
  auto const end = in_jail(kOfAMonitor, [&passwd] {
    int code = 1;
    threads::runtime runtime{{.processors = 2, .use_io_uring = false}};
    runtime.run([&] {
      base::SilentLog log;
      auto const world = make_real_world(log);
      auto const file = make_real_file(std::move(passwd), "passwd");
      threads::channel<int> channel{1};
      threads::scope scope;
      for (int i = 0; i < 100; ++i)
        scope.spawn("sender", [&channel, &world, &file, i] {
          std::array<std::uint8_t, 16> bytes;
          world->entropy().fill(bytes);
          EXPECT_TRUE(threads::sleep_for(1ms));
          EXPECT_TRUE(file->read_at(0, bytes));
          EXPECT_TRUE(channel.send(int{i}));
        });
      int sum = 0;
      for (int i = 0; i < 100; ++i) sum += *channel.receive();
      code = sum == 4950 ? 0 : 2;
    });
    return code;
  });
  EXPECT_EQ(end.code, 0) << end.report;
}

}  // namespace
}  // namespace mutirao::world
