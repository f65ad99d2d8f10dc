#pragma once

#include <optional>
#include <vector>

#include "mutirao/node/config.h"

namespace mutirao::node {

/// The configuration as data, with what the node chose where it was free to.
[[nodiscard]] std::vector<ConfigEntry> config_entries(NodeConfig const& config,
                                                      world::Endpoint listens,
                                                      std::optional<world::Endpoint> control);

}  // namespace mutirao::node
