// Of mutex and condition variable: one holder at a time, and every waiter ends.
#include <gtest/gtest.h>

#include "mutirao/threads/mutex.h"

#include "hunt.h"
#include "kernel.h"
#include "machine.h"
#include "park_access.h"

namespace mutirao::threads {
namespace {

using model::execution;
using model::flaw;
using model::machine;

std::vector<std::string_view> const kLockSources{"mutex.cc", "mutex.h"};

struct guarded {
  mutex lock;
  int inside = 0;
  int done = 0;
  void pass() {
    lock.lock();
    MODEL_REQUIRE(++inside == 1);
    step.fetch_add(1);  // a moment in which others may come in
    MODEL_REQUIRE(--inside == 0);
    ++done;
    lock.unlock();
  }
  std::atomic<int> step{0};
};

void passes(execution& run, unsigned lwps, int times) {
  auto& some = run.keep<machine>(lwps);
  auto& door = run.keep<guarded>();
  for (unsigned i = 0; i < lwps; ++i) {
    some.start(i, "thread", [&, times] {
      for (int again = 0; again < times; ++again) door.pass();
    });
    run.thread("lwp", [&, i] { some.work(i); });
  }
  run.finally([&, lwps, times] {
    MODEL_REQUIRE(some.all_ended());
    MODEL_REQUIRE(door.done == static_cast<int>(lwps) * times);
  });
}

TEST(MutexModel, two_threads_never_hold_it_at_once_and_none_waits_for_ever) {
  auto const proof =
      model::prove("mutex, 2 threads", [](execution& run) { passes(run, 2, 1); }, kLockSources);
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  for (auto const kind : {flaw::torn, flaw::lost}) {
    EXPECT_TRUE(proof.found("lock", kind));
    EXPECT_TRUE(proof.found("lock_slowly", kind));
  }
}

TEST(MutexModel, three_threads_never_hold_it_at_once_and_none_waits_for_ever) {
  auto const proof = model::prove("mutex, 3 threads", [](execution& run) { passes(run, 3, 1); }, {},
                                  {.executions_max = model::unless_all(100'000)});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
}

struct mailbox {
  mutex lock;
  condition_variable filled;
  int letters = 0;
  int taken = 0;
  int gave_up = 0;

  void put() {
    std::lock_guard const guard{lock};
    ++letters;
    filled.notify_one();
  }
  void take(Deadline deadline) {
    std::unique_lock guard{lock};
    if (auto const waited = filled.wait(guard, [&] { return letters > 0; }, deadline); !waited) {
      ++gave_up;
      return;
    }
    --letters;
    ++taken;
  }
};

TEST(ConditionModel, a_notification_reaches_the_waiter_or_finds_the_predicate_looked_at_later) {
  auto const proof = model::prove(
      "condition variable",
      [](execution& run) {
        auto& some = run.keep<machine>(2u);
        auto& box = run.keep<mailbox>();
        some.start(0, "taker", [&] { box.take(Deadline::never()); });
        some.start(1, "putter", [&] { box.put(); });
        run.thread("taker", [&] { some.work(0); });
        run.thread("putter", [&] { some.work(1); });
        run.finally([&] { MODEL_REQUIRE(some.all_ended() && box.taken == 1 && box.letters == 0); });
      },
      kLockSources);
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  EXPECT_TRUE(proof.found("lock", flaw::torn));
}

TEST(ConditionModel, a_deadline_that_races_with_a_notification_loses_neither) {
  auto const proof = model::prove(
      "condition variable, timer",
      [](execution& run) {
        auto& some = run.keep<machine>(3u);
        auto& box = run.keep<mailbox>();
        some.start(0, "taker", [&] { box.take(Deadline::at(TimePoint{2s})); });
        some.start(1, "putter", [&] { box.put(); });
        some.start(2, "clock", [&] {
          for (auto* due = some.processor(0).timers.take_due(TimePoint{3s}); due != nullptr;) {
            auto* const next = due->next_fired;
            some.state.ready(park_access::owner(*due->token));
            due = next;
          }
        });
        for (unsigned i = 0; i < 3; ++i) run.thread("lwp", [&, i] { some.work(i); });
        run.finally([&] {
          MODEL_REQUIRE(some.all_ended());
          MODEL_REQUIRE(box.taken + box.gave_up == 1 && box.letters == 1 - box.taken);
        });
      },
      {}, {.executions_max = model::unless_all(100'000)});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
}

}  // namespace
}  // namespace mutirao::threads
