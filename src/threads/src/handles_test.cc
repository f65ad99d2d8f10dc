// thread, task, local and stop tokens: what the standard library has, with its meaning here.
#include <atomic>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/threads/latch.h"
#include "mutirao/threads/local.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/task.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/threads/thread.h"

#include "everywhere.h"

namespace mutirao::threads {
namespace {

TEST(Thread, is_stopped_and_joined_when_its_handle_goes) {
  everywhere([] {
    bool ended = false;
    {
      thread const one{"sleeper", [&] {
                         EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled);
                         ended = true;
                       }};
    }
    EXPECT_TRUE(ended);
  });
}

TEST(Thread, tells_why_it_failed) {
  everywhere([] {
    thread one{"failing", []() -> Result<void> { return fail(Fault::corrupt, "told"); }};
    auto const joined = one.join();
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().what, "told");
    EXPECT_FALSE(one.joinable());
  });
}

TEST(Thread, can_be_moved_and_kept_in_a_container) {
  everywhere([] {
    std::atomic<int> ended{0};
    std::vector<thread> many;
    for (int i = 0; i < 5; ++i) many.push_back(thread{"one", [&] { ++ended; }});
    thread last = std::move(many.back());
    many.pop_back();
    EXPECT_TRUE(last.join());
    for (auto& each : many) EXPECT_TRUE(each.join());
    EXPECT_EQ(ended, 5);
    last = thread{"again", [&] { ++ended; }};
    last = thread{};
    EXPECT_EQ(ended, 6);
  });
}

TEST(Thread, inherits_stop_and_deadline_of_the_thread_that_made_it) {
  everywhere([] {
    scope limited{within(1ms)};
    limited.spawn("maker", [] {
      thread one{"made", [] { EXPECT_EQ(sleep_for(1h).error().fault, Fault::timed_out); }};
      EXPECT_TRUE(one.join());
    });
    EXPECT_TRUE(limited.join());
    scope stopped;
    stopped.spawn("maker", [] {
      thread one{"made", [] { EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled); }};
      EXPECT_TRUE(one.join());
    });
    yield();
    stopped.request_stop();
    EXPECT_TRUE(stopped.join());
  });
}

TEST(Task, hands_over_what_its_thread_returns) {
  everywhere([] {
    scope inner;
    auto number = inner.spawn("number", [] { return 7; });
    auto text = inner.spawn("text", []() -> Result<std::string> {
      MUT_TRY(sleep_for(1ms));
      return "seven";
    });
    auto unique = inner.spawn("unique", [] { return std::make_unique<int>(7); });
    EXPECT_EQ(text.get(), "seven");
    EXPECT_EQ(number.get(), 7);
    EXPECT_EQ(**unique.get(), 7);
    EXPECT_TRUE(inner.join());
  });
}

TEST(Task, tells_why_there_is_no_value) {
  everywhere([] {
    scope inner;
    auto failed =
        inner.spawn("failing", []() -> Result<int> { return fail(Fault::corrupt, "told"); },
                    {.isolated = true});
    auto threw = inner.spawn("throwing", []() -> int { throw std::runtime_error{"thrown"}; },
                             {.isolated = true});
    EXPECT_EQ(failed.get().error().what, "told");
    EXPECT_EQ(threw.get().error().what, "thread throwing threw: thrown");
    EXPECT_TRUE(inner.join());
  });
}

TEST(Task, whose_thread_fails_stops_the_siblings_and_the_join_tells) {
  everywhere([] {
    scope inner;
    auto sleeper = inner.spawn("sleeper", []() -> Result<int> {
      MUT_TRY(sleep_for(1h));
      return 1;
    });
    auto failing =
        inner.spawn("failing", []() -> Result<int> { return fail(Fault::corrupt, "told"); });
    EXPECT_EQ(inner.join().error().what, "told");
    EXPECT_EQ(sleeper.get().error().fault, Fault::cancelled);
    EXPECT_TRUE(failing.ready());
    EXPECT_EQ(failing.get().error().what, "told");
  });
}

