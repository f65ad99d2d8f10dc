#include "protocol/rate_limit.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::swarm {
namespace {

using namespace std::chrono_literals;
constexpr TimePoint kFirst{1h};

TEST(TokenBucket, lets_a_burst_pass_and_then_only_its_rate) {
  TokenBucket bucket{1000, 500};
  EXPECT_EQ(bucket.take(500, kFirst), kFirst);
  EXPECT_EQ(bucket.take(1000, kFirst), kFirst + 1s);
  EXPECT_EQ(bucket.take(250, kFirst), kFirst + 1250ms);
}

TEST(TokenBucket, saves_no_more_than_its_burst_over_a_pause) {
  TokenBucket bucket{1000, 500};
  EXPECT_EQ(bucket.take(500, kFirst + 24h), kFirst + 24h);
  EXPECT_EQ(bucket.take(100, kFirst + 24h), kFirst + 24h + 100ms);
}

TEST(TokenBucket, keeps_its_rate_over_any_pattern_of_takers) {
  TokenBucket bucket{1'000'000, 32768};
  TimePoint now = kFirst;
  std::uint64_t passed = 0;
  for (int i = 0; i < 5000; ++i) {
    std::uint64_t const bytes = 1 + static_cast<std::uint64_t>(i) * 7919 % 16384;
    now = bucket.take(bytes, now);
    passed += bytes;
  }
  double const seconds = std::chrono::duration<double>(now - kFirst).count();
  EXPECT_LE(static_cast<double>(passed), 1e6 * seconds + 32768 + 1);
  EXPECT_GE(static_cast<double>(passed), 1e6 * seconds * 0.999);
}

TEST(TokenBucket, without_a_rate_limits_nothing) {
  TokenBucket bucket{0, 0};
  for (int i = 0; i < 100; ++i) EXPECT_EQ(bucket.take(UINT64_MAX, kFirst), kFirst);
}

TEST(TokenBucket, forgets_a_queue_that_grew_at_an_old_rate) {
  TokenBucket bucket{1, 1};
  EXPECT_GT(bucket.take(1000, kFirst), kFirst + 900s);
  bucket.set_rate(1'000'000);
  EXPECT_LE(bucket.take(1000, kFirst), kFirst + 1ms);
}

TEST(TokenBucket, takes_back_what_did_not_pass) {
  TokenBucket bucket{1000, 0};
  EXPECT_EQ(bucket.take(1000, kFirst), kFirst + 1s);
  bucket.give_back(1000);
  EXPECT_EQ(bucket.take(500, kFirst), kFirst + 500ms);
}

TEST(TokenBucket, loses_and_invents_nothing_among_many_threads) {
  TokenBucket bucket{1'000'000, 0};
  std::vector<std::thread> takers;
  for (int i = 0; i < 4; ++i)
    takers.emplace_back([&] {
      for (int k = 0; k < 10'000; ++k) static_cast<void>(bucket.take(100, kFirst));
    });
  for (std::thread& taker : takers) taker.join();
  EXPECT_EQ(bucket.take(0, kFirst), kFirst + 4s);
}

void in_virtual_time(std::move_only_function<void()> body) {
  threads::runtime runtime{{.simulated = threads::simulated_schedule{7}}};
  runtime.run(std::move(body));
}

TEST(RateLimit, lets_its_rate_through_over_many_threads) {
  in_virtual_time([] {
    RateLimit limit{1'000'000};
    TimePoint const start = threads::now();
    threads::scope scope;
    for (int i = 0; i < 20; ++i)
      scope.spawn("taker", [&]() -> Result<void> {
        for (int k = 0; k < 50; ++k) MUT_TRY(limit.acquire(10'000, Deadline::never()));
        return {};
      });
    ASSERT_TRUE(scope.join().has_value());
    // 10 MB at 1 MB/s, less the burst of 100 kB.
    EXPECT_EQ(threads::now() - start, 9900ms);
  });
}

TEST(RateLimit, refuses_at_once_what_can_not_pass_before_the_deadline_and_takes_nothing) {
  in_virtual_time([] {
    RateLimit limit{1'000'000};
    ASSERT_TRUE(limit.acquire(100'000, Deadline::never()).has_value());
    TimePoint const before = threads::now();
    auto const late = limit.acquire(1'000'000, threads::within(500ms));
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().fault, Fault::timed_out);
    EXPECT_EQ(threads::now(), before);
    EXPECT_TRUE(limit.acquire(400'000, threads::within(500ms)).has_value());
  });
}

TEST(RateLimit, gives_back_what_a_stopped_thread_was_waiting_for) {
  in_virtual_time([] {
    RateLimit limit{1'000'000};
    ASSERT_TRUE(limit.acquire(100'000, Deadline::never()).has_value());
    Fault fault{};
    {
      threads::scope scope;
      scope.spawn("waiter", [&] {
        auto const waited = limit.acquire(60'000'000, Deadline::never());
        if (!waited) fault = waited.error().fault;
      });
      threads::yield();
      ASSERT_TRUE(threads::sleep_for(1ms).has_value());
    }
    EXPECT_EQ(fault, Fault::cancelled);
    EXPECT_TRUE(limit.acquire(1000, threads::within(10ms)).has_value());
  });
}

}  // namespace
}  // namespace mutirao::swarm
