#include "timer_heap.h"

#include <algorithm>
#include <array>
#include <span>

#include "park_access.h"

namespace mutirao::threads {

namespace {
// Four children a node: half the depth of a binary heap, and the children share a cache line.
constexpr std::uint32_t kChildren = 4;

/// The timer lies in the frame of park(); what its thread touches next, when it goes on, around it.
void fetch_frames_around(timer const& entry) noexcept {
  constexpr int kLine = 64;
  constexpr int kLinesBelow = 2;
  constexpr int kLinesAbove = 6;
  auto const* const here = reinterpret_cast<char const*>(&entry);
  for (int line = -kLinesBelow; line <= kLinesAbove; ++line)
    __builtin_prefetch(here + line * kLine, 1);
}
}  // namespace

void timer_heap::add(timer& entry) {
  spin_guard const guard{lock_};
  entry.heap = this;
  entry.place = new_place(entry);
  heap_.emplace_back();
  sift_up(static_cast<std::uint32_t>(heap_.size() - 1), {entry.when, next_order_++, entry.place});
  if (places_[entry.place].index == 0) publish_earliest();
}

void timer_heap::remove(timer& entry) noexcept {
  spin_guard const guard{lock_};
  if (entry.place == timer::kAbsent) return;
  auto const index = places_[entry.place].index;
  static_cast<void>(take_out(index));
  entry.place = timer::kAbsent;
  if (index == 0) publish_earliest();
}

timer* timer_heap::take_due(TimePoint now) noexcept {
  if (earliest() > now) return nullptr;
  spin_guard const guard{lock_};
  timer* first = nullptr;
  timer** last = &first;
  while (!heap_.empty() && heap_.front().when <= now) {
    std::array<timer*, 16> together;
    std::size_t count = 0;
    while (count < together.size() && !heap_.empty() && heap_.front().when <= now) {
      together[count] = &take_out(0);
      fetch_frames_around(*together[count]);
      ++count;
    }
    for (timer* const due : std::span{together}.first(count)) {
      due->place = timer::kAbsent;
      // When the thread has not parked yet, or was woken already, it takes care of itself.
      if (park_access::interrupt(*due->token, wake_reason::timed_out)) {
        *last = due;
        last = &due->next_fired;
      }
    }
  }
  publish_earliest();
  return first;
}

std::uint32_t timer_heap::new_place(timer& owner) {
  if (free_place_ == timer::kAbsent) {
    places_.push_back({&owner, 0});
    return static_cast<std::uint32_t>(places_.size() - 1);
  }
  auto const taken = free_place_;
  free_place_ = places_[taken].index;
  places_[taken].owner = &owner;
  return taken;
}

timer& timer_heap::take_out(std::uint32_t index) noexcept {
  auto const freed = heap_[index].place;
  timer& taken = *places_[freed].owner;
  places_[freed].index = free_place_;
  free_place_ = freed;
  node const moved = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return taken;
  if (index > 0 && before(moved, heap_[(index - 1) / kChildren])) {
    sift_up(index, moved);
  } else {
    sift_down(index, moved);
  }
  return taken;
}

void timer_heap::put(std::uint32_t index, node const& entry) noexcept {
  heap_[index] = entry;
  places_[entry.place].index = index;
}

void timer_heap::sift_up(std::uint32_t index, node const& entry) noexcept {
  while (index > 0) {
    auto const parent = (index - 1) / kChildren;
    if (!before(entry, heap_[parent])) break;
    put(index, heap_[parent]);
    index = parent;
  }
  put(index, entry);
}

void timer_heap::sift_down(std::uint32_t index, node const& entry) noexcept {
  auto const size = static_cast<std::uint32_t>(heap_.size());
  for (;;) {
    auto const first = index * kChildren + 1;
    if (first >= size) break;
    auto best = first;
    auto const end = std::min(first + kChildren, size);
    for (auto child = first + 1; child < end; ++child) {
      if (before(heap_[child], heap_[best])) best = child;
    }
    if (!before(heap_[best], entry)) break;
    put(index, heap_[best]);
    index = best;
  }
  put(index, entry);
}

void timer_heap::publish_earliest() noexcept {
  TimePoint const when = heap_.empty() ? TimePoint::max() : heap_.front().when;
  earliest_.store(when.time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace mutirao::threads
