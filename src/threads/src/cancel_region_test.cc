#include "mutirao/threads/cancel_region.h"

#include <gtest/gtest.h>

#include "mutirao/threads/latch.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "everywhere.h"

namespace mutirao::threads {
namespace {

TEST(CancelRegion, ends_the_wait_inside_it_and_leaves_the_thread_as_it_was) {
  everywhere([] {
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

TEST(CancelRegion, has_a_deadline_of_its_own_that_never_outlasts_the_outer_one) {
  everywhere([] {
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

TEST(CancelRegion, stops_the_scopes_made_inside_it_and_no_other) {
  everywhere([] {
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

TEST(CancelRegion, lets_a_stop_of_the_thread_through_and_keeps_it) {
  everywhere([] {
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

TEST(CancelRegion, stops_inner_regions_with_the_outer_one_and_keeps_the_outer_stopped) {
  everywhere([] {
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
