// What the system may refuse, each in a child process of its own: the runtime goes on with what it
// has, and says what it lacks.
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "sanitizers.h"
#include "testing.h"

namespace mutirao::threads {
namespace {

/// From now on this process gets `error` from a system call.
void forbid(long call, int error, long third_argument = -1) {
  auto const at = [](std::size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  };
  bool const any = third_argument < 0;
  std::array<sock_filter, 6> rules{
      at(offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 3),
      at(offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(third_argument), 0,
                           static_cast<std::uint8_t>(any ? 0 : 1)),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog const program{rules.size(), rules.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    ::_exit(77);
}

/// Ends the child process; 0 when all of `holds` do.
[[noreturn]] void end_child(std::initializer_list<bool> holds) {
  int number = 0;
  for (bool const each : holds) {
    ++number;
    if (!each) std::fprintf(stderr, "expectation %d does not hold\n", number);
    if (!each) ::_exit(number);
  }
  std::fputs("all held\n", stderr);
  ::_exit(0);
}

void use_files(int file) {
  Bytes content(8192, 7);
  std::array<iovec, 1> const part{iovec{content.data(), content.size()}};
  Bytes back(content.size());
  if (!write_file(file, part, 0) || !sync_file(file) || read_file(file, back, 0) != back.size() ||
      back != content)
    ::_exit(78);
}

class Limits : public ::testing::Test {
 protected:
  void SetUp() override {
    // The sanitizers' own threads and maps would be refused as well.
    if (kSanitized) GTEST_SKIP();
  }
};

TEST_F(Limits, no_more_lwps_the_caller_serves_alone_and_it_is_told) {
  EXPECT_EXIT(
      {
        forbid(SYS_clone, EAGAIN);
        forbid(SYS_clone3, EAGAIN);
        runtime one{{.processors = 2}};
        int ended = 0;
        one.run([&] {
          scope inner;
          for (int i = 0; i < 10; ++i) {
            inner.spawn("works", [&] {
              blocking([] { ::usleep(200); });
              yield();
              ++ended;
            });
          }
          static_cast<void>(inner.join());
        });
        end_child({ended == 10, one.info().lwps_refused > 0});
      },
      ::testing::ExitedWithCode(0), "no more LWPs than .*temporarily unavailable.*all held");
}

TEST_F(Limits, io_uring_forbidden_files_go_to_spare_lwps_with_the_reason) {
  EXPECT_EXIT(
      {
        forbid(SYS_io_uring_setup, EPERM);
        std::string name = "/tmp/mutirao-limits-XXXXXX";
        int const file = ::mkstemp(name.data());
        ::unlink(name.c_str());
        runtime one{{.processors = 2}};
        one.run([&] { use_files(file); });
        std::fprintf(stderr, "files: %s\n", one.info().files.c_str());
        end_child({one.info().files.starts_with("spare LWPs")});
      },
      ::testing::ExitedWithCode(0), "spare LWPs .io_uring: Operation not permitted.");
}

TEST_F(Limits, no_guard_regions_stacks_are_protected_page_by_page) {
  EXPECT_EXIT(
      {
        constexpr long kGuardInstall = 102;  // MADV_GUARD_INSTALL
        forbid(SYS_madvise, EINVAL, kGuardInstall);
        runtime one{{.processors = 1}};
        one.run([] { yield(); });
        end_child({one.info().guard == "mprotect"});
      },
      ::testing::ExitedWithCode(0), "all held");
}

TEST_F(Limits, few_mappings_stacks_have_canaries_and_it_is_reported) {
  EXPECT_EXIT(
      {
        constexpr long kGuardInstall = 102;
        forbid(SYS_madvise, EINVAL, kGuardInstall);
        // As when the process has vm.max_map_count mappings: this guard would split one in two.
        forbid(SYS_mprotect, ENOMEM, 0);
        runtime one{{.processors = 1}};
        one.run([] {
          scope inner;
          for (int i = 0; i < 100; ++i) inner.spawn("works", [] { yield(); });
          static_cast<void>(inner.join());
        });
        end_child({one.info().guard == "canary"});
      },
      ::testing::ExitedWithCode(0), "all held");
}

TEST_F(Limits, a_hundred_thousand_threads_are_parked_at_once_on_one_lwp) {
  run_real(1, [] {
    constexpr unsigned kThreads = 100'000;
    scope inner;
    for (unsigned i = 0; i < kThreads; ++i) {
      inner.spawn("parked", [] { EXPECT_EQ(sleep_for(24h).error().fault, Fault::cancelled); },
                  {.stack = stack_size::small});
    }
    yield();
    EXPECT_EQ(this_runtime_info().threads_alive, kThreads + 1);
    inner.request_stop();
    EXPECT_TRUE(inner.join());
  });
}

}  // namespace
}  // namespace mutirao::threads
