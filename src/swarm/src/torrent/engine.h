#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "mutirao/net/http_client.h"
#include "mutirao/swarm/announce.h"
#include "mutirao/swarm/swarm.h"
#include "mutirao/world/world.h"

#include "protocol/rate_limit.h"

namespace mutirao::swarm {

/// What all torrents of one node share. Outlives them.
struct Engine {
  Engine(world::World& world, SwarmOptions options);

  world::World& world;
  SwarmOptions const options;
  PeerId peer_id;     ///< drawn anew at each start
  std::uint32_t key;  ///< tells trackers that we are who we were, after a change of address
  RateLimit upload;
  RateLimit download;
  net::HttpClient http;  ///< for web seeds, which torrents name
  TrackerClient trackers;
  TrackerClient trackers_trusted;  ///< for those that the user named: may be internal
  std::atomic<std::size_t> connections{0};
};

/// One of the node's connections, counted; empty when there are too many.
class ConnectionPermit {
 public:
  explicit ConnectionPermit(Engine& engine) noexcept : engine_{engine} {
    granted_ = engine.connections.fetch_add(1) < engine.options.connections_max;
  }
  ~ConnectionPermit() { engine_.connections.fetch_sub(1); }
  ConnectionPermit(ConnectionPermit const&) = delete;
  ConnectionPermit& operator=(ConnectionPermit const&) = delete;
  explicit operator bool() const noexcept { return granted_; }

 private:
  Engine& engine_;
  bool granted_;
};

}  // namespace mutirao::swarm
