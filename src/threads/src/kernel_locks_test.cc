// Goal: in a debug build a thread that parks with a lock of the kernel level is found at once, and
// not by the deadlock that it may lead to some day.
#include <mutex>

#include <gtest/gtest.h>

#include "mutirao/threads/mutex.h"
#include "mutirao/threads/this_thread.h"

#include "spinlock.h"
#include "testing.h"

namespace mutirao::threads {
namespace {

#if defined(MUTIRAO_DEBUG)
TEST(KernelLocksDeathTest, end_the_program_when_a_thread_parks_with_one) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run_real(1,
                        [] {
                          std::mutex held;
                          std::lock_guard const lock{held};
                          static_cast<void>(sleep_for(1ms));
                        }),
               "thread main parks while it holds 1 lock");
  EXPECT_DEATH(run_real(1,
                        [] {
                          spin_word held{0};
                          spin_guard const guard{held};
                          yield();
                        }),
               "thread main parks while it holds 1 lock");
  EXPECT_DEATH(run_simulated(1,
                             [] {
                               std::mutex held;
                               std::unique_lock const lock{held, std::try_to_lock};
                               yield();
                             }),
               "thread main parks while it holds 1 lock");
}
#endif

TEST(KernelLocks, may_be_held_between_parks) {
  run_real(2, [] {
    std::mutex kernel_level;
    mutex ours;
    for (int i = 0; i < 3; ++i) {
      {
        std::lock_guard const lock{kernel_level};
      }
      std::lock_guard const lock{ours};
      yield();
    }
  });
}

}  // namespace
}  // namespace mutirao::threads
