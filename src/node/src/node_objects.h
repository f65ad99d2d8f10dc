#pragma once

#include <functional>

#include "mutirao/base/result.h"
#include "mutirao/middleware/component.h"
#include "mutirao/node/library.h"
#include "mutirao/node/node.h"
#include "mutirao/swarm/swarm.h"

#include "access.h"

namespace mutirao::node {

/// What lies behind the objects of objects.h. All of it outlives the assembly.
struct NodeParts {
  Library& library;
  swarm::Swarm& swarm;
  std::function<NodeStatus()> status;
  std::function<void()> stop;
  std::function<std::vector<ConfigEntry>()> config;
};
/// "keys", of which `access` is what lies behind. A key that is revoked is out at once:
/// `end_those_of` ends what it has open. Both outlive the servant.
[[nodiscard]] std::shared_ptr<middleware::Servant> keys_servant(
    Access& access, std::function<void(net::PublicKey const&)> end_those_of);

/// Each of them as a component.
Result<void> add_components(middleware::Assembly& assembly, NodeParts parts);

}  // namespace mutirao::node
