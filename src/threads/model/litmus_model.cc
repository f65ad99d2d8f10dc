// That the explorer explores: the small programs whose outcomes on x86 are known, and the number of
// orders that can be counted by hand.
#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "atomic.h"

namespace mutirao::model {
namespace {

using outcomes = std::set<std::pair<int, int>>;
constexpr auto kRelaxed = std::memory_order_relaxed;

struct two_words {
  atomic<int> x{0};
  atomic<int> y{0};
  int first = -1;
  int second = -1;
};

outcomes store_buffering(std::memory_order how, bool buffers) {
  outcomes seen;
  auto const all = explore(
      [&](execution& run) {
        auto& words = run.keep<two_words>();
        run.thread("a", [&] {
          words.x.store(1, how);
          words.first = words.y.load(how);
        });
        run.thread("b", [&] {
          words.y.store(1, how);
          words.second = words.x.load(how);
        });
        run.finally([&] { seen.emplace(words.first, words.second); });
      },
      {.store_buffers = buffers});
  EXPECT_TRUE(all.complete && !all.failure);
  return seen;
}

TEST(Explorer, knows_that_a_store_may_be_late_on_x86) {
  outcomes const sequential{{0, 1}, {1, 0}, {1, 1}};
  outcomes const all{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  EXPECT_EQ(store_buffering(kRelaxed, true), all);
  EXPECT_EQ(store_buffering(kRelaxed, false), sequential);
  EXPECT_EQ(store_buffering(std::memory_order_seq_cst, true), sequential);
}

TEST(Explorer, keeps_stores_in_order_as_x86_does) {
  outcomes seen;
  auto const all = explore([&](execution& run) {
    auto& words = run.keep<two_words>();
    run.thread("writer", [&] {
      words.x.store(1, kRelaxed);
      words.y.store(1, kRelaxed);
    });
    run.thread("reader", [&] {
      words.first = words.y.load(kRelaxed);
      words.second = words.x.load(kRelaxed);
    });
    run.finally([&] { seen.emplace(words.first, words.second); });
  });
  EXPECT_TRUE(all.complete);
  EXPECT_EQ(seen, (outcomes{{0, 0}, {0, 1}, {1, 1}}));
}

TEST(Explorer, lets_a_thread_see_its_own_stores_before_others_do) {
  outcomes seen;
  auto const all = explore([&](execution& run) {
    auto& words = run.keep<two_words>();
    run.thread("a", [&] {
      words.x.store(1, kRelaxed);
      MODEL_REQUIRE(words.x.load(kRelaxed) != 0);
      words.first = words.y.load(kRelaxed);
    });
    run.thread("b", [&] {
      words.y.store(1, kRelaxed);
      words.x.store(2, kRelaxed);
      words.second = words.x.load(kRelaxed);
    });
    run.finally([&] { seen.emplace(words.first, words.second); });
  });
  EXPECT_TRUE(all.complete && !all.failure);
  EXPECT_EQ(seen, (outcomes{{0, 1}, {0, 2}, {1, 1}, {1, 2}}));
}

/// n threads that each take one number: n! orders, and nothing else to tell them apart.
TEST(Explorer, runs_each_order_that_matters_once) {
  auto const all = explore([](execution& run) {
    auto& counter = run.keep<atomic<int>>(0);
    auto& other = run.keep<std::array<atomic<int>, 3>>();
    for (int i = 0; i < 3; ++i) {
      run.thread("taker", [&, i] {
        for (int again = 0; again < 4; ++again) other[static_cast<std::size_t>(i)].fetch_add(1);
        counter.fetch_add(1);
      });
    }
    run.finally([&] { MODEL_REQUIRE(counter.load() == 3); });
  });
  EXPECT_TRUE(all.complete && !all.failure);
  EXPECT_EQ(all.executions, 6u);
}

TEST(Explorer, finds_a_counter_that_is_not_counted_at_once) {
  auto const scenario = [](execution& run) {
    auto& counter = run.keep<atomic<int>>(0);
    for (auto const* name : {"a", "b"})
      run.thread(name, [&] { counter.store(counter.load() + 1); });
    run.finally([&] { MODEL_REQUIRE(counter.load() == 2); });
  };
  auto const found = explore(scenario);
  ASSERT_TRUE(found.failure);
  EXPECT_NE(found.failure->find("counter.load() == 2"), std::string::npos) << *found.failure;
}

TEST(Explorer, finds_a_lock_cycle) {
  auto const found = explore([](execution& run) {
    auto& words = run.keep<two_words>();
    auto const both = [](atomic<int>& first, atomic<int>& second) {
      first.acquire();
      second.acquire();
      second.store(0, std::memory_order_release);
      first.store(0, std::memory_order_release);
    };
    run.thread("a", [&, both] { both(words.x, words.y); });
    run.thread("b", [&, both] { both(words.y, words.x); });
  });
  ASSERT_TRUE(found.failure);
  EXPECT_NE(found.failure->find("for ever blocked: a at"), std::string::npos) << *found.failure;
}

TEST(Explorer, runs_all_orders_of_a_lock) {
  std::set<std::string> orders;
  auto const all = explore([&](execution& run) {
    auto& lock = run.keep<atomic<int>>(0);
    auto& order = run.keep<std::string>();
    for (char const* name : {"a", "b", "c"}) {
      run.thread(name, [&, name] {
        lock.acquire();
        order += name;
        lock.store(0, std::memory_order_release);
      });
    }
    run.finally([&] { orders.insert(order); });
  });
  EXPECT_TRUE(all.complete && !all.failure);
  EXPECT_EQ(orders.size(), 6u);
  EXPECT_EQ(all.executions, 6u);
}

/// A program drawn from `seed`: up to three threads of a few accesses to two words and a lock.
void drawn_program(execution& run, std::uint64_t seed, std::set<std::string>& outcomes) {
  struct memory {
    std::array<atomic<int>, 2> words;
    atomic<int> lock;
    std::array<std::string, 3> seen;
  };
  auto& shared = run.keep<memory>();
  std::mt19937_64 random{seed};
  std::size_t const threads = 2 + random() % 2;
  for (std::size_t i = 0; i < threads; ++i) {
    std::vector<unsigned> program(threads == 2 ? 4 : 2);
    for (auto& each : program) each = static_cast<unsigned>(random());
    run.thread("drawn", [&shared, i, program] {
      auto& seen = shared.seen[i];
      for (unsigned const each : program) {
        auto& word = shared.words[each / 8 % 2];
        int const value = static_cast<int>(each / 16 % 2 + 1);
        int expected = value - 1;
        switch (each % 8) {
          case 0:
            word.store(value, std::memory_order_seq_cst);
            break;
          case 1:
          case 2:
            word.store(value, kRelaxed);
            break;
          case 3:
            seen += std::to_string(word.fetch_add(value));
            break;
          case 4:
            seen += word.compare_exchange_strong(expected, value) ? "y" : "n";
            break;
          case 5:
            shared.lock.acquire();
            seen += std::to_string(word.load(kRelaxed));
            shared.lock.store(0, std::memory_order_release);
            break;
          default:
            seen += std::to_string(word.load(kRelaxed));
        }
      }
    });
  }
  run.finally([&] {
    std::string outcome;
    for (auto const& each : shared.words) outcome += std::to_string(each.load());
    for (auto const& each : shared.seen) outcome += '|' + each;
    outcomes.insert(outcome);
  });
}

/// The reduction must not leave out an outcome: a thousand drawn programs with it and without.
TEST(Explorer, leaves_out_no_outcome_that_some_order_has) {
  std::uint64_t reduced = 0;
  std::uint64_t all = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    std::set<std::string> with;
    std::set<std::string> without;
    auto const some = explore([&](execution& run) { drawn_program(run, seed, with); });
    auto const every = explore([&](execution& run) { drawn_program(run, seed, without); },
                               {.reduce = false, .executions_max = 20'000});
    ASSERT_TRUE(some.complete && !some.failure && !every.failure) << "seed " << seed;
    reduced += some.executions;
    all += every.executions;
    if (every.complete) {
      ASSERT_EQ(with, without) << "seed " << seed;
    } else {
      ASSERT_TRUE(std::ranges::includes(with, without)) << "seed " << seed;
    }
  }
  std::printf("1000 programs: %llu executions, %llu without reduction\n",
              static_cast<unsigned long long>(reduced), static_cast<unsigned long long>(all));
}

}  // namespace
}  // namespace mutirao::model
