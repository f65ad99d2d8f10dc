#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "mutirao/swarm/announce.h"
#include "mutirao/swarm/ids.h"
#include "mutirao/swarm/tracker.h"
#include "mutirao/threads/mutex.h"

#include "tracker/tracker_swarm.h"

namespace mutirao::swarm {

/// The torrents that are tracked, in shards with a lock each, so that announces of different
/// torrents do not wait for each other. A torrent is found by what is on the wire: a hybrid one is
/// two swarms, because a peer can be met only with the hash that it announced (BEP 52).
class TrackerRegistry {
 public:
  TrackerRegistry(TrackerOptions const& options, SipKey key, std::uint64_t seed);

  void admit(Sha1Digest const& info_hash);
  void expel(Sha1Digest const& info_hash);
  void set_own(Sha1Digest const& info_hash, std::vector<world::Endpoint> const& endpoints,
               bool seed);

  struct Announced {
    std::uint32_t seeds = 0;
    std::uint32_t leeches = 0;
    std::uint32_t completed = 0;
  };
  /// Records the announce and appends peers: of the asker's family to `peers`, and of the other one
  /// to `peers_other` where that is given. Absent: the torrent is not admitted.
  std::optional<Announced> announce(AnnounceRequest const& request, world::IpAddress const& from,
                                    std::uint32_t now_s, Bytes& peers, Bytes* peers_other);

  [[nodiscard]] std::optional<Announced> counts(Sha1Digest const& info_hash, std::uint32_t now_s);
  /// Peers without our own, each with whether it is a seed.
  struct Peer {
    world::Endpoint endpoint;
    bool seed;
  };
  [[nodiscard]] std::vector<Peer> peers(Sha1Digest const& info_hash, std::uint32_t now_s);
  /// How many of `peers` are not in this swarm.
  [[nodiscard]] Announced count_missing(Sha1Digest const& info_hash,
                                        std::vector<Peer> const& peers);
  [[nodiscard]] std::vector<Sha1Digest> all();

 private:
  static constexpr std::size_t kShards = 64;
  struct Hash {
    std::size_t operator()(Sha1Digest const& digest) const noexcept {
      return base::load_be<std::uint64_t>(digest);
    }
  };
  struct Shard {
    threads::mutex mutex;
    std::unordered_map<Sha1Digest, TrackerSwarm, Hash> swarms;
    PickRandom random{0};
  };
  Shard& shard_of(Sha1Digest const& info_hash) { return shards_[info_hash[19] % kShards]; }
  static Announced counts_of(TrackerSwarm const& swarm);
  [[nodiscard]] std::uint32_t stale_before(std::uint32_t now_s) const noexcept;

  TrackerOptions options_;
  SipKey key_;
  std::array<Shard, kShards> shards_;
};

}  // namespace mutirao::swarm
