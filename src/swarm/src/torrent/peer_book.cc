#include "torrent/peer_book.h"

#include <algorithm>
#include <utility>

#include "torrent/peer_priority.h"

namespace mutirao::swarm {

namespace {
constexpr auto kDialRetryFirst = std::chrono::seconds{1};
constexpr auto kDialRetryMax = std::chrono::minutes{10};
constexpr unsigned kDoublingsMax = 10;  // by then it is kDialRetryMax
constexpr auto kAfterUse = std::chrono::seconds{2};
constexpr std::size_t kBannedMax = 1000;
}  // namespace

PeerBook::Entry* PeerBook::find(world::Endpoint const& peer) {
  auto const found = std::ranges::lower_bound(peers_, peer, {}, &Entry::peer);
  return found != peers_.end() && found->peer == peer ? &*found : nullptr;
}

PeerBook::Entry& PeerBook::insert(Entry entry) {
  auto const place = std::ranges::lower_bound(peers_, entry.peer, {}, &Entry::peer);
  return *peers_.insert(place, std::move(entry));
}

void PeerBook::set_own(world::Endpoint ours) {
  if (ours == ours_) return;
  ours_ = ours;
  for (auto& entry : peers_) entry.priority = peer_priority(ours_, entry.peer);
}

bool PeerBook::add(world::Endpoint peer, TimePoint now) {
  if (peer.port == 0 || peer.address.is_unspecified() || banned(peer)) return false;
  if (find(peer) != nullptr) return true;
  if (peers_.size() >= kPeersMax) {
    auto const worst = std::ranges::max_element(peers_, {}, [](Entry const& each) {
      return each.busy ? -1 : static_cast<int>(each.failures);
    });
    if (worst->busy || worst->failures == 0) return false;
    peers_.erase(worst);
  }
  insert({.peer = peer, .due = now, .priority = peer_priority(ours_, peer)});
  quiet_until_ = std::min(quiet_until_, now);
  return true;
}

std::optional<world::Endpoint> PeerBook::next(TimePoint now) {
  if (now < quiet_until_) return std::nullopt;
  Entry* best = nullptr;
  auto earliest = TimePoint::max();
  for (auto& entry : peers_) {
    if (!usable(entry)) continue;
    earliest = std::min(earliest, entry.due);
    if (entry.due > now) continue;
    if (best == nullptr || entry.failures < best->failures ||
        (entry.failures == best->failures && entry.priority > best->priority)) {
      best = &entry;
    }
  }
  quiet_until_ = earliest;
  if (best == nullptr) return std::nullopt;
  best->busy = true;
  return best->peer;
}

std::optional<TimePoint> PeerBook::next_due() const {
  if (quiet_until_ == TimePoint::max()) return std::nullopt;
  return quiet_until_;
}

void PeerBook::connected(world::Endpoint peer) {
  if (auto* const entry = find(peer)) entry->busy = true;
}

void PeerBook::failed(world::Endpoint peer, TimePoint now) {
  auto* const entry = find(peer);
  if (entry == nullptr) return;
  auto const doublings = std::min(entry->failures++, kDoublingsMax);
  free(*entry, now + std::min<Duration>(kDialRetryFirst * (1u << doublings), kDialRetryMax));
}

void PeerBook::ended(world::Endpoint peer, TimePoint now) {
  auto* const entry = find(peer);
  if (entry == nullptr) return;
  entry->failures = 0;
  free(*entry, now + kAfterUse);
}

void PeerBook::free(Entry& entry, TimePoint due) {
  entry.busy = false;
  entry.due = due;
  quiet_until_ = std::min(quiet_until_, due);
}

void PeerBook::set_seed(world::Endpoint peer, bool seed) {
  auto* const entry = find(peer);
  if (entry == nullptr) return;
  entry->seed = seed;
  quiet_until_ = std::min(quiet_until_, entry->due);
}

void PeerBook::skip_seeds(bool skip) noexcept {
  if (skip != std::exchange(skip_seeds_, skip)) quiet_until_ = TimePoint{};
}

void PeerBook::ban(world::Endpoint peer) {
  std::erase_if(peers_, [&](Entry const& each) { return each.peer == peer; });
  if (banned(peer)) return;
  // A liar comes back from another port. Only on loopback is an address shared by many nodes.
  if (!peer.address.is_loopback()) {
    peer.port = 0;
    std::erase_if(peers_, [&](Entry const& each) { return each.peer.address == peer.address; });
  }
  if (banned_.size() >= kBannedMax) banned_.erase(banned_.begin());
  banned_.push_back(peer);
}

bool PeerBook::banned(world::Endpoint peer) const {
  return std::ranges::any_of(banned_, [&](world::Endpoint const& each) {
    return each.address == peer.address && (each.port == 0 || each.port == peer.port);
  });
}

void PeerBook::is_own(world::Endpoint peer) {
  auto* const known = find(peer);
  (known != nullptr ? *known : insert({.peer = peer})).busy = true;
}

}  // namespace mutirao::swarm
