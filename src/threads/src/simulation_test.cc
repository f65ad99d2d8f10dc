#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/channel.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

#include "sanitizers.h"
#include "testing.h"

namespace mutirao::threads {
namespace {

#if defined(MUT_THREAD_SANITIZER)
constexpr int kManySimulatedThreads = 200;
#else
constexpr int kManySimulatedThreads = 20'000;
#endif

TEST(SimulatedRuntime, passes_a_year_in_no_time) {
  run_simulated(1, [] {
    auto const start = now();
    EXPECT_TRUE(sleep_for(24h * 365));
    EXPECT_EQ(now() - start, 24h * 365);
  });
}

TEST(SimulatedRuntime, starts_at_the_same_moment_each_time) {
  TimePoint first;
  TimePoint second;
  run_simulated(1, [&] { first = now(); });
  run_simulated(2, [&] { second = now(); });
  EXPECT_EQ(first, second);
}

/// Threads that compete for everything there is; what they did, in order.
std::vector<std::string> history(std::uint64_t seed) {
  std::vector<std::string> done;
  run_simulated(seed, [&] {
    scope inner;
    channel<int> ring{2};
    mutex guard;
    for (int i = 0; i < 10; ++i) {
      inner.spawn("worker", [&, i]() -> Result<void> {
        for (int round = 0; round < 20; ++round) {
          {
            std::lock_guard const lock{guard};
            done.push_back(std::to_string(i) + "@" +
                           std::to_string(now().time_since_epoch().count()));
            if (round % 3 == 0) yield();
          }
          if (i % 2 == 0) {
            MUT_TRY(ring.send(int{i}));
          } else {
            done.push_back("got " + std::to_string(MUT_TRY(ring.receive())));
          }
          MUT_TRY(sleep_for(std::chrono::microseconds{i * round % 7}));
          checkpoint();
        }
        return {};
      });
    }
    EXPECT_TRUE(inner.join());
  });
  return done;
}

TEST(SimulatedRuntime, repeats_itself_for_the_same_seed) {
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    EXPECT_EQ(history(seed), history(seed)) << "seed " << seed;
}

TEST(SimulatedRuntime, differs_for_another_seed) { EXPECT_NE(history(1), history(2)); }

TEST(SimulatedRuntime, carries_many_threads_with_timers) {
  run_simulated(3, [] {
    scope inner;
    int ended = 0;
    for (int i = 0; i < kManySimulatedThreads; ++i) {
      inner.spawn("sleeper",
                  [&, i]() -> Result<void> {
                    for (int round = 0; round < 5; ++round)
                      MUT_TRY(sleep_for(std::chrono::milliseconds{1 + i % 100}));
                    ++ended;
                    return {};
                  },
                  {.stack = stack_size::small});
    }
    auto const start = now();
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(ended, kManySimulatedThreads);
    EXPECT_EQ(now() - start, 500ms);
  });
}

TEST(SimulatedRuntime, wakes_sleepers_in_the_order_of_their_times) {
  run_simulated(4, [] {
    std::vector<int> order;
    scope inner;
    for (int i : {5, 3, 9, 1, 7}) {
      inner.spawn("sleeper", [&, i] {
        EXPECT_TRUE(sleep_for(std::chrono::seconds{i}));
        order.push_back(i);
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(order, (std::vector{1, 3, 5, 7, 9}));
  });
}

TEST(SimulatedRuntime, runs_blocking_calls_in_place) {
  run_simulated(5, [] { EXPECT_EQ(blocking([] { return 7; }), 7); });
}

TEST(SimulatedRuntime, ends_waits_at_their_deadline) {
  run_simulated(6, [] {
    semaphore never{0};
    auto const start = now();
    auto got = never.acquire(within(3s));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().fault, Fault::timed_out);
    EXPECT_EQ(now() - start, 3s);
  });
}

TEST(SimulatedRuntimeDeathTest, lists_who_waits_in_a_deadlock) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run_simulated(42,
                             [] {
                               semaphore never{0};
                               scope inner;
                               inner.spawn("forsaken", [&] { static_cast<void>(never.acquire()); });
                               static_cast<void>(inner.join());
                             }),
               "deadlock in the simulated runtime with seed 42(.|\n)*main(.|\n)*forsaken");
}

}  // namespace
}  // namespace mutirao::threads
