#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mutirao/scenario/scenario.h"

namespace mutirao::scenario {

struct FaultEvent {
  Duration at;  ///< since the start of the run
  Duration lasts;
  FaultKind kind;
  std::uint32_t peer;  ///< 0 for faults of the whole run
  std::uint64_t salt;  ///< for choices that belong to this event
};

/// What will go wrong in a run, all of it drawn before it begins.
///
/// Each kind draws for each peer from a stream of its own: a run with fewer peers, or with one kind
/// left out, keeps all other events as they were, which is what lets a failure be made smaller.
struct Timeline {
  std::array<bool, kFaultKinds> on{};  ///< kinds that this seed has
  std::vector<FaultEvent> events;      ///< by time
};

[[nodiscard]] Timeline draw_timeline(Scenario const& scenario, std::uint64_t seed);

/// A stream of randomness that depends on its names only.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t stream, std::uint64_t number) noexcept;
  [[nodiscard]] std::uint64_t next() noexcept;
  /// In [0, 1).
  [[nodiscard]] double fraction() noexcept;
  [[nodiscard]] Duration between(Duration least, Duration most) noexcept;

 private:
  std::uint64_t state_;
};

}  // namespace mutirao::scenario
