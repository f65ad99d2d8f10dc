#pragma once

#include <functional>

#include "mutirao/base/result.h"
#include "mutirao/middleware/object_adapter.h"
#include "mutirao/node/library.h"
#include "mutirao/node/node.h"
#include "mutirao/swarm/swarm.h"

namespace mutirao::node {

/// Offers what lies behind as the objects of objects.h. All of it outlives the adapter's calls.
struct NodeParts {
  Library& library;
  swarm::Swarm& swarm;
  std::function<NodeStatus()> status;
  std::function<void()> stop;
};
Result<void> offer_objects(middleware::ObjectAdapter& objects, NodeParts parts);

}  // namespace mutirao::node
