#pragma once

#include <memory>
#include <string>

#include "mutirao/swarm/swarm.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/world.h"

namespace mutirao::scenario {

inline constexpr std::uint16_t kPeerPort = 6881;
inline constexpr std::string_view kContentFolder = "/data";
inline constexpr std::string_view kStateFolder = "/state";

/// A Swarm on one incarnation of a host, and the thread that serves its peers. Its destructor is
/// the proper end of a node, or the undoing of one whose host has crashed; both park.
class SwarmNode {
 public:
  SwarmNode(world::World& world, swarm::SwarmOptions options);
  ~SwarmNode();
  SwarmNode(SwarmNode const&) = delete;
  SwarmNode& operator=(SwarmNode const&) = delete;

  [[nodiscard]] swarm::Swarm& swarm() noexcept { return *swarm_; }

 private:
  std::unique_ptr<swarm::Swarm> swarm_;
  std::unique_ptr<world::Listener> listener_;
  threads::scope scope_;
};

}  // namespace mutirao::scenario
