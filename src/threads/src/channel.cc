#include "mutirao/threads/channel.h"

#include "spinlock.h"
#include "waiting.h"

namespace mutirao::threads::detail {

void any_channel::lock() const noexcept { spin_lock(lock_); }
void any_channel::unlock() const noexcept { spin_unlock(lock_); }

wake_reason any_channel::wait_in(channel_line& line, channel_waiter& self, Deadline deadline) {
  wait_note const note{.kind = wait_kind::channel, .object = this};
  line.add(self);
  unlock();
  auto const reason = self.token.park(deadline, note);
  if (reason == wake_reason::woken) return reason;
  lock();
  bool const chosen = self.chosen;
  if (!chosen) line.remove(self);
  unlock();
  if (!chosen) return reason;
  // Its counterpart was faster than the clock or the stop: what was moved must not be lost.
  self.token.until_woken(note);
  return wake_reason::woken;
}

Error any_channel::ended(wake_reason reason) { return ended_wait(reason).error(); }

Error any_channel::closed_error() { return {Fault::closed, "channel is closed", {}}; }

void any_channel::wake_all(channel_waiter* first) noexcept {
  while (first != nullptr) {
    auto* const next = first->next;  // whoever is woken leaves
    first->token.unpark();
    first = next;
  }
}

void any_channel::watch(select_watch& added) noexcept {
  added.next = watches_;
  if (watches_ != nullptr) watches_->previous = &added;
  watches_ = &added;
}

void any_channel::unwatch(select_watch& removed) noexcept {
  (removed.previous != nullptr ? removed.previous->next : watches_) = removed.next;
  if (removed.next != nullptr) removed.next->previous = removed.previous;
}

/// Under the lock, which whoever is woken takes before it leaves.
void any_channel::wake_watching() noexcept {
  for (auto* each = watches_; each != nullptr; each = each->next) {
    if (!each->called->exchange(true, std::memory_order_acq_rel)) each->token->unpark();
  }
}

}  // namespace mutirao::threads::detail
