#include "run_queue.h"

#include <algorithm>
#include <bit>

namespace mutirao::threads {

bool run_queue::push(thread_control* ready) noexcept {
  auto const tail = tail_.load(std::memory_order_relaxed);
  if (tail - head_.load(std::memory_order_acquire) >= kCapacity) return false;
  slot(tail).store(ready, std::memory_order_relaxed);
  tail_.store(tail + 1, std::memory_order_release);
  return true;
}

thread_control* run_queue::pop() noexcept {
  auto head = head_.load(std::memory_order_acquire);
  while (head != tail_.load(std::memory_order_relaxed)) {
    thread_control* const ready = slot(head).load(std::memory_order_relaxed);
    if (head_.compare_exchange_weak(head, head + 1, std::memory_order_seq_cst,
                                    std::memory_order_acquire)) {
      return ready;
    }
  }
  return nullptr;
}

std::size_t run_queue::take_half(half& into) noexcept {
  auto head = head_.load(std::memory_order_acquire);
  for (;;) {
    std::uint32_t const count = (tail_.load(std::memory_order_relaxed) - head) / 2;
    for (std::uint32_t i = 0; i < count; ++i)
      into[i] = slot(head + i).load(std::memory_order_relaxed);
    if (head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel,
                                    std::memory_order_acquire))
      return count;
  }
}

thread_control* run_queue::steal_from(run_queue& victim) noexcept {
  auto head = victim.head_.load(std::memory_order_acquire);
  auto const tail = tail_.load(std::memory_order_relaxed);
  for (;;) {
    auto const available = victim.tail_.load(std::memory_order_seq_cst) - head;
    if (available == 0) return nullptr;
    if (available > kCapacity) {  // `head` was old when the tail was read
      head = victim.head_.load(std::memory_order_acquire);
      continue;
    }
    auto const count = available - available / 2;
    // This queue is empty, or its owner would not be stealing; so half a ring always fits.
    for (std::uint32_t i = 0; i < count; ++i) {
      slot(tail + i).store(victim.slot(head + i).load(std::memory_order_relaxed),
                           std::memory_order_relaxed);
    }
    if (!victim.head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel,
                                            std::memory_order_acquire))
      continue;
    thread_control* const mine = slot(tail + count - 1).load(std::memory_order_relaxed);
    tail_.store(tail + count - 1, std::memory_order_release);
    return mine;
  }
}

void shared_queue::push_all(std::span<thread_control* const> ready) {
  spin_guard const guard{lock_};
  std::size_t const size = size_.load(std::memory_order_relaxed);
  if (size + ready.size() > ring_.size()) grow(size + ready.size());
  for (std::size_t i = 0; i < ready.size(); ++i)
    ring_[(head_ + size + i) % ring_.size()] = ready[i];
  size_.fetch_add(ready.size(), std::memory_order_seq_cst);
}

void shared_queue::grow(std::size_t least) {
  std::vector<thread_control*> larger(std::bit_ceil(std::max<std::size_t>(least, 64)));
  for (std::size_t i = 0; i < size_.load(std::memory_order_relaxed); ++i)
    larger[i] = ring_[(head_ + i) % ring_.size()];
  ring_.swap(larger);
  head_ = 0;
}

std::size_t shared_queue::pop_some(std::span<thread_control*> into) noexcept {
  if (size() == 0) return 0;
  spin_guard const guard{lock_};
  std::size_t const count = std::min(into.size(), size_.load(std::memory_order_relaxed));
  for (std::size_t i = 0; i < count; ++i) into[i] = ring_[(head_ + i) % ring_.size()];
  if (count > 0) head_ = (head_ + count) % ring_.size();
  taken_.store(taken_.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(count),
               std::memory_order_relaxed);
  size_.fetch_sub(count, std::memory_order_seq_cst);
  return count;
}

}  // namespace mutirao::threads
