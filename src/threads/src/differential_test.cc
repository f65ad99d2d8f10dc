// The same drawn program on user threads and on std::thread: what can be seen of it from outside
// must be the same. The programs are made so that the order of threads cannot show: sums under
// locks, what goes through queues as a whole, permits that come back, waits that end for a given
// reason.
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <random>
#include <semaphore>
#include <thread>

#include <gtest/gtest.h>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

#include "sanitizers.h"
#include "testing.h"

namespace mutirao::threads {
namespace {

/// What a program is written in: ours, and std's with the same shape.
struct Ours {
  using Mutex = mutex;
  using Condition = condition_variable;
  struct Semaphore {
    semaphore inner{2};
    void acquire() { EXPECT_TRUE(inner.acquire()); }
    void release() { inner.release(); }
  };
  template <class Predicate>
  static void wait(Condition& condition, std::unique_lock<Mutex>& lock, Predicate ready) {
    EXPECT_TRUE(condition.wait(lock, ready));
  }
  /// Whether it became true before the time was over.
  template <class Predicate>
  static bool wait_briefly(Condition& condition, std::unique_lock<Mutex>& lock, Predicate ready) {
    return condition.wait(lock, ready, within(1ms)).has_value();
  }
  static void yield_now() { yield(); }
  static void run_all(std::vector<std::function<void()>> const& bodies) {
    scope all;
    for (auto const& body : bodies) all.spawn("drawn", [&body] { body(); });
    EXPECT_TRUE(all.join());
  }
};

struct Standard {
  using Mutex = std::mutex;
  using Condition = std::condition_variable;
  struct Semaphore {
    std::counting_semaphore<> inner{2};
    void acquire() { inner.acquire(); }
    void release() { inner.release(); }
  };
  template <class Predicate>
  static void wait(Condition& condition, std::unique_lock<Mutex>& lock, Predicate ready) {
    condition.wait(lock, ready);
  }
  template <class Predicate>
  static bool wait_briefly(Condition& condition, std::unique_lock<Mutex>& lock, Predicate ready) {
    return condition.wait_for(lock, 1ms, ready);
  }
  static void yield_now() { std::this_thread::yield(); }
  static void run_all(std::vector<std::function<void()>> const& bodies) {
    std::vector<std::thread> all;
    for (auto const& body : bodies) all.emplace_back(body);
    for (auto& each : all) each.join();
  }
};

/// All that a program leaves behind.
struct Outcome {
  std::uint64_t locked_sum = 0;
  std::uint64_t received_sum = 0;
  std::uint64_t received_count = 0;
  std::uint64_t turns = 0;  ///< of a baton that goes round
  int timeouts = 0;         ///< of waits for what never comes
  int most_inside = 0;      ///< of the section with two permits: checked, not compared
  friend bool operator==(Outcome const& a, Outcome const& b) {
    return a.locked_sum == b.locked_sum && a.received_sum == b.received_sum &&
           a.received_count == b.received_count && a.turns == b.turns && a.timeouts == b.timeouts;
  }
};

template <class System>
struct Shared {
  typename System::Mutex lock;
  typename System::Condition changed;
  typename System::Condition never;
  typename System::Semaphore permits;
  std::deque<std::uint64_t> queue;
  int inside = 0;
  Outcome outcome;
};

/// One thread of the program: a few deeds drawn from its seed.
template <class System>
void perform(Shared<System>& shared, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  for (int i = 0; i < 12; ++i) {
    auto const value = random() % 1000 + 1;
    switch (random() % 6) {
      case 0: {
        std::lock_guard const guard{shared.lock};
        shared.outcome.locked_sum += value;
        break;
      }
      case 1: {  // into the queue and later out of it, whoever's it is
        {
          std::lock_guard const guard{shared.lock};
          shared.queue.push_back(value);
        }
        shared.changed.notify_all();
        std::unique_lock guard{shared.lock};
        System::wait(shared.changed, guard, [&] { return !shared.queue.empty(); });
        shared.outcome.received_sum += shared.queue.front();
        ++shared.outcome.received_count;
        shared.queue.pop_front();
        break;
      }
      case 2: {
        shared.permits.acquire();
        {
          std::lock_guard const guard{shared.lock};
          shared.outcome.most_inside = std::max(shared.outcome.most_inside, ++shared.inside);
        }
        System::yield_now();
        {
          std::lock_guard const guard{shared.lock};
          --shared.inside;
          shared.outcome.locked_sum += value;
        }
        shared.permits.release();
        break;
      }
      case 3: {
        std::unique_lock guard{shared.lock};
        if (!System::wait_briefly(shared.never, guard, [] { return false; }))
          ++shared.outcome.timeouts;
        break;
      }
      case 4: {  // threads of its own, joined before it goes on
        std::vector<std::function<void()>> children;
        for (std::uint64_t child = 0; child < 1 + value % 3; ++child) {
          children.emplace_back([&shared, child] {
            std::lock_guard const guard{shared.lock};
            shared.outcome.locked_sum += child + 1;
          });
        }
        System::run_all(children);
        break;
      }
      default:
        System::yield_now();
    }
  }
}

/// One that takes its turn when the baton says so.
template <class System>
void pass_baton(Shared<System>& shared, std::uint64_t own, std::uint64_t runners) {
  for (std::uint64_t round = 0; round < 4; ++round) {
    std::unique_lock guard{shared.lock};
    System::wait(shared.changed, guard, [&] { return shared.outcome.turns % runners == own; });
    ++shared.outcome.turns;
    guard.unlock();
    shared.changed.notify_all();
  }
}

template <class System>
Outcome outcome_of(std::uint64_t seed) {
  Shared<System> shared;
  std::mt19937_64 random{seed};
  auto const performers = 2 + random() % 5;
  auto const runners = 1 + random() % 3;
  std::vector<std::function<void()>> bodies;
  for (std::uint64_t i = 0; i < performers; ++i) {
    auto const own = random();
    bodies.emplace_back([&shared, own] { perform(shared, own); });
  }
  for (std::uint64_t i = 0; i < runners; ++i)
    bodies.emplace_back([&shared, i, runners] { pass_baton(shared, i, runners); });
  System::run_all(bodies);
  EXPECT_TRUE(shared.queue.empty());
  EXPECT_LE(shared.outcome.most_inside, 2);
  return shared.outcome;
}

/// The outcomes that std:: gives; the same for every way to run ours.
std::vector<Outcome> const& expected(std::size_t count) {
  static std::vector<Outcome> known;
  while (known.size() < count) known.push_back(outcome_of<Standard>(known.size() + 1));
  return known;
}

constexpr std::size_t kPrograms = kSanitized ? 20 : 100;

void compare_all(std::function<void(std::move_only_function<void()>)> const& run) {
  auto const& standard = expected(kPrograms);
  for (std::uint64_t seed = 1; seed <= kPrograms; ++seed) {
    Outcome ours;
    run([&] { ours = outcome_of<Ours>(seed); });
    EXPECT_EQ(ours, standard[seed - 1]) << "drawn program of seed " << seed;
  }
}

TEST(Differential, drawn_programs_end_as_on_std_thread_with_1_2_and_4_processors) {
  for (unsigned const processors : {1u, 2u, 4u})
    compare_all([&](auto body) { run_real(processors, std::move(body)); });
}

TEST(Differential, drawn_programs_end_as_on_std_thread_when_every_wait_migrates) {
  for (unsigned const processors : {2u, 4u})
    compare_all([&](auto body) { run_migrating(processors, std::move(body)); });
}

TEST(Differential, drawn_programs_end_as_on_std_thread_in_a_drawn_order) {
  for (std::uint64_t const order : {1u, 2u, 3u})
    compare_all([&](auto body) { run_simulated(order, std::move(body)); });
}

}  // namespace
}  // namespace mutirao::threads
