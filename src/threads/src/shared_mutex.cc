#include "mutirao/threads/shared_mutex.h"

#include "mutirao/base/check.h"
#include "mutirao/threads/park.h"

#include "spinlock.h"

namespace mutirao::threads {

/// Whoever waits is handed the lock by the one that gives it free, under the spin lock: it holds it
/// when it wakes. So nobody overtakes, and nobody is forgotten.
struct shared_mutex::waiter {
  park_token token;
  bool writes;
  waiter* next = nullptr;
};

namespace {
void wake_admitted(auto* admitted) noexcept {
  while (admitted != nullptr) {
    auto* const next = admitted->next;
    admitted->token.unpark();
    admitted = next;
  }
}
}  // namespace

shared_mutex::~shared_mutex() { MUT_ASSERT(!writing_ && readers_ == 0 && first_ == nullptr); }

void shared_mutex::lock() {
  spin_guard guard{spin_};
  if (!writing_ && readers_ == 0 && first_ == nullptr) {
    writing_ = true;
    holder_.store(__builtin_frame_address(0), std::memory_order_relaxed);
    return;
  }
  waiter self{.token = {}, .writes = true};
  (last_ != nullptr ? last_->next : first_) = &self;
  last_ = &self;
  void const* const holder = holder_.load(std::memory_order_relaxed);
  guard.unlock();
  wait(self, holder);
  holder_.store(__builtin_frame_address(0), std::memory_order_relaxed);
}

bool shared_mutex::try_lock() noexcept {
  spin_guard const guard{spin_};
  if (writing_ || readers_ > 0 || first_ != nullptr) return false;
  writing_ = true;
  holder_.store(__builtin_frame_address(0), std::memory_order_relaxed);
  return true;
}

void shared_mutex::unlock() noexcept {
  spin_guard guard{spin_};
  writing_ = false;
  holder_.store(nullptr, std::memory_order_relaxed);
  auto* const admitted = admit_next();
  guard.unlock();
  wake_admitted(admitted);
}

void shared_mutex::lock_shared() {
  spin_guard guard{spin_};
  if (!writing_ && first_ == nullptr) {
    ++readers_;
    return;
  }
  waiter self{.token = {}, .writes = false};
  (last_ != nullptr ? last_->next : first_) = &self;
  last_ = &self;
  void const* const holder = holder_.load(std::memory_order_relaxed);
  guard.unlock();
  wait(self, holder);
}

bool shared_mutex::try_lock_shared() noexcept {
  spin_guard const guard{spin_};
  if (writing_ || first_ != nullptr) return false;
  ++readers_;
  return true;
}

void shared_mutex::unlock_shared() noexcept {
  spin_guard guard{spin_};
  --readers_;
  auto* const admitted = readers_ == 0 ? admit_next() : nullptr;
  guard.unlock();
  wake_admitted(admitted);
}

void shared_mutex::wait(waiter& self, void const* holder) {
  self.token.until_woken({.kind = wait_kind::shared_mutex,
                          .object = this,
                          .detail = reinterpret_cast<std::uintptr_t>(holder)});
}

/// The first in the queue when it is a writer, else all readers up to the next writer.
shared_mutex::waiter* shared_mutex::admit_next() noexcept {
  waiter* const admitted = first_;
  if (admitted == nullptr) return nullptr;
  waiter* end = admitted;
  if (admitted->writes) {
    writing_ = true;
  } else {
    ++readers_;
    for (; end->next != nullptr && !end->next->writes; end = end->next) ++readers_;
  }
  first_ = end->next;
  if (first_ == nullptr) last_ = nullptr;
  end->next = nullptr;
  return admitted;
}

}  // namespace mutirao::threads
