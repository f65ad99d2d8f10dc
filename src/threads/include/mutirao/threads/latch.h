#pragma once

#include <cstddef>

#include "mutirao/threads/mutex.h"

namespace mutirao::threads {

/// A count that goes down once, and lets everybody through at zero.
class latch {
 public:
  explicit latch(std::size_t expected) noexcept : left_{expected} {}

  /// By no more than is left.
  void count_down(std::size_t count = 1) noexcept;
  [[nodiscard]] bool try_wait() const noexcept;
  Result<void> wait(Deadline deadline = Deadline::never()) const;
  Result<void> arrive_and_wait(Deadline deadline = Deadline::never());

 private:
  mutable mutex mutex_;
  mutable condition_variable open_;
  std::size_t left_;
};

}  // namespace mutirao::threads
