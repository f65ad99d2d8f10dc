#include "run_queue.h"

#include "thread_control.h"

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
    if (head_.compare_exchange_weak(head, head + 1, std::memory_order_seq_cst, std::memory_order_acquire)) {
      return ready;
    }
  }
  return nullptr;
}

thread_control* run_queue::take_half(std::uint32_t& count) noexcept {
  auto head = head_.load(std::memory_order_acquire);
  for (;;) {
    count = (tail_.load(std::memory_order_relaxed) - head) / 2;
    if (count == 0) return nullptr;
    std::array<thread_control*, kCapacity / 2> taken;
    for (std::uint32_t i = 0; i < count; ++i) taken[i] = slot(head + i).load(std::memory_order_relaxed);
    if (!head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    for (std::uint32_t i = 0; i + 1 < count; ++i) taken[i]->next_ready = taken[i + 1];
    taken[count - 1]->next_ready = nullptr;
    return taken[0];
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
      slot(tail + i).store(victim.slot(head + i).load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    if (!victim.head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    thread_control* const mine = slot(tail + count - 1).load(std::memory_order_relaxed);
    tail_.store(tail + count - 1, std::memory_order_release);
    return mine;
  }
}

void shared_queue::push(thread_control* ready) noexcept {
  ready->next_ready = nullptr;
  push_all(ready, 1);
}

void shared_queue::push_all(thread_control* first, std::uint32_t count) noexcept {
  spin_guard const guard{lock_};
  if (last_ == nullptr) {
    first_ = first;
  } else {
    last_->next_ready = first;
  }
  while (first->next_ready != nullptr) first = first->next_ready;
  last_ = first;
  size_.fetch_add(count, std::memory_order_seq_cst);
}

thread_control* shared_queue::pop() noexcept {
  if (size() == 0) return nullptr;
  spin_guard const guard{lock_};
  thread_control* const ready = first_;
  if (ready == nullptr) return nullptr;
  first_ = ready->next_ready;
  if (first_ == nullptr) last_ = nullptr;
  size_.fetch_sub(1, std::memory_order_seq_cst);
  return ready;
}

}  // namespace mutirao::threads
