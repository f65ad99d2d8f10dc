#include "swarm_node.h"

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::scenario {

SwarmNode::SwarmNode(world::World& world, swarm::SwarmOptions options) {
  options.state_folder = kStateFolder;
  options.port = kPeerPort;
  swarm_ = std::make_unique<swarm::Swarm>(world, std::move(options));
  // At any address: its host may get another one.
  auto listener = world.network().listen({world::IpAddress::any(), kPeerPort});
  MUT_ASSERT(listener.has_value());  // nothing else runs on the host
  listener_ = std::move(*listener);
  scope_.spawn("serve", [this] { static_cast<void>(swarm_->serve(*listener_)); },
               {.isolated = true});
}

SwarmNode::~SwarmNode() {
  threads::shield const shield;
  listener_->close();
  scope_.request_stop();
  static_cast<void>(scope_.join());
  swarm_.reset();
}

}  // namespace mutirao::scenario
