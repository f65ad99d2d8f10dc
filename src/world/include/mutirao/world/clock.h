#pragma once

#include <chrono>

#include "mutirao/base/time.h"

namespace mutirao::world {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Monotonic; equals threads::now().
  [[nodiscard]] virtual TimePoint now() const noexcept = 0;
  /// Civil time, for people and file dates; may jump.
  [[nodiscard]] virtual std::chrono::system_clock::time_point civil() const noexcept = 0;
};

}  // namespace mutirao::world
