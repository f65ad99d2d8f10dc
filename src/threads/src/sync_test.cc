// Mutex, condition variable, semaphore, channel: the same promises in a real runtime and under many
// simulated orders.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/latch.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/shared_mutex.h"
#include "mutirao/threads/this_thread.h"

#include "everywhere.h"

namespace mutirao::threads {
namespace {

TEST(Mutex, admits_one_at_a_time) {
  everywhere([] {
    constexpr int kThreads = 20;
    constexpr int kRounds = 300;
    mutex guard;
    int counter = 0;  // not atomic: that is the point
    scope inner;
    for (int i = 0; i < kThreads; ++i) {
      inner.spawn("counter", [&, i] {
        for (int round = 0; round < kRounds; ++round) {
          std::lock_guard const lock{guard};
          int const seen = counter;
          if ((i + round) % 16 == 0) yield();
          counter = seen + 1;
        }
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(counter, kThreads * kRounds);
  });
}

TEST(Mutex, starves_nobody) {
  run_real(1, [] {
    mutex guard;
    bool got_it = false;
    scope inner;
    inner.spawn("greedy", [&] {
      while (!got_it) {
        std::lock_guard const lock{guard};
        yield();
      }
    });
    inner.spawn("modest", [&] {
      std::lock_guard const lock{guard};
      got_it = true;
    });
    EXPECT_TRUE(inner.join());
  });
}

TEST(Mutex, can_be_tried) {
  run_real(1, [] {
    mutex guard;
    EXPECT_TRUE(guard.try_lock());
    EXPECT_FALSE(guard.try_lock());
    guard.unlock();
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
  });
}

TEST(Mutex, is_no_cancellation_point) {
  everywhere([] {
    mutex guard;
    guard.lock();
    bool locked = false;
    scope inner;
    inner.spawn("waiter", [&] {
      std::lock_guard const lock{guard};
      locked = true;
    });
    inner.request_stop();
    yield();
    EXPECT_FALSE(locked);
    guard.unlock();
    EXPECT_TRUE(inner.join());
    EXPECT_TRUE(locked);
  });
}

TEST(ConditionVariable, wakes_as_many_as_were_notified) {
  everywhere([] {
    mutex guard;
    condition_variable changed;
    int tickets = 0;
    int served = 0;
    scope inner;
    for (int i = 0; i < 10; ++i) {
      inner.spawn("customer", [&]() -> Result<void> {
        std::unique_lock lock{guard};
        MUT_TRY(changed.wait(lock, [&] { return tickets > 0; }));
        --tickets;
        ++served;
        return {};
      });
    }
    for (int i = 0; i < 10; ++i) {
      {
        std::lock_guard const lock{guard};
        ++tickets;
      }
      changed.notify_one();
      if (i % 3 == 0) yield();
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(served, 10);
    EXPECT_EQ(tickets, 0);
  });
}

TEST(ConditionVariable, wakes_all) {
  everywhere([] {
    mutex guard;
    condition_variable changed;
    bool open = false;
    scope inner;
    for (int i = 0; i < 10; ++i) {
      inner.spawn("waiter", [&]() -> Result<void> {
        std::unique_lock lock{guard};
        return changed.wait(lock, [&] { return open; });
      });
    }
    yield();
    {
      std::lock_guard const lock{guard};
      open = true;
    }
    changed.notify_all();
    EXPECT_TRUE(inner.join());
  });
}

TEST(ConditionVariable, ends_at_the_deadline_with_the_lock_held) {
  everywhere([] {
    mutex guard;
    condition_variable never;
    std::unique_lock lock{guard};
    auto const waited = never.wait(lock, within(1ms));
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().fault, Fault::timed_out);
    EXPECT_TRUE(lock.owns_lock());
    EXPECT_FALSE(guard.try_lock());
  });
}

TEST(ConditionVariable, ends_when_stopped_with_the_lock_held) {
  everywhere([] {
    mutex guard;
    condition_variable never;
    scope inner;
    inner.spawn("waiter", [&] {
      std::unique_lock lock{guard};
      EXPECT_EQ(never.wait(lock).error().fault, Fault::cancelled);
      EXPECT_FALSE(guard.try_lock());
    });
    yield();
    inner.request_stop();
    EXPECT_TRUE(inner.join());
  });
}

// A notification that meets a waiter which is just giving up must reach somebody.
TEST(ConditionVariable, loses_no_notification_to_a_waiter_that_gives_up) {
  everywhere([] {
    mutex guard;
    condition_variable changed;
    int tickets = 0;
    std::atomic<int> got{0};
    scope inner;
    for (int i = 0; i < 8; ++i) {
      inner.spawn("impatient", [&, i] {
        for (int round = 0; round < 30; ++round) {
          std::unique_lock lock{guard};
          if (changed.wait(
                  lock, [&] { return tickets > 0; }, within(std::chrono::microseconds{i * 5}))) {
            --tickets;
            ++got;
          }
        }
      });
    }
    for (int i = 0; i < 100; ++i) {
      {
        std::lock_guard const lock{guard};
        ++tickets;
      }
      changed.notify_one();
      static_cast<void>(sleep_for(3us));
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(got + tickets, 100);
  });
}

TEST(Semaphore, never_admits_more_than_its_permits) {
  everywhere([] {
    semaphore permits{3};
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    scope inner;
    for (int i = 0; i < 20; ++i) {
      inner.spawn("worker", [&]() -> Result<void> {
        for (int round = 0; round < 20; ++round) {
          MUT_TRY(permits.acquire());
          most = std::max(most.load(), ++inside);
          yield();
          --inside;
          permits.release();
        }
        return {};
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_LE(most, 3);
    EXPECT_TRUE(permits.try_acquire());
  });
}

TEST(Semaphore, can_be_cancelled_and_timed_out) {
  everywhere([] {
    semaphore none{0};
    EXPECT_FALSE(none.try_acquire());
    EXPECT_EQ(none.acquire(within(1ms)).error().fault, Fault::timed_out);
    scope inner;
    inner.spawn("waiter", [&] { EXPECT_EQ(none.acquire().error().fault, Fault::cancelled); });
    yield();
    inner.request_stop();
    EXPECT_TRUE(inner.join());
    none.release(2);
    EXPECT_TRUE(none.acquire());
    EXPECT_TRUE(none.acquire());
  });
}

TEST(Channel, delivers_everything_once_and_each_senders_in_order) {
  everywhere([] {
    constexpr int kSenders = 5;
    constexpr int kItems = 100;
    channel<std::pair<int, int>> ring{4};
    std::atomic<int> senders{kSenders};
    std::vector<std::vector<std::pair<int, int>>> received(3);
    scope inner;
    for (int sender = 0; sender < kSenders; ++sender) {
      inner.spawn("sender", [&, sender]() -> Result<void> {
        for (int item = 0; item < kItems; ++item) MUT_TRY(ring.send({sender, item}));
        if (--senders == 0) ring.close();
        return {};
      });
    }
    for (auto& mine : received) {
      inner.spawn("receiver", [&] {
        while (auto item = ring.receive()) mine.push_back(*item);
      });
    }
    EXPECT_TRUE(inner.join());
    std::size_t total = 0;
    for (auto const& mine : received) {
      total += mine.size();
      for (int sender = 0; sender < kSenders; ++sender) {
        std::vector<int> items;
        for (auto const& [from, item] : mine) {
          if (from == sender) items.push_back(item);
        }
        EXPECT_TRUE(std::ranges::is_sorted(items));
      }
    }
    EXPECT_EQ(total, static_cast<std::size_t>(kSenders * kItems));
  });
}

TEST(Channel, holds_the_sender_back_when_full) {
  everywhere([] {
    channel<int> ring{2};
    EXPECT_TRUE(ring.try_send(1));
    EXPECT_TRUE(ring.try_send(2));
    EXPECT_FALSE(ring.try_send(3));
    EXPECT_EQ(ring.send(3, within(1ms)).error().fault, Fault::timed_out);
    EXPECT_EQ(ring.try_receive(), 1);
    EXPECT_TRUE(ring.send(3));
  });
}

TEST(Channel, hands_a_value_to_whoever_waited_for_it) {
  everywhere([] {
    channel<std::unique_ptr<int>> ring{1};
    latch received{1};
    std::atomic<bool> waits{false};
    scope inner;
    inner.spawn("receiver", [&]() -> Result<void> {
      waits = true;
      EXPECT_EQ(*MUT_TRY(ring.receive()), 1);
      received.count_down();
      EXPECT_EQ(*MUT_TRY(ring.receive()), 2);
      return {};
    });
    while (!waits) yield();
    EXPECT_TRUE(ring.send(std::make_unique<int>(1)));
    EXPECT_TRUE(received.wait());
    EXPECT_TRUE(ring.send(std::make_unique<int>(2)));
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(ring.try_receive(), std::nullopt);
  });
}

TEST(Channel, loses_no_value_to_a_receiver_that_gives_up) {
  everywhere([] {
    constexpr int kItems = 30;
    channel<int> ring{1};
    int sum = 0;
    scope inner;
    inner.spawn("impatient", [&]() -> Result<void> {
      for (;;) {
        if (auto const item = ring.receive(within(1us))) {
          sum += *item;
        } else if (item.error().fault == Fault::closed) {
          return {};
        }
      }
    });
    for (int item = 1; item <= kItems; ++item) {
      EXPECT_TRUE(ring.send(std::move(item)));
      if (item % 3 == 0) static_cast<void>(sleep_for(2us));
    }
    ring.close();
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(sum, kItems * (kItems + 1) / 2);
  });
}

TEST(Channel, ends_every_wait_when_closed) {
  everywhere([] {
    channel<int> full{1};
    channel<int> empty{1};
    EXPECT_TRUE(full.send(1));
    scope inner;
    inner.spawn("sender", [&] { EXPECT_EQ(full.send(2).error().fault, Fault::closed); });
    inner.spawn("receiver", [&] { EXPECT_EQ(empty.receive().error().fault, Fault::closed); });
    yield();
    full.close();
    empty.close();
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(full.receive(), 1);
    EXPECT_EQ(full.receive().error().fault, Fault::closed);
  });
}

TEST(Channel, can_be_cancelled) {
  everywhere([] {
    channel<int> ring{1};
    EXPECT_TRUE(ring.send(1));
    scope inner;
    inner.spawn("sender", [&] { EXPECT_EQ(ring.send(2).error().fault, Fault::cancelled); });
    yield();
    inner.request_stop();
    EXPECT_TRUE(inner.join());
  });
}

TEST(Latch, lets_everybody_through_at_zero_and_not_before) {
  everywhere([] {
    latch gate{3};
    std::atomic<int> arrived{0};
    scope inner;
    for (int i = 0; i < 3; ++i) {
      inner.spawn("arriver", [&]() -> Result<void> {
        ++arrived;
        MUT_TRY(gate.arrive_and_wait());
        EXPECT_EQ(arrived, 3);
        return {};
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_TRUE(gate.try_wait());
    EXPECT_TRUE(gate.wait());
  });
}

TEST(Latch, can_be_cancelled_and_timed_out) {
  everywhere([] {
    latch shut{1};
    EXPECT_FALSE(shut.try_wait());
    EXPECT_EQ(shut.wait(within(1ms)).error().fault, Fault::timed_out);
    scope inner;
    inner.spawn("waiter", [&] { EXPECT_EQ(shut.wait().error().fault, Fault::cancelled); });
    yield();
    inner.request_stop();
    EXPECT_TRUE(inner.join());
  });
}

TEST(SharedMutex, admits_many_readers_or_one_writer) {
  everywhere([] {
    shared_mutex guard;
    int value = 0;  // not atomic: that is the point
    std::atomic<int> readers{0};
    std::atomic<int> most{0};
    constexpr int kUsers = 12;
    latch all_there{kUsers};
    scope inner;
    for (int i = 0; i < kUsers; ++i) {
      inner.spawn("user", [&, i] {
        EXPECT_TRUE(all_there.arrive_and_wait());
        for (int round = 0; round < 40; ++round) {
          if ((i + round) % 5 == 0) {
            std::unique_lock const lock{guard};
            EXPECT_EQ(readers, 0);
            int const seen = value;
            if (round % 4 == 0) yield();
            value = seen + 1;
          } else {
            std::shared_lock const lock{guard};
            int const now_reading = ++readers;
            for (int before = most;
                 before < now_reading && !most.compare_exchange_weak(before, now_reading);) {
            }
            int const seen = value;
            if (round % 4 == 1) yield();
            EXPECT_EQ(value, seen);
            --readers;
          }
        }
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(value, kUsers * 40 / 5);
    EXPECT_GT(most, 1);
  });
}

TEST(SharedMutex, lets_no_new_reader_overtake_a_writer_that_waits) {
  everywhere([] {
    shared_mutex guard;
    std::vector<std::string> order;
    guard.lock_shared();
    scope inner;
    inner.spawn("writer", [&] {
      std::unique_lock const lock{guard};
      order.push_back("writer");
    });
    while (guard.try_lock_shared()) {  // until the writer waits
      guard.unlock_shared();
      yield();
    }
    inner.spawn("reader", [&] {
      std::shared_lock const lock{guard};
      order.push_back("reader");
    });
    EXPECT_FALSE(guard.try_lock());
    EXPECT_TRUE(sleep_for(1ms));
    EXPECT_TRUE(order.empty());
    guard.unlock_shared();
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(order, (std::vector<std::string>{"writer", "reader"}));
  });
}

// Kernel threads of the program and user threads share locks and queues.
TEST(KernelThread, takes_part_in_mutexes_conditions_and_channels) {
  run_real(2, [] {
    constexpr int kRounds = 500;
    mutex guard;
    condition_variable changed;
    int counter = 0;
    int turn = 0;
    channel<int> numbers{2};
    auto const count = [&](int own_turn) {
      for (int i = 0; i < kRounds; ++i) {
        std::unique_lock lock{guard};
        EXPECT_TRUE(changed.wait(lock, [&] { return turn == own_turn; }));
        ++counter;
        turn = 1 - own_turn;
        changed.notify_one();
      }
    };
    scope inner;
    inner.spawn("user thread", [&] { count(0); });
    std::jthread kernel_thread{[&] {
      EXPECT_FALSE(on_user_thread());
      count(1);
      for (int i = 0; i < kRounds; ++i) EXPECT_TRUE(numbers.send(int{i}));
      numbers.close();
    }};
    for (int i = 0; i < kRounds; ++i) EXPECT_EQ(numbers.receive(), i);
    EXPECT_EQ(numbers.receive().error().fault, Fault::closed);
    EXPECT_TRUE(inner.join());
    kernel_thread.join();
    EXPECT_EQ(counter, 2 * kRounds);
  });
}

TEST(KernelThread, waits_until_a_deadline_too) {
  semaphore none{0};
  EXPECT_EQ(none.acquire(within(1ms)).error().fault, Fault::timed_out);
  EXPECT_TRUE(sleep_for(1ms));
}

TEST(Yield, lets_others_run) {
  everywhere([] {
    bool ran = false;
    scope inner;
    inner.spawn("other", [&] { ran = true; });
    while (inner.threads_alive() > 0) yield();
    EXPECT_TRUE(ran);
    EXPECT_TRUE(inner.join());
  });
}

}  // namespace
}  // namespace mutirao::threads
