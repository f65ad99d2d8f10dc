// The statements of the two-level model, one test each. Nothing here measures time: each test would
// wait for ever if its statement did not hold.
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/channel.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/latch.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "testing.h"

namespace mutirao::threads {
namespace {

long lwp_id() { return ::syscall(SYS_gettid); }

std::size_t kernel_threads() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator{"/proc/self/task"}, {}));
}

/// A pipe whose reader blocks its LWP, as any system call does that the runtime knows nothing of.
class blocking_pipe {
 public:
  blocking_pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~blocking_pipe() {
    for (int const end : ends_) ::close(end);
  }
  void wait() const {
    blocked_on = lwp_id();
    long const before = blocked_on;
    char byte = 0;
    EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
    EXPECT_EQ(lwp_id(), before);
  }
  void open() const {
    char const byte = 0;
    EXPECT_EQ(::write(ends_[1], &byte, 1), 1);
  }
  mutable std::atomic<long> blocked_on{0};

 private:
  std::array<int, 2> ends_{};
};

/// Expects that `holds` on one processor. On a busy machine the kernel may keep an LWP from its CPU
/// for so long that the monitor sends relief; then the run does not count.
void undisturbed(bool (*holds)()) {
  for (int tries = 0; tries < 10; ++tries) {
    runtime one{{.processors = 1}};
    bool held = false;
    one.run([&] { held = holds(); });
    if (held) return;
    // Once it has ended, so that no relief is still on its way.
    ASSERT_GT(one.info().stalls, 0u) << "nobody disturbed it";
  }
  GTEST_SKIP() << "no run was left alone by a busy machine";
}

/// How a thread holds its LWP up until `shut` opens.
struct way {
  char const* name;
  void (*hold)(blocking_pipe const& shut, std::atomic<bool> const& opened);
};
class TwoLevel : public ::testing::TestWithParam<way> {};

void hold_announced(blocking_pipe const& shut, std::atomic<bool> const&) {
  blocking([&] { shut.wait(); });
}
void hold_unannounced(blocking_pipe const& shut, std::atomic<bool> const&) { shut.wait(); }
void hold_spinning(blocking_pipe const& shut, std::atomic<bool> const& opened) {
  shut.blocked_on = lwp_id();
  while (!opened.load()) {
  }
  shut.wait();
}
INSTANTIATE_TEST_SUITE_P(Ways, TwoLevel,
                         ::testing::Values(way{"announced", hold_announced},
                                           way{"unannounced", hold_unannounced},
                                           way{"spinning", hold_spinning}),
                         [](auto const& info) { return info.param.name; });

TEST_P(TwoLevel, a_blocked_system_call_does_not_stop_the_process) {
  for (unsigned const processors : {1u, 2u}) {
    run_real(processors, [] {
      blocking_pipe const shut;
      std::atomic<bool> opened{false};
      constexpr int kBlocked = 5;  // more than there are processors
      scope inner;
      for (int i = 0; i < kBlocked; ++i)
        inner.spawn("blocked", [&] { GetParam().hold(shut, opened); });
      inner.spawn("opener", [&] {
        EXPECT_TRUE(sleep_for(1ms));
        opened = true;
        for (int i = 0; i < kBlocked; ++i) shut.open();
      });
      EXPECT_TRUE(inner.join());
    });
  }
}

TEST_P(TwoLevel, the_thread_stays_on_its_lwp_and_another_lwp_takes_over) {
  run_real(1, [] {
    blocking_pipe const shut;  // it looks that the thread stays
    std::atomic<bool> opened{false};
    scope inner;
    inner.spawn("blocked", [&] { GetParam().hold(shut, opened); });
    inner.spawn("opener", [&] {
      while (shut.blocked_on == 0 || lwp_id() == shut.blocked_on) yield();
      opened = true;
      shut.open();
    });
    EXPECT_TRUE(inner.join());
  });
}

