// Goal: whoever asks why nothing happens is told what every thread waits for, at any time and at
// no cost to those that run; and threads that wait for each other for ever do not hang unseen.
#include "mutirao/threads/diagnostics.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/channel.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

#include "sanitizers.h"
#include "testing.h"

namespace mutirao::threads {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

thread_info info_about(std::string_view name) {
  for (auto& each : this_runtime_report().threads)
    if (each.name == name) return each;
  return {};
}

/// What the report says about a thread once it is in that state.
thread_info seen_in(thread_state state, std::string_view name) {
  for (;;) {
    auto info = info_about(name);
    if (info.state == state) return info;
    EXPECT_TRUE(sleep_for(100us));
  }
}

TEST(Report, tells_what_each_thread_waits_for) {
  for (bool const simulated : {false, true}) {
    auto const body = [] {
      mutex guard;
      mutex other;
      condition_variable changed;
      semaphore none{0};
      channel<int> empty{1};
      scope inner;
      guard.lock();
      inner.spawn("locker", [&] { std::lock_guard const lock{guard}; });
      inner.spawn("conditional", [&] {
        std::unique_lock lock{other};
        static_cast<void>(changed.wait(lock));
      });
      inner.spawn("counter", [&] { static_cast<void>(none.acquire()); });
      inner.spawn("receiver", [&] { static_cast<void>(empty.receive()); });
      inner.spawn("sleeper", [&] { static_cast<void>(sleep_for(1h)); });
      inner.spawn("parent", [&] {
        scope nested;
        nested.spawn("child", [&] { static_cast<void>(none.acquire()); });
        static_cast<void>(nested.join());
      });
      auto const locker = seen_in(thread_state::parked, "locker");
      EXPECT_EQ(locker.waits_for, wait_kind::mutex);
      EXPECT_THAT(locker.wait, ContainsRegex("^mutex 0x[0-9a-f]+, held by main .thread 1.$"));
      EXPECT_EQ(locker.scope, "main");
      EXPECT_EQ(seen_in(thread_state::parked, "conditional").waits_for, wait_kind::condition);
      EXPECT_EQ(seen_in(thread_state::parked, "counter").waits_for, wait_kind::semaphore);
      EXPECT_EQ(seen_in(thread_state::parked, "receiver").waits_for, wait_kind::channel);
      EXPECT_EQ(seen_in(thread_state::parked, "sleeper").wait, "a timer");
      EXPECT_EQ(seen_in(thread_state::parked, "parent").waits_for, wait_kind::join);
      auto const child = seen_in(thread_state::parked, "child");
      EXPECT_EQ(child.scope, "main > parent");
      EXPECT_EQ(child.depth, 2u);
      EXPECT_EQ(info_about("main").state, thread_state::running);
      guard.unlock();
    };
    simulated ? run_simulated(3, body) : run_real(2, body);
  }
}

TEST(Report, tells_of_descriptors_and_blocking_calls) {
  run_real(2, [] {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    int const number = ends[0];
    std::atomic<bool> open{false};
    scope inner;
    inner.spawn("reader", [&] {
      pollable pipe{ends[0]};
      EXPECT_FALSE(pipe.wait_readable(Deadline::never()));
    });
    inner.spawn("caller", [&] { blocking([&] { open.wait(false); }); });
    EXPECT_EQ(seen_in(thread_state::parked, "reader").wait,
              "reading descriptor " + std::to_string(number));
    EXPECT_EQ(seen_in(thread_state::blocked, "caller").wait, "a blocking call");
    open = true;
    open.notify_all();
    inner.request_stop();
    EXPECT_TRUE(inner.join());
    close(ends[1]);
  });
}

TEST(Report, counts_how_long_threads_have_waited) {
  run_simulated(5, [] {
    scope inner;
    inner.spawn("sleeper", [] { static_cast<void>(sleep_for(1h)); });
    EXPECT_TRUE(sleep_for(10s));
    inner.spawn("late", [] { static_cast<void>(sleep_for(1h)); });
    EXPECT_TRUE(sleep_for(20s));
    EXPECT_EQ(info_about("sleeper").since, 30s);
    EXPECT_EQ(info_about("late").since, 20s);
    EXPECT_EQ(info_about("main").age, 30s);
  });
}

TEST(Report, shows_those_whom_a_shield_keeps_from_stops) {
  run_real(2, [] {
    semaphore none{0};
    shield const guard;
    scope inner;
    inner.spawn("flusher", [&] { EXPECT_TRUE(none.acquire()); });
    EXPECT_EQ(seen_in(thread_state::parked, "flusher").scope, "main");
    none.release();
    EXPECT_TRUE(inner.join());
  });
}

TEST(Report, can_be_asked_for_at_any_time_from_anywhere) {
  runtime real{{.processors = 2}};
  std::atomic<bool> done{false};
  std::jthread const outside{[&] {
    while (!done) static_cast<void>(to_text(real.report()));
  }};
  real.run([] {
    for (int round = 0; round < 30; ++round) {
      scope outer;
      mutex guard;
      for (int i = 0; i < 6; ++i) {
        outer.spawn("maker", [&, i] {
          scope inner;
          for (int k = 0; k < 3; ++k) {
            inner.spawn("made", [&] {
              std::lock_guard const lock{guard};
              yield();
            });
          }
          if (i == 3) static_cast<void>(this_runtime_report());
          static_cast<void>(inner.join());
        });
      }
      EXPECT_TRUE(outer.join());
    }
  });
  done = true;
}

/// Standard error, caught while one lives.
class caught_standard_error {
 public:
  caught_standard_error() : before_{dup(STDERR_FILENO)} {
    EXPECT_EQ(pipe2(ends_, O_CLOEXEC | O_NONBLOCK), 0);
    dup2(ends_[1], STDERR_FILENO);
  }
  ~caught_standard_error() {
    dup2(before_, STDERR_FILENO);
    for (int const each : {before_, ends_[0], ends_[1]}) close(each);
  }
  /// What came until `last` did.
  std::string until(std::string_view last) {
    std::string text;
    while (text.find(last) == std::string::npos) {
      pollfd wanted{.fd = ends_[0], .events = POLLIN, .revents = 0};
      poll(&wanted, 1, -1);
      char buffer[4096];
      auto const got = read(ends_[0], buffer, sizeof buffer);
      if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int before_;
  int ends_[2] = {-1, -1};
};

// Every processor is busy, so no user thread could answer.
TEST(ReportOnSignal, comes_also_when_every_processor_is_stuck_and_the_program_goes_on) {
  runtime real{{.processors = 1}};
  report_on_signal const reporter{real, SIGQUIT};
  caught_standard_error standard_error;
  real.run([&] {
    semaphore none{0};
    scope inner;
    inner.spawn("patient", [&] { static_cast<void>(none.acquire()); });
    yield();
    for (int round = 0; round < 2; ++round) {
      kill(getpid(), SIGQUIT);
      auto const text = standard_error.until("patient (thread 2)");
      EXPECT_THAT(text, AllOf(HasSubstr("2 threads: 1 running"), HasSubstr("processor 0:"),
                              ContainsRegex("patient .thread 2.: parked, waits for semaphore")));
    }
  });
}

/// Each of two threads holds a mutex that the other wants.
void deadlock_of_two_mutexes() {
  mutex first;
  mutex second;
  std::atomic<int> holding{0};
  auto const grab = [&](mutex& mine, mutex& others) {
    std::lock_guard const lock{mine};
    ++holding;
    while (holding < 2) yield();
    std::lock_guard const never{others};
  };
  scope inner;
  inner.spawn("ana", [&] { grab(first, second); });
  inner.spawn("rui", [&] { grab(second, first); });
  static_cast<void>(inner.join());
}
constexpr char kTwoMutexes[] =
    "deadlock(.|\n)*main .thread 1.: parked, waits for the threads of its scope"
    "(.|\n)*rui .thread [0-9]+.: parked, waits for mutex 0x[0-9a-f]+, held by ana .thread [0-9]+."
    "(.|\n)*ana .thread [0-9]+.: parked, waits for mutex 0x[0-9a-f]+, held by rui .thread [0-9]+.";

// The thread sanitizer has a kernel thread of its own, which might wake somebody for all we know.
#if !defined(MUT_THREAD_SANITIZER)
TEST(DeadlockDeathTest, ends_the_program_with_its_wait_graph) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_real(2, deadlock_of_two_mutexes), ::testing::ExitedWithCode(2), kTwoMutexes);
}

TEST(DeadlockDeathTest, is_seen_after_a_long_life_too) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_real(1,
                       [] {
                         blocking([] { usleep(1000); });
                         EXPECT_TRUE(sleep_for(300ms));  // the monitor has been asleep
                         channel<int> empty{1};
                         static_cast<void>(empty.receive());
                       }),
              ::testing::ExitedWithCode(2), "main .thread 1.: parked, waits for channel");
}
#endif

