#include "mutirao/threads/bound_thread.h"

#include <atomic>

#include <gtest/gtest.h>

#include "mutirao/threads/mutex.h"
#include "mutirao/threads/this_thread.h"

#include "testing.h"

namespace mutirao::threads {
namespace {

TEST(BoundThread, computes_without_keeping_others_from_the_only_processor) {
  run_real(1, [] {
    std::atomic<bool> enough{false};
    std::atomic<int> turns{0};
    {
      bound_thread const computing{"computing", [&] {
                                     while (!enough) ++turns;
                                   }};
      while (turns == 0) yield();
      enough = true;
    }
    EXPECT_GT(turns, 0);
  });
}

TEST(BoundThread, waits_for_user_threads_and_they_for_it) {
  run_real(1, [] {
    mutex guard;
    condition_variable changed;
    int ball = 0;  // even: with the user thread
    {
      bound_thread const other{"other", [&] {
                                 for (int turn = 1; turn < 200; turn += 2) {
                                   std::unique_lock lock{guard};
                                   EXPECT_TRUE(changed.wait(lock, [&] { return ball == turn; }));
                                   ++ball;
                                   changed.notify_all();
                                 }
                               }};
      for (int turn = 0; turn < 200; turn += 2) {
        std::unique_lock lock{guard};
        EXPECT_TRUE(changed.wait(lock, [&] { return ball == turn; }));
        ++ball;
        changed.notify_all();
      }
    }
    EXPECT_EQ(ball, 200);
  });
}

TEST(BoundThread, is_not_to_be_had_where_one_thread_runs_at_a_time) {
  EXPECT_FALSE(bound_thread::available());
  run_real(1, [] { EXPECT_TRUE(bound_thread::available()); });
  runtime simulated{{.simulated = simulated_schedule{1}}};
  simulated.run([] { EXPECT_FALSE(bound_thread::available()); });
}

}  // namespace
}  // namespace mutirao::threads
