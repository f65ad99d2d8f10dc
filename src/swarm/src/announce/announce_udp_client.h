#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/net/http_client.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/world/world.h"

#include "announce/announce_udp.h"

namespace mutirao::swarm {

/// Asks UDP trackers: sends again what was lost, after 15 * 2^n seconds (BEP 15, "Time outs"), and
/// keeps a connection id, with the socket that it belongs to, for the minute that it is good for.
///
/// Each exchange has a socket of its own, so that any number of threads ask at the same time
/// without waiting for each other's dead trackers. A tracker with several addresses is asked at the
/// next one when one stays silent.
class UdpTrackerClient {
 public:
  UdpTrackerClient(world::World& world, net::Reach reach, std::optional<world::IpAddress> from);

  struct Target {
    std::string host;
    std::uint16_t port;
    std::string url_data;
  };
  Result<AnnounceAnswer> announce(Target const& target, AnnounceRequest const& request,
                                  Deadline deadline);
  Result<ScrapeAnswer> scrape(Target const& target, Sha1Digest const& info_hash, Deadline deadline);

 private:
  struct Channel {
    world::Endpoint tracker;
    std::unique_ptr<world::DatagramSocket> socket;
    std::uint64_t connection = 0;
    TimePoint connection_until{};  ///< in the past: there is none
    bool from_cache = false;
  };
  struct Answer {
    Bytes datagram;
    bool v6;
  };
  using Question = std::function<Bytes(std::uint64_t connection, std::uint32_t transaction)>;

  Result<Answer> ask(Target const& target, UdpAction action, Question const& question,
                     Deadline deadline);
  Result<std::vector<Channel>> channels_to(Target const& target, Deadline deadline);
  /// Connects first where there is no connection id. `doublings` begins anew once the tracker
  /// proved to be alive.
  Result<Bytes> try_once(Channel& channel, UdpAction action, Question const& question,
                         unsigned& doublings, Deadline deadline);
  [[nodiscard]] Deadline patience(unsigned doublings, Deadline deadline);
  Result<Bytes> exchange(Channel& channel, UdpAction action, Bytes const& question,
                         std::uint32_t transaction, Deadline until);
  Result<Channel> lease(world::Endpoint tracker);
  void give_back(Channel channel);

  world::World& world_;
  net::Reach reach_;
  std::optional<world::IpAddress> from_;
  threads::mutex mutex_;
  std::list<Channel> idle_;  ///< newest first; what has expired is dropped when the next one comes
};

}  // namespace mutirao::swarm
