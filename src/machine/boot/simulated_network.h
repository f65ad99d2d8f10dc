#pragma once

#include <cstdint>
#include <functional>

#include "mutirao/world/world.h"

/// Runs `body` on a host of a simulated network, in virtual time: what happens is decided by the
/// seed alone. At http://server/ (9.9.9.9), behind a road that loses one packet in fifty, there are
/// two million bytes, of which number i is (31 i + i / 251) mod 256.
void run_in_simulated_network(std::uint64_t seed,
                              std::function<void(mutirao::world::World&)> const& body);
