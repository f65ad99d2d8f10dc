#include "mutirao/threads/cancel_region.h"

#include <gtest/gtest.h>

#include "mutirao/threads/latch.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "testing.h"

namespace mutirao::threads {
namespace {

class CancelRegion : public ::testing::TestWithParam<std::string> {
 protected:
  static void run(std::move_only_function<void()> body) {
    if (GetParam() == "simulated") {
      run_simulated(7, std::move(body));
    } else if (GetParam() == "migrating") {
      run_migrating(3, std::move(body));
    } else {
      run_real(2, std::move(body));
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Everywhere, CancelRegion,
                         ::testing::Values("real", "migrating", "simulated"),
                         [](auto const& info) { return info.param; });

TEST_P(CancelRegion, ends_the_wait_inside_it_and_leaves_the_thread_as_it_was) {
  run([] {
    scope others;
    {
      cancel_region region;
      others.spawn("stopper", [&] {
        EXPECT_TRUE(sleep_for(1ms));
        region.request_stop();
      });
      auto const slept = sleep_for(1h);
      ASSERT_FALSE(slept);
      EXPECT_EQ(slept.error().fault, Fault::cancelled);
      EXPECT_TRUE(stop_requested());
      EXPECT_TRUE(get_stop_token().stop_requested());
      EXPECT_TRUE(others.join());
    }
    EXPECT_FALSE(stop_requested());
    EXPECT_FALSE(get_stop_token().stop_requested());
    EXPECT_TRUE(sleep_for(1ms));
  });
}

TEST_P(CancelRegion, has_a_deadline_of_its_own_that_never_outlasts_the_outer_one) {
  run([] {
    auto const start = now();
    {
      cancel_region outer{within(5ms)};
      {
        cancel_region inner{within(1h)};
        EXPECT_EQ(sleep_for(1h).error().fault, Fault::timed_out);
      }
    }
    EXPECT_LT(now() - start, 1min);
    EXPECT_TRUE(sleep_for(1ms));
  });
}

TEST_P(CancelRegion, stops_the_scopes_made_inside_it_and_no_other) {
  run([] {
    scope before;
    latch told{1};
    before.spawn("goes on", [&] { EXPECT_TRUE(told.wait(within(1min))); });
    {
      cancel_region region;
      scope inside;
      inside.spawn("ends", [] { EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled); });
      yield();
      region.request_stop();
      EXPECT_TRUE(inside.join());
    }
    EXPECT_FALSE(before.stop_requested());
    told.count_down();
    EXPECT_TRUE(before.join());
  });
}

TEST_P(CancelRegion, lets_a_stop_of_the_thread_through_and_keeps_it) {
  run([] {
    scope outer;
    latch inside{1};
    outer.spawn("worker", [&] {
      {
        cancel_region region;
        inside.count_down();
        EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled);
        region.request_stop();
      }
      EXPECT_TRUE(stop_requested());
      EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled);
    });
    EXPECT_TRUE(inside.wait());
    outer.request_stop();
    EXPECT_TRUE(outer.join());
  });
}

TEST_P(CancelRegion, stops_inner_regions_with_the_outer_one_and_keeps_the_outer_stopped) {
  run([] {
    cancel_region outer;
    {
      cancel_region inner;
      outer.request_stop();
      EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled);
    }
    EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled);
  });
}

}  // namespace
}  // namespace mutirao::threads