TEST(DeadlockDeathTest, ends_a_simulated_program_likewise) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_simulated(42, deadlock_of_two_mutexes), ::testing::ExitedWithCode(2),
              kTwoMutexes);
}

// None of these is one: something may still happen.
TEST(Deadlock, is_not_seen_where_something_from_outside_may_come) {
  static constexpr Duration kLongerThanTheMonitorWatches = 300ms;
  auto const after_a_while = [](auto wake) {
    return std::jthread{[wake] {
      std::this_thread::sleep_for(kLongerThanTheMonitorWatches);
      wake();
    }};
  };
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  run_real(2, [&] {
    auto const writer = after_a_while([&] { EXPECT_EQ(write(ends[1], "x", 1), 1); });
    pollable pipe{ends[0]};
    EXPECT_TRUE(pipe.wait_readable(Deadline::never()));
  });
  close(ends[1]);
  run_real(2, [&] {
    scope inner;
    semaphore done{0};
    inner.spawn("caller", [&] {
      blocking([&] { std::this_thread::sleep_for(kLongerThanTheMonitorWatches); });
      done.release();
    });
    EXPECT_TRUE(done.acquire());
  });
  run_real(2, [&] { EXPECT_TRUE(sleep_for(kLongerThanTheMonitorWatches)); });
  runtime stopped_from_outside{{.processors = 2}};
  auto const stopper = after_a_while([&] { stopped_from_outside.request_stop(); });
  stopped_from_outside.run([] { EXPECT_FALSE(semaphore{0}.acquire()); });
}

}  // namespace
}  // namespace mutirao::threads