TEST(Task, can_be_waited_for_until_a_deadline_and_again) {
  everywhere([] {
    semaphore go{0};
    scope inner;
    auto late = inner.spawn("late", [&]() -> Result<int> {
      MUT_TRY(go.acquire());
      return 7;
    });
    EXPECT_EQ(late.get(within(1ms)).error().fault, Fault::timed_out);
    go.release();
    EXPECT_EQ(late.get(), 7);
    EXPECT_TRUE(inner.join());
  });
}

struct counts_its_ends {
  explicit counts_its_ends(std::atomic<int>& ends) : ends_{&ends} {}
  ~counts_its_ends() { ++*ends_; }
  std::atomic<int>* ends_;
  int value = 0;
};

TEST(Local, is_each_threads_own_wherever_it_runs_and_ends_with_it) {
  everywhere([] {
    std::atomic<int> ends{0};
    local<std::unique_ptr<counts_its_ends>> mine{
        [&] { return std::make_unique<counts_its_ends>(ends); }};
    local<int> other;
    scope inner;
    for (int i = 0; i < 10; ++i) {
      inner.spawn("owner", [&, i] {
        (*mine)->value = i;
        *other = -i;
        for (int round = 0; round < 5; ++round) {
          yield();
          EXPECT_EQ((*mine)->value, i);
          EXPECT_EQ(*other, -i);
        }
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(ends, 10);
  });
}

TEST(Local, may_be_used_and_may_park_in_the_destructor_of_another) {
  everywhere([] {
    static std::atomic<int> ended;
    ended = 0;
    static local<int>* first;
    struct uses_first {
      ~uses_first() {
        yield();
        ended += first->get();
      }
    };
    local<int> number{[] { return 7; }};
    first = &number;
    local<std::unique_ptr<uses_first>> late{[] { return std::make_unique<uses_first>(); }};
    scope inner;
    inner.spawn("owner", [&] { static_cast<void>(late.get()); });
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(ended, 7);
  });
}

TEST(Local, gives_a_new_variable_new_values) {
  everywhere([] {
    for (int i = 0; i < 3; ++i) {
      local<int> here{[i] { return i; }};
      EXPECT_EQ(here.get(), i);
    }
  });
}

TEST(StopToken, is_asked_to_stop_where_the_stop_is_delivered) {
  everywhere([] {
    std::atomic<bool> told{false};
    semaphore asked{0};
    latch started{1};
    scope inner;
    inner.spawn("worker", [&](std::stop_token stop) {
      std::stop_callback const callback{stop, [&] {
                                          EXPECT_EQ(thread_name(), "worker");
                                          told = true;
                                        }};
      shield const until_the_end{};
      started.count_down();
      EXPECT_TRUE(asked.acquire());
      EXPECT_TRUE(stop_requested());
      EXPECT_FALSE(stop.stop_requested());
    });
    EXPECT_TRUE(started.wait());
    inner.request_stop();
    asked.release();
    EXPECT_TRUE(inner.join());
    EXPECT_FALSE(told);

    scope other;
    other.spawn("worker", [&](std::stop_token stop) {
      std::stop_callback const callback{stop, [&] { told = true; }};
      EXPECT_FALSE(sleep_for(1h));
      EXPECT_TRUE(stop.stop_requested());
    });
    yield();
    other.request_stop();
    EXPECT_TRUE(other.join());
    EXPECT_TRUE(told);
  });
}

TEST(StopToken, of_somebody_else_stops_a_scope) {
  everywhere([] {
    std::stop_source source;
    scope inner{source.get_token()};
    inner.spawn("sleeper", [] { EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled); });
    yield();
    source.request_stop();
    EXPECT_TRUE(inner.join());
    scope late{source.get_token()};
    EXPECT_TRUE(late.stop_requested());
  });
}

TEST(StopToken, stops_a_scope_from_a_kernel_thread) {
  run_real(2, [] {
    std::stop_source source;
    scope inner{source.get_token()};
    inner.spawn("sleeper", [] { EXPECT_EQ(sleep_for(1h).error().fault, Fault::cancelled); });
    std::jthread const outside{[&] { source.request_stop(); }};
    EXPECT_TRUE(inner.join());
  });
}

}  // namespace
}  // namespace mutirao::threads
