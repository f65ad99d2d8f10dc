#pragma once

#include <cstdint>
#include <random>

namespace soak {

using Random = std::mt19937_64;

/// A number below `end`.
[[nodiscard]] std::uint64_t below(Random& random, std::uint64_t end);

/// What all threads of a round share.
struct Garden {
  int file = -1;
};

/// One random piece of work: waits, sockets that are closed under their reader, files, blocking
/// calls announced and not, exceptions carried across waits, channels, and threads that do the same
/// one level down. Ends early, without complaint, when its thread is asked to stop.
void do_chore(Garden& garden, std::uint64_t seed, int depth);

}  // namespace soak
