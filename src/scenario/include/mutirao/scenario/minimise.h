#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "mutirao/scenario/scenario.h"

namespace mutirao::scenario {

/// A failure as small as it could be made.
struct Minimised {
  Scenario scenario;
  std::uint64_t seed = 0;
  std::string kind;          ///< of the failure, as the probe names it
  std::size_t runs = 0;      ///< that it took
  bool interrupted = false;  ///< it could become smaller still
};

struct MinimiseOptions {
  /// Runs a scenario; the kind of its first failure, empty when it holds, nothing when the run was
  /// interrupted.
  std::function<std::optional<std::string>(Scenario const&, std::uint64_t seed)> probe;
  /// Told of each step that kept the failure.
  std::function<void(Scenario const&, std::uint64_t seed, std::string const& step)> smaller{};
  /// A smaller run is another run: besides its own seed so many further ones are tried.
  std::uint64_t more_seeds = 2;
  std::size_t runs_max = 200;
};

/// Takes away faults, peers, time, bytes and disturbances of the network as long as a failure of
/// the same kind remains. What counts as failing, the limit of the liveness phase, stays. Fails
/// with invalid when the scenario holds with that seed.
[[nodiscard]] Result<Minimised> minimise(Scenario const& scenario, std::uint64_t seed,
                                         MinimiseOptions const& options);

}  // namespace mutirao::scenario
