#include "timer_heap.h"

#include <utility>

#include "park_access.h"

namespace mutirao::threads {

namespace {
// Four children a node: half the depth of a binary heap, and the children share a cache line.
constexpr std::size_t kChildren = 4;
}  // namespace

void timer_heap::add(timer& entry) {
  spin_guard const guard{lock_};
  entry.heap = this;
  heap_.push_back({entry.when, next_order_++, &entry});
  entry.index = heap_.size() - 1;
  sift_up(entry.index);
  if (entry.index == 0) publish_earliest();
}

void timer_heap::remove(timer& entry) noexcept {
  spin_guard const guard{lock_};
  if (entry.index == timer::kAbsent) return;
  bool const first = entry.index == 0;
  take_out(entry);
  if (first) publish_earliest();
}

timer* timer_heap::take_due(TimePoint now) noexcept {
  if (earliest() > now) return nullptr;
  spin_guard const guard{lock_};
  timer* first = nullptr;
  timer** last = &first;
  while (!heap_.empty() && heap_.front().when <= now) {
    timer& due = *heap_.front().owner;
    take_out(due);
    // When the thread has not parked yet, or was woken already, it takes care of itself.
    if (park_access::interrupt(*due.token, wake_reason::timed_out)) {
      *last = &due;
      last = &due.next_fired;
    }
  }
  publish_earliest();
  return first;
}

void timer_heap::take_out(timer& entry) noexcept {
  std::size_t const index = std::exchange(entry.index, timer::kAbsent);
  node const moved = heap_.back();
  heap_.pop_back();
  if (moved.owner == &entry) return;
  place(index, moved);
  sift_up(index);
  sift_down(moved.owner->index);
}

void timer_heap::place(std::size_t index, node const& entry) noexcept {
  heap_[index] = entry;
  entry.owner->index = index;
}

void timer_heap::sift_up(std::size_t index) noexcept {
  node const entry = heap_[index];
  while (index > 0) {
    std::size_t const parent = (index - 1) / kChildren;
    if (!before(entry, heap_[parent])) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void timer_heap::sift_down(std::size_t index) noexcept {
  node const entry = heap_[index];
  for (;;) {
    std::size_t const first = index * kChildren + 1;
    if (first >= heap_.size()) break;
    std::size_t best = first;
    std::size_t const end = std::min(first + kChildren, heap_.size());
    for (std::size_t child = first + 1; child < end; ++child) {
      if (before(heap_[child], heap_[best])) best = child;
    }
    if (!before(heap_[best], entry)) break;
    place(index, heap_[best]);
    index = best;
  }
  place(index, entry);
}

void timer_heap::publish_earliest() noexcept {
  TimePoint const when = heap_.empty() ? TimePoint::max() : heap_.front().when;
  earliest_.store(when.time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace mutirao::threads
