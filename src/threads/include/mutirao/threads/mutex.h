#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/park.h"

namespace mutirao::threads {

/// Mutual exclusion between user threads: parks the waiter, never the LWP. Works with
/// std::lock_guard and std::unique_lock. A kernel thread outside the runtimes may use it as well,
/// and then waits as for a std::mutex. Waiting for a mutex is not a cancellation point: critical
/// sections are short. Waiters are served in no particular order, but none starves.
class mutex {
 public:
  mutex() noexcept = default;
  ~mutex();
  mutex(mutex const&) = delete;
  mutex& operator=(mutex const&) = delete;

  void lock() {
    std::uint32_t expected = 0;
    if (!state_.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                        std::memory_order_relaxed))
      lock_slowly();
    note_holder();
  }
  [[nodiscard]] bool try_lock() noexcept {
    std::uint32_t expected = 0;
    bool const locked = state_.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                                       std::memory_order_relaxed);
    if (locked) note_holder();
    return locked;
  }
  void unlock() {
    std::uint32_t expected = 1;
    if (!state_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                        std::memory_order_relaxed))
      unlock_slowly();
  }

 private:
  friend struct mutex_access;
  void lock_slowly();
  void unlock_slowly();
  /// An address on the holder's stack says who it is, and costs one store.
  void note_holder() noexcept {
    holder_.store(__builtin_frame_address(0), std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t> state_{0};  // 0 free, 1 held, 2 held and somebody may wait
  std::atomic<std::uint32_t> spin_{0};   // guards waiters_
  struct waiter;
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
  std::atomic<void const*> holder_{nullptr};  // the last one
};

/// Wait for a state that a mutex guards. Every wait returns why it ended: a stop request or a
/// passed deadline is an error, and the caller looks at its predicate only after success.
class condition_variable {
 public:
  condition_variable() noexcept = default;
  ~condition_variable();
  condition_variable(condition_variable const&) = delete;
  condition_variable& operator=(condition_variable const&) = delete;

  /// Releases `lock` while parked and holds it again on return, whatever the result.
  Result<void> wait(std::unique_lock<mutex>& lock, Deadline deadline = Deadline::never());

  /// The same for a lock or queue that is made of this: diagnostics name that one.
  Result<void> wait(std::unique_lock<mutex>& lock, Deadline deadline, wait_note note);

  /// Waits until `predicate()`; success also when it becomes true at the last moment.
  template <class Predicate>
  Result<void> wait(std::unique_lock<mutex>& lock, Predicate predicate,
                    Deadline deadline = Deadline::never(), wait_note note = {}) {
    if (note.object == nullptr) note = {.kind = wait_kind::condition, .object = this};
    while (!predicate()) {
      if (auto waited = wait(lock, deadline, note); !waited) {
        if (predicate()) return {};
        return waited;
      }
    }
    return {};
  }

  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  std::atomic<std::uint32_t> spin_{0};
  struct waiter;
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

}  // namespace mutirao::threads
