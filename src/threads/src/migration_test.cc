// Goal: what the other tests run under migrate_always is really moved, at every kind of wait.
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/channel.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

#include "testing.h"

namespace mutirao::threads {
namespace {

/// A function of its own: the number of the LWP must be asked for anew.
[[gnu::noinline]] long here() { return syscall(SYS_gettid); }

constexpr int kRounds = 20;

template <class Wait>
void expect_to_move_once(char const* what, int round, Wait wait) {
  long const before = here();
  wait();
  EXPECT_NE(here(), before) << what << ", round " << round;
}
template <class Wait>
void expect_to_move(char const* what, Wait wait) {
  for (int round = 0; round < kRounds; ++round) expect_to_move_once(what, round, wait);
}

TEST(Migration, happens_at_every_wait_when_it_is_forced) {
  run_migrating(2, [] {
    expect_to_move("yield", [] { yield(); });
    expect_to_move("checkpoint", [] { checkpoint(); });
    expect_to_move("io_checkpoint", [] { EXPECT_TRUE(io_checkpoint()); });
    expect_to_move("sleep", [] { EXPECT_TRUE(sleep_for(10us)); });
    scope outer;
    expect_to_move("spawn", [&] { outer.spawn("child", [] {}); });
    for (int round = 0; round < kRounds; ++round) {
      scope inner;
      inner.spawn("child", [] { yield(); });
      expect_to_move_once("join", round, [&] { EXPECT_TRUE(inner.join()); });
    }
    expect_to_move("a wait that times out", [] {
      semaphore none{0};
      EXPECT_FALSE(none.acquire(within(10us)));
    });
  });
}

TEST(Migration, reaches_threads_that_are_woken_by_others) {
  run_migrating(3, [] {
    channel<int> numbers{1};
    channel<int> answers{1};
    scope inner;
    int moves = 0;
    inner.spawn("echo", [&] {
      for (long before = here(); auto number = numbers.receive(); before = here()) {
        moves += here() != before ? 1 : 0;  // unless it need not wait
        EXPECT_TRUE(answers.send(*std::move(number)));
      }
    });
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(sleep_for(10us));
      EXPECT_TRUE(numbers.send(int{i}));
      EXPECT_EQ(*answers.receive(), i);
    }
    numbers.close();
    EXPECT_TRUE(inner.join());
    EXPECT_GT(moves, 0);
  });
}

TEST(Migration, goes_round_a_processor_whose_lwp_is_in_a_blocking_call) {
  run_migrating(2, [] {
    scope inner;
    for (int i = 0; i < 4; ++i) {
      inner.spawn("blocked", [] {
        for (int round = 0; round < 5; ++round) blocking([] { usleep(2000); });
      });
    }
    for (int i = 0; i < 50; ++i) yield();
    EXPECT_TRUE(inner.join());
  });
}

}  // namespace
}  // namespace mutirao::threads
