#pragma once

#include <cstdint>

#include "mutirao/sim/recording.h"

namespace mutirao::sim {

/// What one simulation of the process came to.
struct ObservedRun {
  Recording* recording = nullptr;  ///< where it records itself; null: nowhere
  std::uint64_t hash = 0;          ///< once it has ended
  std::uint64_t events = 0;
};

/// Sees every simulation that is made in the process, without a word of those who make them: how
/// the tests compare all of theirs with a second run (testing/twice.cc).
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  /// One begins that was given no recording by its maker. What it returns outlives the simulation.
  virtual ObservedRun& begins() = 0;
};

/// For simulations that are made from now on; null: nobody looks. Where they are made is where this
/// may be called: on one thread.
void observe_runs(RunObserver* observer) noexcept;

}  // namespace mutirao::sim
