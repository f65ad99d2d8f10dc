#include "torrent/peer_book.h"

#include <algorithm>

#include "torrent/peer_priority.h"

namespace mutirao::swarm {

namespace {
constexpr auto kDialRetryFirst = std::chrono::seconds{1};
constexpr auto kDialRetryMax = std::chrono::minutes{10};
constexpr auto kAfterUse = std::chrono::seconds{2};
constexpr std::size_t kBannedMax = 1000;
}  // namespace

void PeerBook::set_own(world::Endpoint ours) {
  if (ours == ours_) return;
  ours_ = ours;
  for (auto& [peer, entry] : peers_) entry.priority = peer_priority(ours_, peer);
}

bool PeerBook::add(world::Endpoint peer, TimePoint now) {
  if (peer.port == 0 || peer.address.is_unspecified() || banned(peer)) return false;
  if (auto const found = peers_.find(peer); found != peers_.end()) return true;
  if (peers_.size() >= kPeersMax) {
    auto const worst = std::ranges::max_element(peers_, {}, [](auto const& each) {
      return each.second.busy ? -1 : static_cast<int>(each.second.failures);
    });
    if (worst->second.busy || worst->second.failures == 0) return false;
    peers_.erase(worst);
  }
  peers_[peer] = Entry{.due = now, .priority = peer_priority(ours_, peer)};
  return true;
}

std::optional<world::Endpoint> PeerBook::next(TimePoint now) {
  auto best = peers_.end();
  for (auto it = peers_.begin(); it != peers_.end(); ++it) {
    auto const& entry = it->second;
    if (!usable(entry) || entry.due > now) continue;
    if (best == peers_.end() || entry.failures < best->second.failures ||
        (entry.failures == best->second.failures && entry.priority > best->second.priority)) {
      best = it;
    }
  }
  if (best == peers_.end()) return std::nullopt;
  best->second.busy = true;
  return best->first;
}

std::optional<TimePoint> PeerBook::next_due() const {
  std::optional<TimePoint> due;
  for (auto const& [peer, entry] : peers_) {
    if (usable(entry) && (!due || entry.due < *due)) due = entry.due;
  }
  return due;
}

void PeerBook::connected(world::Endpoint peer) {
  if (auto const found = peers_.find(peer); found != peers_.end()) found->second.busy = true;
}

void PeerBook::failed(world::Endpoint peer, TimePoint now) {
  auto const found = peers_.find(peer);
  if (found == peers_.end()) return;
  auto& entry = found->second;
  entry.busy = false;
  if (++entry.failures >= kFailuresMax) {
    peers_.erase(found);
    return;
  }
  entry.due = now + std::min<Duration>(kDialRetryFirst * (1u << entry.failures) / 2, kDialRetryMax);
}

void PeerBook::ended(world::Endpoint peer, TimePoint now) {
  auto const found = peers_.find(peer);
  if (found == peers_.end()) return;
  found->second.busy = false;
  found->second.failures = 0;
  found->second.due = now + kAfterUse;
}

void PeerBook::set_seed(world::Endpoint peer, bool seed) {
  if (auto const found = peers_.find(peer); found != peers_.end()) found->second.seed = seed;
}

void PeerBook::ban(world::Endpoint peer) {
  peers_.erase(peer);
  if (banned(peer)) return;
  // A liar comes back from another port. Only on loopback is an address shared by many nodes.
  if (!peer.address.is_loopback()) {
    peer.port = 0;
    std::erase_if(peers_, [&](auto const& each) { return each.first.address == peer.address; });
  }
  if (banned_.size() >= kBannedMax) banned_.erase(banned_.begin());
  banned_.push_back(peer);
}

bool PeerBook::banned(world::Endpoint peer) const {
  return std::ranges::any_of(banned_, [&](world::Endpoint const& each) {
    return each.address == peer.address && (each.port == 0 || each.port == peer.port);
  });
}

void PeerBook::is_own(world::Endpoint peer) { peers_[peer].busy = true; }

}  // namespace mutirao::swarm
