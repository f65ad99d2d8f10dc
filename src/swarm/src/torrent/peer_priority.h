#pragma once

#include <cstdint>

#include "mutirao/world/address.h"

namespace mutirao::swarm {

/// How much two peers should be connected: the same number seen from both ends (BEP 40).
///
/// When everybody keeps the connections that they like for reasons of their own, a swarm clusters
/// and full peers push each other out for ever. With one order that both ends agree on, the graph
/// of connections is random and settles. Dial the highest first; when full, drop the lowest.
[[nodiscard]] std::uint32_t peer_priority(world::Endpoint const& ours,
                                          world::Endpoint const& theirs) noexcept;

}  // namespace mutirao::swarm
