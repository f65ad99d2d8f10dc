#pragma once

#include <memory>
#include <optional>

#include "mutirao/base/result.h"
#include "mutirao/world/world.h"

#include "state_db.h"

namespace mutirao::node {

struct Ports {
  std::unique_ptr<world::Listener> tcp;
  std::unique_ptr<world::DatagramSocket> udp;  ///< the same number; null when it was not free
};

/// Opens where the node listens. Links name the port, so one that was chosen stays the same from
/// run to run; one that the user named is taken or fails.
[[nodiscard]] Result<Ports> open_ports(world::World& world, std::optional<world::Endpoint> named,
                                       StateDb& db);

}  // namespace mutirao::node
