// Of each wait: it ends, for exactly one reason, and the thread goes on exactly once and never
// before it has left its stack.
#include <array>

#include <gtest/gtest.h>

#include "hunt.h"
#include "kernel.h"
#include "machine.h"
#include "park_access.h"

namespace mutirao::threads {
namespace {

using model::execution;
using model::flaw;
using model::machine;

std::vector<std::string_view> const kParkSources{"park.cc", "park_access.h", "timer_heap.cc",
                                                 "spinlock.h"};

/// One thread waits where others find it; what became of the wait.
struct meeting {
  std::atomic<park_token*> left{nullptr};
  int ended = 0;
  wake_reason reason{};

  /// As every caller does: a waiter that gave up takes its token back, or waits for the waker.
  void wait(Deadline deadline) {
    park_token token;
    left.store(&token);
    reason = token.park(deadline);
    if (reason != wake_reason::woken && left.exchange(nullptr) == nullptr) {
      token.until_woken();
      reason = wake_reason::woken;
    }
    ++ended;
  }
  void wake() {
    if (auto* const token = left.exchange(nullptr)) token->unpark();
  }
};

TEST(ParkModel, a_wake_up_is_not_lost_wherever_the_waiter_is) {
  auto const proof = model::prove(
      "park, unpark",
      [](execution& run) {
        auto& two = run.keep<machine>(2u);
        auto& meet = run.keep<meeting>();
        two.start(0, "waiter", [&] { meet.wait(Deadline::never()); });
        two.start(1, "waker", [&] {
          while (meet.left.load() == nullptr) meet.left.wait(nullptr);
          meet.wake();
        });
        run.thread("lwp 0", [&] { two.work(0); });
        run.thread("lwp 1", [&] { two.work(1); });
        run.finally([&] {
          MODEL_REQUIRE(two.all_ended());
          MODEL_REQUIRE(meet.ended == 1 && meet.reason == wake_reason::woken);
        });
      },
      kParkSources);
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  for (auto const kind : {flaw::torn, flaw::lost}) {
    EXPECT_TRUE(proof.found("unpark", kind));
    EXPECT_TRUE(proof.found("commit", kind));
  }
}

/// Who may end the wait; each on an LWP of its own.
struct reasons {
  bool waker = false;
  bool timer = false;
  bool stop = false;
};

void fire_timers(machine& some) {
  for (auto* due = some.processor(0).timers.take_due(TimePoint{3s}); due != nullptr;) {
    auto* const next = due->next_fired;
    some.state.ready(park_access::owner(*due->token));
    due = next;
  }
}

void wait_for_reasons(execution& run, reasons chosen) {
  auto& some = run.keep<machine>(4u);
  auto& meet = run.keep<meeting>();
  auto& stopped = run.keep<std::atomic<int>>(0);
  auto& waiter = some.prepare("waiter", [&meet, &stopped, chosen] {
    meet.wait(chosen.timer ? Deadline::at(TimePoint{2s}) : Deadline::never());
    if (chosen.stop) stopped.wait(0);  // whoever stops a thread sees to it that it lives
  });
  some.processor(0).queue.push(&waiter);
  run.thread("waiter", [&] { some.work(0); });
  if (chosen.waker) {
    some.start(1, "waker", [&] { meet.wake(); });
    run.thread("waker", [&] { some.work(1); });
  }
  if (chosen.timer) {
    some.start(2, "clock", [&] { fire_timers(some); });
    run.thread("clock", [&] { some.work(2); });
  }
  if (chosen.stop) {
    some.start(3, "stop", [&] {
      stop_thread(waiter);
      stopped.store(1);
    });
    run.thread("stop", [&] { some.work(3); });
  }
  run.finally([&, chosen] {
    if (meet.ended == 0) {
      // Whoever should have ended it came before it, and has left it to those who come later.
      MODEL_REQUIRE(!chosen.stop);
      some.drain();
      if (chosen.timer) {
        fire_timers(some);
      } else {
        meet.wake();
      }
      some.drain();
    }
    MODEL_REQUIRE(meet.ended == 1);
    MODEL_REQUIRE(some.all_ended());
    MODEL_REQUIRE(some.processor(0).timers.size() == 0);
    MODEL_REQUIRE(meet.reason != wake_reason::timed_out || chosen.timer);
    MODEL_REQUIRE(meet.reason != wake_reason::stopped || chosen.stop);
  });
}

struct park_case {
  char const* name;
  reasons chosen;
};

TEST(ParkModel, one_reason_ends_a_wait_when_two_race_for_it) {
  for (park_case const& each : {park_case{"unpark, timer", {.waker = true, .timer = true}},
                                park_case{"unpark, stop", {.waker = true, .stop = true}},
                                park_case{"timer, stop", {.timer = true, .stop = true}}}) {
    auto const proof = model::prove(
        each.name, [&](execution& run) { wait_for_reasons(run, each.chosen); }, kParkSources);
    ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
    EXPECT_TRUE(proof.sound.complete);
    EXPECT_TRUE(proof.found("commit", flaw::torn));
    EXPECT_TRUE(proof.found("interrupt", flaw::lost));
  }
}

TEST(ParkModel, one_reason_ends_a_wait_when_three_race_for_it) {
  auto const proof = model::prove(
      "unpark, timer, stop",
      [](execution& run) { wait_for_reasons(run, {.waker = true, .timer = true, .stop = true}); },
      {}, {.executions_max = model::unless_all(60'000)});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
}

}  // namespace
}  // namespace mutirao::threads