TEST_P(TwoLevel, sockets_that_become_ready_are_seen_while_every_lwp_is_held_up) {
  run_real(1, [] {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    pollable near{ends[0]};
    pollable const far{ends[1]};
    blocking_pipe const shut;
    std::atomic<bool> waits{false};
    std::atomic<bool> opened{false};
    scope inner;
    inner.spawn("reader", [&] {
      waits = true;
      EXPECT_TRUE(near.wait_readable(Deadline::never()));
      opened = true;
      shut.open();
    });
    inner.spawn("blocked", [&] { GetParam().hold(shut, opened); });
    // Not a thread of the runtime: nobody there but the monitor can notice what it does.
    std::thread outside{[&] {
      while (!waits) std::this_thread::yield();
      EXPECT_EQ(::write(far.descriptor(), "x", 1), 1);
    }};
    EXPECT_TRUE(inner.join());
    outside.join();
  });
}

TEST_P(TwoLevel, file_operations_of_one_thread_end_while_another_holds_their_lwp_up) {
  for (bool const ring : {true, false}) {
    runtime real{{.processors = 1, .use_io_uring = ring}};
    real.run([] {
      std::string name = "/tmp/mutirao-two-level-XXXXXX";
      int const file = ::mkstemp(name.data());
      ::unlink(name.c_str());
      blocking_pipe const shut;
      std::atomic<bool> opened{false};
      scope inner;
      inner.spawn("writer", [&] {
        std::array<char, 4096> block{};
        std::array<iovec, 1> const part{iovec{block.data(), block.size()}};
        for (int i = 0; i < 3; ++i) {
          EXPECT_TRUE(write_file(file, part, static_cast<std::uint64_t>(i) * block.size()));
          EXPECT_TRUE(sync_file(file));
        }
        opened = true;
        shut.open();
      });
      inner.spawn("blocked", [&] { GetParam().hold(shut, opened); });
      EXPECT_TRUE(inner.join());
      ::close(file);
    });
  }
}

TEST(TwoLevelModel, a_user_level_block_switches_on_the_same_lwp) {
  undisturbed([] {
    channel<int> ball{0};
    std::vector<long> used(40);
    scope inner;
    for (std::size_t i = 0; i < used.size(); i += 4) {
      inner.spawn("sender", [&, i] {
        used[i] = lwp_id();
        EXPECT_TRUE(ball.send(1));
        used[i + 1] = lwp_id();
      });
      inner.spawn("receiver", [&, i] {
        used[i + 2] = lwp_id();
        EXPECT_TRUE(ball.receive());
        used[i + 3] = lwp_id();
      });
    }
    EXPECT_TRUE(inner.join());
    return std::set<long>(used.begin(), used.end()).size() == 1 && this_runtime_info().lwps == 1;
  });
}

TEST(TwoLevelModel, an_idle_lwp_is_destroyed) {
  runtime real{{.processors = 1, .spare_lwp_rest_max = 1ms}};
  real.run([] {
    blocking_pipe const shut;
    scope inner;
    for (int i = 0; i < 5; ++i) inner.spawn("blocked", [&] { blocking([&] { shut.wait(); }); });
    while (this_runtime_info().lwps_blocked < 5) yield();
    EXPECT_GE(this_runtime_info().lwps, 6u);
    std::size_t const at_most = kernel_threads();
    for (int i = 0; i < 5; ++i) shut.open();
    EXPECT_TRUE(inner.join());
    while (this_runtime_info().lwps > 1) EXPECT_TRUE(sleep_for(1ms));
    // The kernel thread that called run() may have been one of them, and remains.
    while (kernel_threads() > at_most - 4) EXPECT_TRUE(sleep_for(1ms));
  });
}

TEST(TwoLevelModel, relief_goes_when_the_processors_get_on_again) {
  runtime real{{.processors = 1, .spare_lwp_rest_max = 1ms}};
  real.run([] {
    blocking_pipe const shut;
    std::atomic<int> opened{0};
    scope inner;
    for (int i = 0; i < 20; ++i) inner.spawn("blocked", [&] { shut.wait(); });
    inner.spawn("opener", [&] {
      for (int i = 0; i < 20; ++i) shut.open();
    });
    EXPECT_TRUE(inner.join());
    EXPECT_GE(this_runtime_info().stalls, 1u);
    while (this_runtime_info().lwps > 1) EXPECT_TRUE(sleep_for(1ms));
  });
}

