#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/net/http_client.h"
#include "mutirao/swarm/ids.h"
#include "mutirao/world/world.h"

namespace mutirao::swarm {

enum class AnnounceEvent : std::uint8_t { none, completed, started, stopped };  // numbers of BEP 15

struct AnnounceRequest {
  Sha1Digest info_hash{};
  PeerId peer_id{};
  std::uint16_t port = 0;
  std::uint64_t uploaded = 0;  ///< bytes since started
  std::uint64_t downloaded = 0;
  std::uint64_t left = 0;  ///< bytes still missing; 0: a seed
  AnnounceEvent event = AnnounceEvent::none;
  std::uint32_t key = 0;  ///< stays the same when our address changes
  std::uint32_t peers_wanted = 50;
  std::string tracker_id;
};

struct AnnounceAnswer {
  Duration interval{};
  Duration interval_min{};
  std::optional<std::uint32_t> seeds;
  std::optional<std::uint32_t> leeches;
  std::vector<world::Endpoint> peers;  ///< at most 1000, port 0 dropped
  std::string tracker_id;
  std::string warning;
};

struct ScrapeAnswer {
  std::uint32_t seeds = 0;
  std::uint32_t completed = 0;
  std::uint32_t leeches = 0;
};

/// Asks trackers over HTTP(S) (BEP 3, 7, 23, 48) and UDP (BEP 15, 41). Any number of threads.
class TrackerClient {
 public:
  /// `reach` public_only: trackers at internal addresses are refused (see net::Reach).
  TrackerClient(world::World& world, net::HttpClientOptions http);
  ~TrackerClient();
  Result<AnnounceAnswer> announce(std::string const& url, AnnounceRequest const& request,
                                  Deadline deadline);
  Result<ScrapeAnswer> scrape(std::string const& url, Sha1Digest const& info_hash,
                              Deadline deadline);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::swarm
