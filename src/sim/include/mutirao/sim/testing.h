#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "mutirao/sim/recording.h"
#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

/// What simulated tests share; for tests only.
///
/// Every test that makes a simulation runs twice, without saying so: all its simulations once more
/// in a fresh process, and event by event they must be the same (testing/twice.cc, which is linked
/// into the tests of every module that uses this one).
namespace mutirao::sim {

/// Runs `body` in a simulated network of its own for each seed, as `seeds(count)` says.
inline void for_seeds(std::size_t count,
                      std::function<void(Simulation&, std::uint64_t)> const& body,
                      SimulationOptions options = {}) {
  for (auto const seed : seeds(count)) {
    SCOPED_TRACE(replay_hint(seed));
    options.seed = seed;
    Simulation simulation{options};
    simulation.run([&](Simulation& network) { body(network, seed); });
  }
}

/// For a test that sends what no seed decides, as the keys that a TLS library draws for itself: of
/// what it sends and writes, when, whence and how much are compared, and the content is not. Before
/// its first simulation.
void compare_no_content();

/// For the tests of that comparison itself: runs the present test once more in a fresh process, for
/// one seed; the first difference between what happens in `run` here and there, or nothing. The
/// present test is compared no other way, and in the other process ends with `run`.
[[nodiscard]] std::optional<std::string> difference_in_fresh_process(
    std::uint64_t seed, std::function<void(Recording&)> const& run);

}  // namespace mutirao::sim
