#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mutirao::sim {

/// The seeds that a test runs over: 1 to `count`. MUTIRAO_SEED=17 replaces them by that one, to
/// replay a failure; MUTIRAO_SEEDS=1000 asks for that many, for a long search.
[[nodiscard]] std::vector<std::uint64_t> seeds(std::size_t count);

/// For the message of a failing test: "replay with MUTIRAO_SEED=17".
[[nodiscard]] std::string replay_hint(std::uint64_t seed);

}  // namespace mutirao::sim