TEST(TwoLevelModel, the_monitor_sleeps_when_nothing_is_at_risk) {
  runtime real{{.processors = 2}};
  std::atomic<bool> seen{false};
  std::thread outside{[&] {
    // Another run of looks may end between two glances; it sleeps if they ever stand still.
    for (std::uint64_t last = 1, now = 0; last != now;) {
      last = real.info().monitor_looks;
      std::this_thread::sleep_for(50ms);
      now = real.info().monitor_looks;
    }
    seen = true;
    real.request_stop();
  }};
  real.run([] { EXPECT_FALSE(sleep_for(1h)); });
  EXPECT_TRUE(seen);
  outside.join();
}

TEST(TwoLevelModel, a_hundred_parallel_fetches_take_one_round_trip) {
  undisturbed([] {
    constexpr std::size_t kFetches = 100;
    latch requests{kFetches};
    scope inner;
    for (std::size_t i = 0; i < kFetches; ++i) {
      std::array<int, 2> ends{};
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
      inner.spawn("fetch", [client = pollable{ends[0]}]() mutable -> Result<void> {
        EXPECT_EQ(::write(client.descriptor(), "?", 1), 1);
        char answer = 0;
        while (::read(client.descriptor(), &answer, 1) != 1)
          MUT_TRY(client.wait_readable(Deadline::never()));
        return {};
      });
      // No answer before every request is there: one after the other would wait for ever.
      inner.spawn("server", [&, server = pollable{ends[1]}]() mutable -> Result<void> {
        char request = 0;
        while (::read(server.descriptor(), &request, 1) != 1)
          MUT_TRY(server.wait_readable(Deadline::never()));
        MUT_TRY(requests.arrive_and_wait());
        EXPECT_EQ(::write(server.descriptor(), "!", 1), 1);
        return {};
      });
    }
    EXPECT_TRUE(inner.join());
    return this_runtime_info().lwps == 1;
  });
}

TEST(TwoLevelModel, threads_that_never_park_do_not_keep_sockets_waiting) {
  for (unsigned const processors : {1u, 2u}) {
    run_real(processors, [processors] {
      std::array<int, 2> ends{};
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
      pollable near{ends[0]};
      pollable const far{ends[1]};
      std::atomic<bool> read{false};
      scope inner;
      for (unsigned i = 0; i < 2 * processors; ++i) {
        inner.spawn("yields", [&] {
          while (!read) yield();
        });
        inner.spawn("computes", [&] {
          while (!read) checkpoint();
        });
      }
      inner.spawn("reader", [&] {
        EXPECT_TRUE(near.wait_readable(Deadline::never()));
        read = true;
      });
      inner.spawn("writer", [&] {
        EXPECT_TRUE(sleep_for(1ms));
        EXPECT_EQ(::write(far.descriptor(), "x", 1), 1);
      });
      EXPECT_TRUE(inner.join());
    });
  }
}

TEST(TwoLevelModel,
     a_processor_waits_for_the_call_when_no_more_lwps_are_allowed_and_it_is_counted) {
  runtime tight{{.processors = 1, .spare_lwps_max = 1}};
  tight.run([] {
    std::atomic<int> ended{0};
    scope inner;
    for (int i = 0; i < 6; ++i) {
      inner.spawn("blocked", [&] {
        while (this_runtime_info().lwps_refused == 0 && ended == 0) {
          blocking([] { ::usleep(2000); });
        }
        ++ended;
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(ended, 6);
    EXPECT_GE(this_runtime_info().lwps_refused, 1u);
    EXPECT_LE(this_runtime_info().lwps, 2u);
  });
}

}  // namespace
}  // namespace mutirao::threads
