#pragma once

#include <cstddef>

#include "mutirao/threads/mutex.h"

namespace mutirao::threads {

/// A count of permits. acquire() parks until one is free.
class semaphore {
 public:
  explicit semaphore(std::size_t permits) noexcept : permits_{permits} {}
  Result<void> acquire(Deadline deadline = Deadline::never());
  [[nodiscard]] bool try_acquire() noexcept;
  void release(std::size_t count = 1) noexcept;

 private:
  mutex mutex_;
  condition_variable available_;
  std::size_t permits_;
};

}  // namespace mutirao::threads
