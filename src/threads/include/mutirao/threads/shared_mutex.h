#pragma once

#include <atomic>
#include <cstdint>
#include <shared_mutex>

#include "mutirao/threads/mutex.h"

namespace mutirao::threads {

/// Many readers or one writer. Works with std::shared_lock, std::unique_lock and std::lock_guard.
/// First come, first served: a writer that waits is not overtaken by new readers, nor they by later
/// writers. As with mutex, waiting is no cancellation point. Not recursive: a reader that reads
/// again may wait for a writer that waits for it.
class shared_mutex {
 public:
  shared_mutex() noexcept = default;
  ~shared_mutex();
  shared_mutex(shared_mutex const&) = delete;
  shared_mutex& operator=(shared_mutex const&) = delete;

  void lock();
  [[nodiscard]] bool try_lock() noexcept;
  void unlock() noexcept;

  void lock_shared();
  [[nodiscard]] bool try_lock_shared() noexcept;
  void unlock_shared() noexcept;

 private:
  friend struct mutex_access;
  struct waiter;
  void wait(waiter& self, void const* holder);
  [[nodiscard]] waiter* admit_next() noexcept;

  std::atomic<std::uint32_t> spin_{0};  // guards the rest
  bool writing_ = false;
  std::uint32_t readers_ = 0;
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
  std::atomic<void const*> holder_{nullptr};  // an address on the writer's stack
};

}  // namespace mutirao::threads
