#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spinlock.h"

namespace mutirao::threads {

struct thread_control;

/// The ready threads of one processor, first in, first out. The LWP that holds the processor
/// pushes; it and any thief pop. Grows with what is in it, so that all are served in their order,
/// however many they are; what it has grown out of is kept, since a thief may still read there.
class run_queue {
 public:
  static constexpr std::uint32_t kRoomAtFirst = 512;
  static constexpr std::uint32_t kStolenMost = 256;

  /// `room`, a power of two: how many fit before it grows.
  explicit run_queue(std::uint32_t room = kRoomAtFirst);

  /// Owner only. `at_once`: the others see it before the owner goes on, so that it may look who
  /// needs to be told; costs a lock of the bus.
  enum class seen : std::uint8_t { soon, at_once };
  void push(thread_control* ready, seen by_others = seen::soon) noexcept;
  /// Owner only.
  [[nodiscard]] thread_control* pop() noexcept;
  /// Owner only: who follows after `others` pops, unless a thief is quicker; only to be prepared
  /// for it. None where the queue is shorter.
  [[nodiscard]] thread_control* peek(std::uint32_t others) const noexcept;
  /// The thief's, with an empty queue: moves half of `victim` here and returns one of them to run
  /// at once.
  [[nodiscard]] thread_control* steal_from(run_queue& victim) noexcept;

  [[nodiscard]] std::uint32_t size() const noexcept {
    auto const head = head_.load(std::memory_order_seq_cst);
    return tail_.load(std::memory_order_seq_cst) - head;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  /// How many ever were; counts on from 2^32 - 1 to 0.
  [[nodiscard]] std::uint32_t taken() const noexcept {
    return head_.load(std::memory_order_relaxed);
  }

 private:
  struct ring {
    explicit ring(std::uint32_t room);
    std::atomic<thread_control*>& at(std::uint32_t position) noexcept {
      return slots[position & mask];
    }
    std::uint32_t mask;
    std::unique_ptr<std::atomic<thread_control*>[]> slots;
  };
  [[nodiscard]] ring& grow(std::uint32_t head, std::uint32_t tail);

  alignas(64) std::atomic<std::uint32_t> head_{0};  // pops, by anyone
  alignas(64) std::atomic<std::uint32_t> tail_{0};  // pushes, by the owner
  std::atomic<ring*> ring_{nullptr};                // a thief reads it after the tail
  std::vector<std::unique_ptr<ring>> rings_;        // the last is in use
};

// In line, as every switch goes through them.
inline void run_queue::push(thread_control* ready, seen by_others) noexcept {
  auto const tail = tail_.load(std::memory_order_relaxed);
  auto const head = head_.load(std::memory_order_acquire);
  ring* into = ring_.load(std::memory_order_relaxed);
  if (tail - head > into->mask) [[unlikely]]
    into = &grow(head, tail);
  into->at(tail).store(ready, std::memory_order_relaxed);
  if (by_others == seen::at_once) {
    tail_.exchange(tail + 1, std::memory_order_seq_cst);
  } else {
    tail_.store(tail + 1, std::memory_order_release);
  }
}

inline thread_control* run_queue::pop() noexcept {
  auto head = head_.load(std::memory_order_acquire);
  ring& own = *ring_.load(std::memory_order_relaxed);
  while (head != tail_.load(std::memory_order_relaxed)) {
    thread_control* const ready = own.at(head).load(std::memory_order_relaxed);
    if (head_.compare_exchange_weak(head, head + 1, std::memory_order_seq_cst,
                                    std::memory_order_acquire)) {
      return ready;
    }
  }
  return nullptr;
}

inline thread_control* run_queue::peek(std::uint32_t others) const noexcept {
  auto const head = head_.load(std::memory_order_relaxed);
  auto const length = tail_.load(std::memory_order_relaxed) - head;
  if (others >= length) return nullptr;
  return ring_.load(std::memory_order_relaxed)->at(head + others).load(std::memory_order_relaxed);
}

/// Ready threads that belong to no processor: from outside the runtime, from blocking calls that
/// ended, and from reliefs. A ring of pointers: a chain through the threads
/// would touch the cold memory of each.
class shared_queue {
 public:
  void push(thread_control* ready) { push_all({&ready, 1}); }
  void push_all(std::span<thread_control* const> ready);
  /// How many it put into `into`.
  [[nodiscard]] std::size_t pop_some(std::span<thread_control*> into) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_seq_cst); }
  /// How many ever were; counts on from 2^32 - 1 to 0.
  [[nodiscard]] std::uint32_t taken() const noexcept {
    return taken_.load(std::memory_order_relaxed);
  }

 private:
  void grow(std::size_t least);

  spin_word lock_{0};
  std::vector<thread_control*> ring_;  // a power of two long
  std::size_t head_ = 0;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint32_t> taken_{0};
};

}  // namespace mutirao::threads
