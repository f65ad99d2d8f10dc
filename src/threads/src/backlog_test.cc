#include "backlog.h"

#include <gtest/gtest.h>

namespace mutirao::threads {
namespace {

constexpr TimePoint at(int ms) { return TimePoint{std::chrono::milliseconds{ms}}; }

TEST(Backlog, counts_from_the_look_that_saw_the_thread_first) {
  backlog queue;
  EXPECT_EQ(queue.waiting_since(0, 0, at(1)), at(1));
  EXPECT_EQ(queue.waiting_since(0, 2, at(3)), at(3));
  EXPECT_EQ(queue.waiting_since(1, 1, at(5)), at(3)) << "one of the two still waits";
  EXPECT_EQ(queue.waiting_since(1, 9, at(7)), at(3)) << "and those behind it do not hide it";
  EXPECT_EQ(queue.waiting_since(2, 8, at(9)), at(9)) << "both have gone";
}

TEST(Backlog, a_queue_that_is_never_empty_but_moves_on_is_not_behind) {
  backlog queue;
  std::uint32_t taken = 0xffff'fff0;  // also while the count starts again from 0
  static_cast<void>(queue.waiting_since(taken, 0, at(0)));
  for (int ms = 1; ms < 100; ++ms, taken += 3)
    EXPECT_GE(queue.waiting_since(taken, 3, at(ms)), at(ms - 1));
}

}  // namespace
}  // namespace mutirao::threads
