#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "spinlock.h"

namespace mutirao::threads {

struct thread_control;

/// The ready threads of one processor, first in, first out. The LWP that holds the processor pushes;
/// it and any thief pop. Bounded: what does not fit goes to the shared queue.
class run_queue {
 public:
  static constexpr std::uint32_t kCapacity = 512;

  /// Owner only. False when full.
  [[nodiscard]] bool push(thread_control* ready) noexcept;
  /// Owner only.
  [[nodiscard]] thread_control* pop() noexcept;
  /// Owner only: takes the older half out, linked by `next_ready`, so that there is room.
  [[nodiscard]] thread_control* take_half(std::uint32_t& count) noexcept;
  /// The thief's: moves half of `victim` here and returns one of them to run at once.
  [[nodiscard]] thread_control* steal_from(run_queue& victim) noexcept;

  [[nodiscard]] std::uint32_t size() const noexcept {
    auto const head = head_.load(std::memory_order_seq_cst);
    auto const tail = tail_.load(std::memory_order_seq_cst);
    // More than fits only when `head` was old by the time the tail was read: busy, so not empty.
    return tail - head > kCapacity ? kCapacity : tail - head;
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

 private:
  std::atomic<thread_control*>& slot(std::uint32_t position) noexcept { return slots_[position % kCapacity]; }

  alignas(64) std::atomic<std::uint32_t> head_{0};  // pops, by anyone
  alignas(64) std::atomic<std::uint32_t> tail_{0};  // pushes, by the owner
  std::array<std::atomic<thread_control*>, kCapacity> slots_{};
};

/// Ready threads that belong to no processor: from outside the runtime, from blocking calls that
/// ended, and from processors that have too many.
class shared_queue {
 public:
  void push(thread_control* ready) noexcept;
  /// A chain linked by `next_ready`.
  void push_all(thread_control* first, std::uint32_t count) noexcept;
  [[nodiscard]] thread_control* pop() noexcept;
  [[nodiscard]] std::uint32_t size() const noexcept { return size_.load(std::memory_order_seq_cst); }

 private:
  spin_word lock_{0};
  thread_control* first_ = nullptr;
  thread_control* last_ = nullptr;
  std::atomic<std::uint32_t> size_{0};
};

}  // namespace mutirao::threads
