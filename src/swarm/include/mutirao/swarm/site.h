#pragma once

#include <memory>
#include <string>

#include "mutirao/net/http_server.h"
#include "mutirao/swarm/swarm.h"
#include "mutirao/swarm/tracker.h"

namespace mutirao::swarm {

/// The web side of a node that shares: a page that lists what is shared, .torrent files, the files
/// themselves by plain HTTP (also as a web seed, BEP 19), the tracker's announce and scrape, and
/// live figures.
///
///   /                     the page: useful and accessible without JavaScript, live with it
///   /torrents/ID.torrent  metainfo with our tracker and web seed in it
///   /files/NAME/PATH      content with Range and ETag, each byte verified before it is sent
///   /announce, /scrape    the tracker
///   /live                 figures as JSON, and /live/events the same as server-sent events
class Site {
 public:
  /// `swarm` and `tracker` outlive it. `base_url` ("http://host:port") goes into .torrent files and
  /// magnet links; when empty, the Host that the visitor used.
  Site(world::World& world, Swarm& swarm, Tracker& tracker, std::string base_url);
  ~Site();

  Result<void> handle(net::HttpServerRequest const& request, net::HttpResponder& responder);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::swarm
