#include "run_queue.h"

#include <algorithm>
#include <bit>

namespace mutirao::threads {

run_queue::ring::ring(std::uint32_t room)
    : mask{room - 1}, slots{std::make_unique<std::atomic<thread_control*>[]>(room)} {}

run_queue::run_queue(std::uint32_t room) {
  rings_.push_back(std::make_unique<ring>(room));
  ring_.store(rings_.back().get(), std::memory_order_relaxed);
}

/// A thief that still reads the old ring finds there what it would find in the new one: nothing is
/// written to it any more, and what it can take lies before `tail`.
run_queue::ring& run_queue::grow(std::uint32_t head, std::uint32_t tail) {
  ring& old = *rings_.back();
  rings_.push_back(std::make_unique<ring>(2 * (old.mask + 1)));
  ring& larger = *rings_.back();
  for (auto at = head; at != tail; ++at) {
    larger.at(at).store(old.at(at).load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  ring_.store(&larger, std::memory_order_release);
  return larger;
}

thread_control* run_queue::steal_from(run_queue& victim) noexcept {
  auto head = victim.head_.load(std::memory_order_acquire);
  auto const tail = tail_.load(std::memory_order_relaxed);
  ring& own = *ring_.load(std::memory_order_relaxed);
  for (;;) {
    auto const available = victim.tail_.load(std::memory_order_seq_cst) - head;
    if (available == 0) return nullptr;
    // After the tail: so the ring is that one or a later one, and has all that lies before it.
    ring& from = *victim.ring_.load(std::memory_order_acquire);
    // This queue is empty, or its owner would not be stealing; so these fit.
    auto const count = std::min(available - available / 2, kStolenMost);
    for (std::uint32_t i = 0; i < count; ++i) {
      own.at(tail + i).store(from.at(head + i).load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
    }
    // Fails when `head` was old, and with it all that was read.
    if (!victim.head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel,
                                            std::memory_order_acquire))
      continue;
    thread_control* const mine = own.at(tail + count - 1).load(std::memory_order_relaxed);
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
