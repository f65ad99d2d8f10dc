#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "spinlock.h"

namespace mutirao::threads {

struct thread_control;

/// The ready threads of one processor, first in, first out. The LWP that holds the processor
/// pushes; it and any thief pop. Bounded: what does not fit goes to the shared queue.
class run_queue {
 public:
  static constexpr std::uint32_t kCapacity = 512;

  /// Owner only. False when full.
  [[nodiscard]] bool push(thread_control* ready) noexcept;
  /// Owner only.
  [[nodiscard]] thread_control* pop() noexcept;
  /// Owner only: takes the older half out, so that there is room; how many it put into `into`.
  using half = std::array<thread_control*, kCapacity / 2>;
  [[nodiscard]] std::size_t take_half(half& into) noexcept;
  /// The thief's: moves half of `victim` here and returns one of them to run at once.
  [[nodiscard]] thread_control* steal_from(run_queue& victim) noexcept;

  [[nodiscard]] std::uint32_t size() const noexcept {
    auto const head = head_.load(std::memory_order_seq_cst);
    auto const tail = tail_.load(std::memory_order_seq_cst);
    // More than fits only when `head` was old by the time the tail was read: busy, so not empty.
    return tail - head > kCapacity ? kCapacity : tail - head;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  /// How many ever were; counts on from 2^32 - 1 to 0.
  [[nodiscard]] std::uint32_t taken() const noexcept {
    return head_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<thread_control*>& slot(std::uint32_t position) noexcept {
    return slots_[position % kCapacity];
  }

  alignas(64) std::atomic<std::uint32_t> head_{0};  // pops, by anyone
  alignas(64) std::atomic<std::uint32_t> tail_{0};  // pushes, by the owner
  std::array<std::atomic<thread_control*>, kCapacity> slots_{};
};

/// Ready threads that belong to no processor: from outside the runtime, from blocking calls that
/// ended, and from processors that have too many. A ring of pointers: a chain through the threads
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
