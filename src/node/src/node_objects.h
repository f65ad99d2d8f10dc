#pragma once

#include <functional>

#include "mutirao/base/result.h"
#include "mutirao/middleware/component.h"
#include "mutirao/node/library.h"
#include "mutirao/node/node.h"
#include "mutirao/swarm/swarm.h"

namespace mutirao::node {

/// What lies behind the objects of objects.h. All of it outlives the assembly.
struct NodeParts {
  Library& library;
  swarm::Swarm& swarm;
  std::function<NodeStatus()> status;
  std::function<void()> stop;
};
/// Each of them as a component.
Result<void> add_components(middleware::Assembly& assembly, NodeParts parts);

}  // namespace mutirao::node
