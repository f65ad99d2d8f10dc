#pragma once

#include <string_view>

#include "mutirao/base/log.h"
#include "mutirao/world/clock.h"
#include "mutirao/world/disk.h"
#include "mutirao/world/entropy.h"
#include "mutirao/world/faults.h"
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

  /// A fault by name, asked for where the code could take a rare path: give up early, wait, make a
  /// batch small, lose a peer. What is asked for must be allowed at any time, for it may come.
  ///
  /// Never true in the real world, where it costs one comparison. In a simulated one each seed
  /// enables some of the names, and those come with that chance: what would take a thousand runs to
  /// happen by itself happens in each. Names are "module.what_happens".
  [[nodiscard]] bool maybe(std::string_view name, double chance) {
    return faults_ != nullptr && faults_->fires(name, chance);
  }

 protected:
  World() = default;
  explicit World(FaultSource& faults) noexcept : faults_{&faults} {}

 private:
  FaultSource* faults_ = nullptr;
};

}  // namespace mutirao::world
