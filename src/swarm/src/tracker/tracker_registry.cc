#include "tracker/tracker_registry.h"

#include <algorithm>
#include <mutex>

namespace mutirao::swarm {

TrackerRegistry::TrackerRegistry(TrackerOptions const& options, SipKey key, std::uint64_t seed)
    : options_{options}, key_{key} {
  for (auto& shard : shards_) shard.random = PickRandom{seed++};
}

void TrackerRegistry::admit(Sha1Digest const& info_hash) {
  auto& shard = shard_of(info_hash);
  std::lock_guard const lock{shard.mutex};
  shard.swarms.try_emplace(info_hash);
}

void TrackerRegistry::expel(Sha1Digest const& info_hash) {
  auto& shard = shard_of(info_hash);
  std::lock_guard const lock{shard.mutex};
  shard.swarms.erase(info_hash);
}

void TrackerRegistry::set_own(Sha1Digest const& info_hash,
                              std::vector<world::Endpoint> const& endpoints, bool seed) {
  auto& shard = shard_of(info_hash);
  std::lock_guard const lock{shard.mutex};
  auto const found = shard.swarms.find(info_hash);
  if (found != shard.swarms.end()) found->second.set_own(endpoints, seed);
}

std::optional<TrackerRegistry::Announced> TrackerRegistry::announce(AnnounceRequest const& request,
                                                                    world::IpAddress const& from,
                                                                    std::uint32_t now_s,
                                                                    Bytes& peers,
                                                                    Bytes* peers_other) {
  auto& shard = shard_of(request.info_hash);
  std::lock_guard const lock{shard.mutex};
  auto const found = shard.swarms.find(request.info_hash);
  if (found == shard.swarms.end()) return std::nullopt;
  auto& swarm = found->second;

  swarm.expire(stale_before(now_s), now_s, key_);
  world::Endpoint const asker{from, request.port};
  bool const stopped = request.event == AnnounceEvent::stopped;
  // Port 0: listens nowhere, so nobody is told of it, but it may ask.
  if (request.port != 0) {
    swarm.update({.peer = asker,
                  .seed = request.left == 0,
                  .stopped = stopped,
                  .completed = request.event == AnnounceEvent::completed},
                 now_s, options_.peers_per_torrent_max, key_);
  }
  if (!stopped) {
    auto const wanted = std::min<std::size_t>(request.peers_wanted, options_.peers_per_answer_max);
    // aria2 says that nothing is left while it has but a magnet and looks for who has the metadata.
    auto const knows_content = request.uploaded + request.downloaded > 0;
    TrackerSwarm::Wish wish{.asker = asker,
                            .seed = knows_content && request.left == 0,
                            .v6 = !from.is_v4(),
                            .wanted = wanted};
    swarm.pick(wish, shard.random, peers);
    wish.v6 = !wish.v6;
    if (peers_other != nullptr) swarm.pick(wish, shard.random, *peers_other);
  }
  return counts_of(swarm);
}

std::optional<TrackerRegistry::Announced> TrackerRegistry::counts(Sha1Digest const& info_hash,
                                                                  std::uint32_t now_s) {
  auto& shard = shard_of(info_hash);
  std::lock_guard const lock{shard.mutex};
  auto const found = shard.swarms.find(info_hash);
  if (found == shard.swarms.end()) return std::nullopt;
  found->second.expire(stale_before(now_s), now_s, key_);
  return counts_of(found->second);
}

std::vector<TrackerRegistry::Peer> TrackerRegistry::peers(Sha1Digest const& info_hash,
                                                          std::uint32_t now_s) {
  std::vector<Peer> out;
  auto& shard = shard_of(info_hash);
  std::lock_guard const lock{shard.mutex};
  auto const found = shard.swarms.find(info_hash);
  if (found == shard.swarms.end()) return out;
  found->second.expire(stale_before(now_s), now_s, key_);
  out.reserve(found->second.size());
  found->second.each(
      [&](world::Endpoint const& endpoint, bool seed) { out.push_back({endpoint, seed}); });
  return out;
}

TrackerRegistry::Announced TrackerRegistry::count_missing(Sha1Digest const& info_hash,
                                                          std::vector<Peer> const& peers) {
  Announced missing;
  auto& shard = shard_of(info_hash);
  std::lock_guard const lock{shard.mutex};
  auto const found = shard.swarms.find(info_hash);
  for (auto const& peer : peers) {
    if (found != shard.swarms.end() && found->second.contains(peer.endpoint, key_)) continue;
    ++(peer.seed ? missing.seeds : missing.leeches);
  }
  return missing;
}

std::vector<Sha1Digest> TrackerRegistry::all() {
  std::vector<Sha1Digest> out;
  for (auto& shard : shards_) {
    std::lock_guard const lock{shard.mutex};
    for (auto const& [info_hash, swarm] : shard.swarms) out.push_back(info_hash);
  }
  return out;
}

TrackerRegistry::Announced TrackerRegistry::counts_of(TrackerSwarm const& swarm) {
  Announced counts{.seeds = static_cast<std::uint32_t>(swarm.seeds()),
                   .leeches = static_cast<std::uint32_t>(swarm.size() - swarm.seeds()),
                   .completed = swarm.completed()};
  if (swarm.has_own()) ++(swarm.own_is_seed() ? counts.seeds : counts.leeches);
  return counts;
}

std::uint32_t TrackerRegistry::stale_before(std::uint32_t now_s) const noexcept {
  auto const life = 2 * std::chrono::duration_cast<std::chrono::seconds>(options_.interval).count();
  return now_s > life ? static_cast<std::uint32_t>(now_s - life) : 0;
}

}  // namespace mutirao::swarm
