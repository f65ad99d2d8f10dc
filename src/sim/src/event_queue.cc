#include "event_queue.h"

#include <algorithm>
#include <utility>

#include "mutirao/threads/this_thread.h"

namespace mutirao::sim {

TimePoint EventQueue::now() const noexcept { return running_ ? threads::now() : stopped_at_; }

void EventQueue::start() noexcept { running_ = true; }

void EventQueue::stop() noexcept {
  stopped_at_ = threads::now();
  running_ = false;
}

void EventQueue::at(TimePoint when, Action action) {
  if (!running_) return;
  std::uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(actions_.size());
    actions_.push_back(std::move(action));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    actions_[slot] = std::move(action);
  }
  heap_.push_back({when, sequence_++, slot});
  std::ranges::push_heap(heap_, later);
  if (parked_ != nullptr && Deadline::at(when) < parked_until_)
    std::exchange(parked_, nullptr)->unpark();
}

void EventQueue::run_due() {
  auto const now = threads::now();
  while (!heap_.empty() && heap_.front().when <= now) {
    std::ranges::pop_heap(heap_, later);
    auto const slot = heap_.back().slot;
    heap_.pop_back();
    // Out of its slot first: the action may schedule others, and grow the vector under itself.
    auto action = std::move(actions_[slot]);
    actions_[slot] = nullptr;
    free_slots_.push_back(slot);
    action();
  }
}

void EventQueue::pump() {
  for (;;) {
    run_due();
    threads::park_token token;
    parked_ = &token;
    parked_until_ = heap_.empty() ? Deadline::never() : Deadline::at(heap_.front().when);
    auto const reason = token.park(parked_until_, {.kind = threads::wait_kind::timer});
    if (std::exchange(parked_, nullptr) == nullptr && reason != threads::wake_reason::woken)
      token.until_woken();
    if (reason == threads::wake_reason::stopped) return;
  }
}

}  // namespace mutirao::sim
