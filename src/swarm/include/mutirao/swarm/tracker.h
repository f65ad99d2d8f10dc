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
  /// Of one source address (IPv6: one /64), HTTP and UDP together; 0: no limit.
  double announces_per_source_per_s = 20;
  double announces_per_source_burst = 400;
};

/// Tells peers of a torrent about each other: a tracker over HTTP (BEP 3, 7, 23, 48) and UDP (BEP
/// 15, 41).
///
/// Closed: only torrents that were admitted are tracked. A peer is known by the address that it
/// asks from and the port that it names; what it says of its address is ignored. It hears only of
/// peers that it can reach: loopback addresses are told to loopback, private ones to private ones.
/// Who is silent for two intervals is forgotten. UDP connection ids are a keyed hash of address and
/// time, so that a forged source gets nothing larger than its own question and the tracker keeps no
/// state for it. Any number of threads.
class Tracker {
 public:
  Tracker(world::World& world, TrackerOptions options);
  ~Tracker();

  void admit(InfoHash const& torrent);
  void expel(InfoHash const& torrent);
  /// Where this node itself serves an admitted torrent: at most 16 endpoints, told to every peer
  /// that can reach them, never forgotten. A node can't announce to itself with an address that
  /// others could use, so it says it here. Empty: it serves the torrent no longer.
  void serve_here(InfoHash const& torrent, std::vector<world::Endpoint> const& at, bool seed);

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
  /// Without those of serve_here().
  [[nodiscard]] std::vector<world::Endpoint> peers(InfoHash const& torrent) const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::swarm
