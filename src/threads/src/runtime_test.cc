#include "mutirao/threads/runtime.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/channel.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

#include "sanitizers.h"
#include "testing.h"

namespace mutirao::threads {
namespace {

// The thread sanitizer allows 8,128 contexts of 850 KB each.
#if defined(MUT_THREAD_SANITIZER)
constexpr int kManyThreads = 200;
#else
constexpr int kManyThreads = 10'000;
#endif

TEST(Runtime, runs_the_first_thread_and_returns) {
  bool ran = false;
  run_real(2, [&] {
    ran = true;
    EXPECT_TRUE(on_user_thread());
    EXPECT_EQ(thread_name(), "main");
  });
  EXPECT_TRUE(ran);
  EXPECT_FALSE(on_user_thread());
}

TEST(Runtime, starts_again_after_it_has_ended) {
  runtime one{{.processors = 2}};
  int runs = 0;
  for (int i = 0; i < 20; ++i) {
    one.run([&] {
      scope inner;
      inner.spawn("child", [&] { ++runs; });
      EXPECT_TRUE(inner.join());
    });
  }
  EXPECT_EQ(runs, 20);
}

TEST(Runtime, lives_beside_others_in_one_process) {
  std::atomic<int> sum{0};
  std::vector<std::jthread> outside;
  for (int i = 0; i < 3; ++i) {
    outside.emplace_back([&] {
      run_real(2, [&] {
        scope inner;
        for (int k = 0; k < 100; ++k) inner.spawn("adder", [&] { sum += 1; });
        EXPECT_TRUE(inner.join());
      });
    });
  }
  outside.clear();
  EXPECT_EQ(sum, 300);
}

TEST(Runtime, hands_an_exception_of_the_first_thread_to_the_caller) {
  EXPECT_THROW(run_real(1, [] { throw std::runtime_error{"told"}; }), std::runtime_error);
}

TEST(Runtime, carries_many_parked_threads) {
  run_real(2, [] {
    semaphore gate{0};
    scope inner;
    std::atomic<int> passed{0};
    for (int i = 0; i < kManyThreads; ++i) {
      inner.spawn("waiter",
                  [&]() -> Result<void> {
                    MUT_TRY(gate.acquire());
                    ++passed;
                    return {};
                  },
                  {.stack = stack_size::small});
    }
    EXPECT_TRUE(sleep_for(1ms));
    EXPECT_EQ(this_runtime_info().threads_alive, static_cast<std::uint64_t>(kManyThreads) + 1);
    gate.release(kManyThreads);
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(passed, kManyThreads);
  });
}

TEST(Runtime, uses_every_processor) {
  run_real(2, [] {
    // Each of the two spins until the other has come: one LWP alone would never get there, since
    // neither gives way.
    std::atomic<int> arrived{0};
    scope inner;
    for (int i = 0; i < 2; ++i) {
      inner.spawn("meeter", [&] {
        ++arrived;
        while (arrived < 2) {
        }
      });
    }
    EXPECT_TRUE(inner.join());
  });
}

TEST(Runtime, lets_a_thread_go_on_that_was_woken_by_one_that_never_stops) {
  run_real(2, [] {
    std::atomic<bool> seen{false};
    scope inner;
    channel<int> ring{1};
    inner.spawn("woken", [&]() -> Result<void> {
      MUT_TRY(ring.receive());
      seen = true;
      return {};
    });
    EXPECT_TRUE(sleep_for(1ms));
    EXPECT_TRUE(ring.send(1));
    while (!seen) {
    }
    EXPECT_TRUE(inner.join());
  });
}

TEST(Runtime, gives_way_at_checkpoints) {
  run_real(1, [] {
    std::atomic<bool> ran{false};
    scope inner;
    inner.spawn("other", [&] { ran = true; });
    while (!ran) checkpoint();
    EXPECT_TRUE(inner.join());
  });
}

TEST(Runtime, stops_everything_on_request_from_another_lwp) {
  runtime real{{.processors = 2}};
  std::atomic<bool> parked{false};
  std::jthread const outside{[&] {
    parked.wait(false);
    real.request_stop();
  }};
  real.run([&] {
    scope inner;
    inner.spawn("sleeper", [] {
      auto slept = sleep_for(1h);
      EXPECT_FALSE(slept);
      EXPECT_EQ(slept.error().fault, Fault::cancelled);
    });
    parked = true;
    parked.notify_all();
    auto slept = sleep_for(1h);
    ASSERT_FALSE(slept);
    EXPECT_EQ(slept.error().fault, Fault::cancelled);
    EXPECT_TRUE(stop_requested());
    EXPECT_TRUE(inner.join());
  });
}

TEST(Runtime, stops_on_request_of_a_signal_handler) {
  static runtime* target = nullptr;
  runtime real{{.processors = 1}};
  target = &real;
  std::signal(SIGUSR2, [](int) { target->request_stop(); });
  real.run([] {
    std::raise(SIGUSR2);
    EXPECT_FALSE(sleep_for(1h));
  });
  std::signal(SIGUSR2, SIG_DFL);
}

TEST(Runtime, tells_what_is_in_force) {
  run_real(2, [] {
    auto const info = this_runtime_info();
    EXPECT_EQ(info.processors, 2u);
    EXPECT_GE(info.lwps, 1u);
    EXPECT_EQ(info.threads_alive, 1u);
    EXPECT_FALSE(info.guard.empty());
    EXPECT_FALSE(info.files.empty());
  });
  runtime const without{{.use_io_uring = false}};
  EXPECT_EQ(without.info().files, "spare LWPs (switched off)");
}

// A function of its own: the compiler keeps the address of errno over the loop, and with it the
// LWP.
[[gnu::noinline]] void set_error_number(int value) { errno = value; }

TEST(Runtime, keeps_each_threads_errno_across_parks_and_migration) {
  run_migrating(2, [] {
    scope inner;
    for (int i = 1; i <= 20; ++i) {
      inner.spawn("owner of an errno", [i] {
        for (int round = 0; round < 200; ++round) {
          set_error_number(i);
          round % 8 == 0 ? static_cast<void>(sleep_for(10us)) : yield();
          ASSERT_EQ(last_error_number(), i);
        }
      });
    }
    EXPECT_TRUE(inner.join());
  });
}

TEST(Runtime, keeps_each_threads_exceptions_across_parks_and_migration) {
  run_migrating(2, [] {
    scope inner;
    for (int i = 0; i < 20; ++i) {
      inner.spawn("catcher", [i] {
        for (int round = 0; round < 50; ++round) {
          try {
            try {
              throw i;
            } catch (int) {
              round % 8 == 0 ? static_cast<void>(sleep_for(10us)) : yield();
              ASSERT_NE(std::current_exception(), nullptr);
              throw;
            }
          } catch (int caught) {
            ASSERT_EQ(caught, i);
          }
          ASSERT_EQ(std::uncaught_exceptions(), 0);
        }
      });
    }
    EXPECT_TRUE(inner.join());
  });
}

TEST(Runtime, keeps_exceptions_in_flight_apart_while_destructors_park) {
  struct parks_when_unwound {
    ~parks_when_unwound() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      yield();
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  run_migrating(2, [] {
    scope inner;
    for (int i = 0; i < 10; ++i) {
      inner.spawn("thrower", [] {
        for (int round = 0; round < 50; ++round) {
          try {
            parks_when_unwound const guard;
            throw 1;
          } catch (int) {
          }
        }
      });
    }
    EXPECT_TRUE(inner.join());
  });
}

[[gnu::noinline]] int descend(int depth) {
  char volatile frame[1024];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? 0 : descend(depth - 1) + frame[0];
}

TEST(RuntimeDeathTest, names_the_thread_that_overflows_its_stack) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run_real(1,
                        [] {
                          scope inner;
                          inner.spawn("glutton", [] { static_cast<void>(descend(1'000'000)); });
                          static_cast<void>(inner.join());
                        }),
               "stack overflow in thread glutton");
}

}  // namespace
}  // namespace mutirao::threads
