#include "stack_pool.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "sanitizers.h"

namespace mutirao::threads {
namespace {

stack_block take(stack_pool& pool, stack_size size_class, stack_cache* near = nullptr) {
  auto const block = pool.take(size_class, near);
  EXPECT_TRUE(block);
  return *block;
}

TEST(StackPool, reuses_the_stack_that_is_still_warm) {
  stack_pool pool;
  auto const first = take(pool, stack_size::standard);
  auto const second = take(pool, stack_size::standard);
  pool.give_back(first, nullptr);
  pool.give_back(second, nullptr);
  EXPECT_EQ(take(pool, stack_size::standard).low, second.low);
  EXPECT_EQ(take(pool, stack_size::standard).low, first.low);
  pool.give_back(first, nullptr);
  pool.give_back(second, nullptr);
}

TEST(StackPool, keeps_a_few_stacks_at_hand_for_each_processor) {
  stack_pool pool;
  stack_cache one;
  stack_cache other;
  auto const block = take(pool, stack_size::small, &one);
  pool.give_back(block, &one);
  EXPECT_NE(take(pool, stack_size::small, &other).low, block.low);
  EXPECT_EQ(take(pool, stack_size::small, &one).low, block.low);
}

TEST(StackPool, passes_stacks_from_one_processor_to_another) {
  stack_pool pool;
  stack_cache giver;
  stack_cache taker;
  std::vector<std::byte*> given;
  for (int i = 0; i < 100; ++i) given.push_back(take(pool, stack_size::small, &giver).low);
  auto const size = take(pool, stack_size::small, &giver).size;
  for (auto* low : given) pool.give_back({low, size, stack_size::small}, &giver);
  pool.empty(giver);
  std::ranges::sort(given);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(std::ranges::binary_search(given, take(pool, stack_size::small, &taker).low));
  }
}

TEST(StackPool, never_hands_out_a_stack_twice) {
  stack_pool pool;
  stack_cache near;
  std::vector<stack_block> held;
  std::vector<std::byte*> lows;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 1 + round * 7 % 50; ++i)
      held.push_back(take(pool, stack_size::small, round % 3 != 0 ? &near : nullptr));
    for (int i = 0; i < round * 5 % 40 && !held.empty(); ++i) {
      pool.give_back(held.back(), round % 2 != 0 ? &near : nullptr);
      held.pop_back();
    }
    lows.clear();
    for (auto const& each : held) lows.push_back(each.low);
    std::ranges::sort(lows);
    EXPECT_EQ(std::ranges::adjacent_find(lows), lows.end());
  }
  for (auto const& each : held) pool.give_back(each, nullptr);
  pool.empty(near);
}

TEST(StackPool, trims_what_nobody_needed_since_the_last_time) {
  stack_pool pool{guard_kind::canary};
  std::vector<stack_block> blocks;
  auto const keep = stack_pool::warm_most(stack_size::large);
  for (std::size_t i = 0; i < keep + 3; ++i) {
    blocks.push_back(take(pool, stack_size::large));
    std::memset(blocks.back().low + 100, 1, 100);
  }
  for (auto const& each : blocks) pool.give_back(each, nullptr);
  EXPECT_TRUE(pool.has_excess());
  auto const warm = [&] {
    std::size_t count = 0;
    for (auto const& each : blocks) {
      forget_poison(each.low, each.size);
      count += each.low[150] == std::byte{1} ? 1 : 0;
    }
    return count;
  };
  pool.trim();
  EXPECT_EQ(warm(), keep + 3) << "they were in use a moment ago";
  pool.trim();
  EXPECT_EQ(warm(), keep);
  pool.trim();
  EXPECT_FALSE(pool.has_excess());
  for (auto const& each : blocks) EXPECT_TRUE(stack_pool::canary_intact(each));
}

TEST(StackPool, says_which_guard_is_in_force) {
  EXPECT_EQ(stack_pool{guard_kind::canary}.guard_name(), "canary");
  EXPECT_EQ(stack_pool{guard_kind::mprotect}.guard_name(), "mprotect");
}

#if !defined(MUT_THREAD_SANITIZER)  // which knows 8,128 stacks at most
TEST(StackPool, falls_back_to_canaries_beyond_its_share_of_memory_maps) {
  stack_pool pool{guard_kind::mprotect};
  std::vector<stack_block> blocks;
  while (pool.guard_name() == "mprotect" && blocks.size() < 40'000)
    blocks.push_back(take(pool, stack_size::small));
  EXPECT_EQ(pool.guard_name(), "canary");
  auto const beyond = take(pool, stack_size::small);
  EXPECT_TRUE(stack_pool::canary_intact(beyond));
  *beyond.low = std::byte{0};
  EXPECT_FALSE(stack_pool::canary_intact(beyond));
  for (auto const& each : blocks) pool.give_back(each, nullptr);
  pool.give_back(beyond, nullptr);
}
#endif

}  // namespace
}  // namespace mutirao::threads
