#pragma once

#include "mutirao/base/log.h"
#include "mutirao/world/clock.h"
#include "mutirao/world/disk.h"
#include "mutirao/world/entropy.h"
#include "mutirao/world/network.h"

namespace mutirao::world {

/// Everything outside the program, as one node sees it.
///
/// Nothing above this seam calls the operating system. A node takes a `World&` and gets time,
/// network, disk and randomness from it as plain blocking calls that park the calling user thread.
/// In the real one they reach the kernel; in a simulated one (`sim`) thousands of nodes share one
/// process and virtual time, and a run is a pure function of its seed.
class World {
 public:
  virtual ~World() = default;
  [[nodiscard]] virtual Clock& clock() noexcept = 0;
  [[nodiscard]] virtual Network& network() noexcept = 0;
  [[nodiscard]] virtual Disk& disk() noexcept = 0;
  [[nodiscard]] virtual Entropy& entropy() noexcept = 0;
  [[nodiscard]] virtual base::Log& log() noexcept = 0;
};

}  // namespace mutirao::world
