#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/net/http_server.h"
#include "mutirao/swarm/announce.h"
#include "mutirao/world/world.h"

namespace mutirao::swarm {

struct TrackerOptions {
  Duration interval = std::chrono::minutes{30};
  Duration interval_min = std::chrono::seconds{30};
  std::size_t peers_per_torrent_max = 100'000;
  std::size_t peers_per_answer_max = 50;
};

/// Tells peers of a torrent about each other: a tracker over HTTP (BEP 3, 7, 23, 48) and UDP (BEP 15,
/// 41).
///
/// Closed: only torrents that were admitted are tracked. UDP connection ids are a keyed hash of
/// address and time, so that a forged source gets nothing larger than its own question and the
/// tracker keeps no state for it. Any number of threads.
class Tracker {
 public:
  Tracker(world::World& world, TrackerOptions options);
  ~Tracker();

  void admit(InfoHash const& torrent);
  void expel(InfoHash const& torrent);

  /// Answers /announce and /scrape; another path is not touched and gives false.
  Result<bool> handle(net::HttpServerRequest const& request, net::HttpResponder& responder);
  /// Serves BEP 15 until the socket is closed or the thread is asked to stop.
  Result<void> serve_udp(world::DatagramSocket& socket);

  struct Counts {
    std::uint32_t seeds = 0;
    std::uint32_t leeches = 0;
    std::uint32_t completed = 0;
  };
  [[nodiscard]] Counts counts(InfoHash const& torrent) const;
  /// For a node that shares through its own tracker: it needs no announce to know its peers.
  [[nodiscard]] std::vector<world::Endpoint> peers(InfoHash const& torrent) const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::swarm
