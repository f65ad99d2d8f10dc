#include "mutirao/threads/scope.h"

#include <atomic>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

#include "testing.h"

namespace mutirao::threads {
namespace {

/// Scopes behave alike in a real runtime, in one that moves its threads about, and under any
/// simulated order.
class Scope : public ::testing::TestWithParam<std::string> {
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
INSTANTIATE_TEST_SUITE_P(Everywhere, Scope, ::testing::Values("real", "migrating", "simulated"),
                         [](auto const& info) { return info.param; });

TEST_P(Scope, joins_every_thread) {
  run([] {
    std::atomic<int> ended{0};
    scope inner;
    for (int i = 0; i < 50; ++i) {
      inner.spawn("child", [&] {
        yield();
        ++ended;
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(ended, 50);
    EXPECT_EQ(inner.threads_alive(), 0u);
  });
}

TEST_P(Scope, can_be_used_again_after_a_join) {
  run([] {
    int ended = 0;
    scope inner;
    for (int i = 0; i < 3; ++i) {
      inner.spawn("child", [&] { ++ended; });
      EXPECT_TRUE(inner.join());
      EXPECT_EQ(ended, i + 1);
    }
  });
}

TEST_P(Scope, stops_the_siblings_of_the_first_that_fails_and_tells_why) {
  run([] {
    scope inner;
    std::atomic<bool> sibling_stopped{false};
    inner.spawn("sibling", [&]() -> Result<void> {
      auto slept = sleep_for(1h);
      sibling_stopped = !slept && slept.error().fault == Fault::cancelled;
      return slept;
    });
    inner.spawn("failing", []() -> Result<void> { return fail(Fault::corrupt, "the reason"); });
    auto const joined = inner.join();
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().fault, Fault::corrupt);
    EXPECT_EQ(joined.error().what, "the reason");
    EXPECT_TRUE(sibling_stopped);
  });
}

TEST_P(Scope, turns_an_escaped_exception_into_its_error) {
  run([] {
    scope inner;
    inner.spawn("thrower", [] { throw std::runtime_error{"told why"}; });
    auto const joined = inner.join();
    ASSERT_FALSE(joined);
    EXPECT_NE(joined.error().what.find("thrower"), std::string::npos);
    EXPECT_NE(joined.error().what.find("told why"), std::string::npos);
  });
}

TEST_P(Scope, does_not_report_what_an_isolated_thread_failed_with) {
  run([] {
    scope inner;
    bool sibling_ran_on = false;
    inner.spawn("isolated", []() -> Result<void> { return fail(Fault::io, "nobody asks"); },
                {.isolated = true});
    inner.spawn("sibling", [&] { sibling_ran_on = sleep_for(1ms).has_value(); });
    EXPECT_TRUE(inner.join());
    EXPECT_TRUE(sibling_ran_on);
  });
}

TEST_P(Scope, stops_and_waits_for_its_threads_when_left) {
  run([] {
    bool ended = false;
    {
      scope inner;
      inner.spawn("child", [&] {
        EXPECT_FALSE(sleep_for(1h));
        ended = true;
      });
    }
    EXPECT_TRUE(ended);
  });
}

TEST_P(Scope, hands_its_deadline_to_its_threads_and_to_scopes_made_on_them) {
  run([] {
    scope outer{within(5ms)};
    outer.spawn("middle", []() -> Result<void> {
      scope inner{within(1h)};
      inner.spawn("inner", []() -> Result<void> {
        auto slept = sleep_for(1h);
        EXPECT_EQ(slept.error().fault, Fault::timed_out);
        return slept;
      });
      return inner.join();
    });
    auto const joined = outer.join();
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().fault, Fault::timed_out);
  });
}

TEST_P(Scope, hands_a_stop_down_through_every_level) {
  run([] {
    std::atomic<int> stopped{0};
    scope outer;
    outer.spawn("middle", [&] {
      scope inner;
      for (int i = 0; i < 3; ++i) {
        inner.spawn("inner", [&] {
          if (!sleep_for(1h)) ++stopped;
        });
      }
      EXPECT_TRUE(inner.join());
      EXPECT_TRUE(inner.stop_requested());
      EXPECT_TRUE(stop_requested());
    });
    EXPECT_TRUE(sleep_for(1ms));
    outer.request_stop();
    EXPECT_TRUE(outer.join());
    EXPECT_EQ(stopped, 3);
  });
}

TEST_P(Scope, stops_at_once_what_is_spawned_after_the_stop) {
  run([] {
    scope inner;
    inner.request_stop();
    inner.spawn("late", [] {
      EXPECT_TRUE(stop_requested());
      EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled);
    });
    EXPECT_TRUE(inner.join());
  });
}

TEST_P(Scope, lets_its_threads_spawn_siblings) {
  run([] {
    std::atomic<int> ended{0};
    scope inner;
    inner.spawn("first", [&] {
      for (int i = 0; i < 10; ++i) inner.spawn("sibling", [&] { ++ended; });
    });
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(ended, 10);
  });
}

TEST_P(Scope, defers_a_stop_and_the_deadline_while_shielded) {
  run([] {
    scope inner{within(2ms)};
    inner.spawn("careful", [&] {
      {
        shield const until_flushed;
        inner.request_stop();
        EXPECT_TRUE(sleep_for(5ms));
        scope flush;
        flush.spawn("flusher", [] { EXPECT_TRUE(sleep_for(1ms)); });
        EXPECT_TRUE(flush.join());
      }
      EXPECT_FALSE(sleep_for(1h));
    });
    EXPECT_TRUE(inner.join());
  });
}

TEST_P(Scope, keeps_the_object_that_a_body_owns_until_the_body_has_ended) {
  run([] {
    auto const object = std::make_shared<int>(1);
    scope inner;
    inner.spawn("owner", [object] { yield(); });
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(object.use_count(), 1);
  });
}

TEST_P(Scope, survives_stops_from_all_sides_while_threads_come_and_go) {
  run([] {
    for (int round = 0; round < 20; ++round) {
      scope outer;
      for (int i = 0; i < 8; ++i) {
        outer.spawn("maker", [&outer, i] {
          for (int k = 0; k < 10; ++k) {
            scope inner;
            inner.spawn("a", [] { static_cast<void>(sleep_for(10us)); });
            inner.spawn("b", [&inner] { inner.request_stop(); });
            if (i == 3 && k == 5) outer.request_stop();
            static_cast<void>(inner.join());
          }
        });
      }
      EXPECT_TRUE(outer.join());
    }
  });
}

}  // namespace
}  // namespace mutirao::threads
