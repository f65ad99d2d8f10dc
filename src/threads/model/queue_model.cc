// Of each ready thread in a run queue, a shared queue: nothing is lost, nothing is taken twice.
#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "hunt.h"
#include "run_queue.h"

namespace mutirao::threads {
namespace {

using model::execution;
using model::flaw;

/// Stands for a thread; the queues never look inside.
thread_control* ready(std::size_t number) {
  return reinterpret_cast<thread_control*>((number + 1) * 64);
}

/// Counts how often each was taken.
struct taken {
  std::array<int, 8> times{};
  void note(thread_control* thread) {
    auto const number = reinterpret_cast<std::size_t>(thread) / 64;
    MODEL_REQUIRE(number >= 1 && number <= times.size());
    MODEL_REQUIRE(++times[number - 1] == 1);
  }
  void note_all(run_queue& queue) {
    while (auto* const next = queue.pop()) note(next);
  }
  void require_all(std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i) MODEL_REQUIRE(times[i] == 1);
  }
};

void owner_against_thieves(execution& run, std::size_t thieves) {
  auto& queues = run.keep<std::array<run_queue, 3>>();
  auto& all = run.keep<taken>();
  run.thread("owner", [&] {
    auto& own = queues[0];
    for (std::size_t i = 0; i < 3; ++i) own.push(ready(i));
    for (int i = 0; i < 2; ++i) {
      if (auto* const next = own.pop()) all.note(next);
    }
  });
  for (std::size_t i = 1; i <= thieves; ++i) {
    run.thread("thief", [&, i] {
      if (auto* const next = queues[i].steal_from(queues[0])) all.note(next);
    });
  }
  run.finally([&] {
    for (auto& each : queues) all.note_all(each);
    all.require_all(3);
  });
}

TEST(RunQueueModel, owner_and_one_thief_lose_nothing_and_take_nothing_twice) {
  auto const proof =
      model::prove("run queue, 1 thief", [](execution& run) { owner_against_thieves(run, 1); },
                   {"run_queue.h", "run_queue.cc"});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  for (auto const kind : {flaw::torn, flaw::lost}) {
    EXPECT_TRUE(proof.found("pop", kind));
    EXPECT_TRUE(proof.found("steal_from", kind));
  }
  EXPECT_TRUE(proof.found("push", flaw::lost));
}

TEST(RunQueueModel, owner_and_two_thieves_lose_nothing_and_take_nothing_twice) {
  auto const proof = model::prove("run queue, 2 thieves",
                                  [](execution& run) { owner_against_thieves(run, 2); }, {});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
}

TEST(RunQueueModel, a_queue_that_grows_stays_whole_while_a_thief_takes_from_it) {
  auto const proof = model::prove("run queue, grows",
                                  [](execution& run) {
                                    auto& queue = run.keep<run_queue>(2u);
                                    auto& thiefs = run.keep<run_queue>();
                                    auto& all = run.keep<taken>();
                                    queue.push(ready(0));
                                    queue.push(ready(1));
                                    run.thread("owner", [&] {
                                      queue.push(ready(2));
                                      queue.push(ready(3));
                                      if (auto* const next = queue.pop()) all.note(next);
                                      queue.push(ready(4));
                                    });
                                    run.thread("thief", [&] {
                                      if (auto* const next = thiefs.steal_from(queue))
                                        all.note(next);
                                    });
                                    run.finally([&] {
                                      all.note_all(queue);
                                      all.note_all(thiefs);
                                      all.require_all(5);
                                    });
                                  },
                                  {"run_queue.h", "run_queue.cc"});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  EXPECT_TRUE(proof.found("grow", flaw::lost));
}

TEST(SharedQueueModel, many_may_push_and_pop) {
  auto const proof = model::prove("shared queue",
                                  [](execution& run) {
                                    auto& queue = run.keep<shared_queue>();
                                    auto& all = run.keep<taken>();
                                    run.thread("pusher", [&] {
                                      std::array const two{ready(0), ready(1)};
                                      queue.push_all(two);
                                      queue.push(ready(2));
                                    });
                                    for (int i = 0; i < 2; ++i) {
                                      run.thread("taker", [&] {
                                        std::array<thread_control*, 2> into{};
                                        auto const count = queue.pop_some(into);
                                        for (std::size_t j = 0; j < count; ++j) all.note(into[j]);
                                      });
                                    }
                                    run.finally([&] {
                                      thread_control* rest = nullptr;
                                      while (queue.pop_some({&rest, 1}) == 1) all.note(rest);
                                      all.require_all(3);
                                    });
                                  },
                                  {"run_queue.h", "run_queue.cc", "spinlock.h"});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  EXPECT_TRUE(proof.found("push_all", flaw::lost));
  EXPECT_TRUE(proof.found("spin_unlock", flaw::lost));
}

}  // namespace
}  // namespace mutirao::threads
