#include "mutirao/threads/mutex.h"

#include "mutirao/base/check.h"
#include "mutirao/threads/park.h"

#include "spinlock.h"
#include "waiting.h"

namespace mutirao::threads {

namespace {
// After that many lost races a waiter is handed the mutex itself.
constexpr int kLossesMax = 3;

template <class Waiter>
void append(Waiter*& first, Waiter*& last, Waiter& added) noexcept {
  added.previous = last;
  (last != nullptr ? last->next : first) = &added;
  last = &added;
}
template <class Waiter>
void prepend(Waiter*& first, Waiter*& last, Waiter& added) noexcept {
  added.next = first;
  (first != nullptr ? first->previous : last) = &added;
  first = &added;
}
template <class Waiter>
void take_out(Waiter*& first, Waiter*& last, Waiter& taken) noexcept {
  (taken.previous != nullptr ? taken.previous->next : first) = taken.next;
  (taken.next != nullptr ? taken.next->previous : last) = taken.previous;
}
}  // namespace

struct mutex::waiter {
  park_token token;
  waiter* next = nullptr;
  waiter* previous = nullptr;
  int losses = 0;
  bool given = false;
};

mutex::~mutex() { MUT_ASSERT(state_.load(std::memory_order_relaxed) == 0 && first_ == nullptr); }

void mutex::lock_slowly() {
  for (int losses = 0;; ++losses) {
    waiter self;
    self.losses = losses;
    {
      spin_guard const guard{spin_};
      // From now on the holder's unlock() looks at the waiters, under this guard.
      if (state_.exchange(2, std::memory_order_acquire) == 0) return;
      if (losses == 0) {
        append(first_, last_, self);
      } else {
        prepend(first_, last_, self);
      }
    }
    self.token.until_woken(
        {.kind = wait_kind::mutex,
         .object = this,
         .detail = reinterpret_cast<std::uintptr_t>(holder_.load(std::memory_order_relaxed))});
    if (self.given) return;
  }
}

/// Whoever gets the mutex may destroy it at once; so giving it free is the last touch of it.
void mutex::unlock_slowly() {
  for (;;) {
    waiter* next = nullptr;
    {
      spin_guard const guard{spin_};
      next = first_;
      if (next != nullptr) {
        take_out(first_, last_, *next);
        next->given = next->losses >= kLossesMax;
      } else {
        state_.store(1, std::memory_order_relaxed);
      }
    }
    if (next == nullptr) {
      std::uint32_t unwanted = 1;
      if (state_.compare_exchange_strong(unwanted, 0, std::memory_order_release,
                                         std::memory_order_relaxed))
        return;
      continue;  // somebody has queued up since
    }
    // Whoever runs may take the mutex before the waiter does: that is faster than to keep it for
    // one that must be switched to first. Not for ever, though. The waiter will mark the mutex as
    // contended again, and so the next one in the queue is not forgotten.
    if (!next->given) state_.store(0, std::memory_order_release);
    next->token.unpark();
    return;
  }
}

struct condition_variable::waiter {
  park_token token;
  waiter* next = nullptr;
  waiter* previous = nullptr;
  bool chosen = false;
};

condition_variable::~condition_variable() { MUT_ASSERT(first_ == nullptr); }

Result<void> condition_variable::wait(std::unique_lock<mutex>& lock, Deadline deadline) {
  return wait(lock, deadline, {.kind = wait_kind::condition, .object = this});
}

Result<void> condition_variable::wait(std::unique_lock<mutex>& lock, Deadline deadline,
                                      wait_note note) {
  MUT_ASSERT(lock.owns_lock());
  waiter self;
  {
    spin_guard const guard{spin_};
    append(first_, last_, self);
  }
  lock.unlock();
  auto reason = self.token.park(deadline, note);
  if (reason != wake_reason::woken) {
    bool chosen = false;
    {
      spin_guard const guard{spin_};
      chosen = self.chosen;
      if (!chosen) take_out(first_, last_, self);
    }
    if (chosen) {
      // A notification must not be lost on a thread that gives up.
      self.token.until_woken(note);
      reason = wake_reason::woken;
    }
  }
  lock.lock();
  if (reason != wake_reason::woken) return ended_wait(reason);
  return {};
}

void condition_variable::notify_one() noexcept {
  waiter* chosen = nullptr;
  {
    spin_guard const guard{spin_};
    chosen = first_;
    if (chosen == nullptr) return;
    take_out(first_, last_, *chosen);
    chosen->chosen = true;
  }
  chosen->token.unpark();
}

void condition_variable::notify_all() noexcept {
  waiter* chosen = nullptr;
  {
    spin_guard const guard{spin_};
    chosen = first_;
    for (auto* each = first_; each != nullptr; each = each->next) each->chosen = true;
    first_ = last_ = nullptr;
  }
  while (chosen != nullptr) {
    auto* const next = chosen->next;
    chosen->token.unpark();
    chosen = next;
  }
}

}  // namespace mutirao::threads
