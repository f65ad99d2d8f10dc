#include "torrent/choker.h"

#include <algorithm>

#include "mutirao/base/check.h"

namespace mutirao::swarm {
namespace {

using Ranked = std::vector<ChokerPeer const*>;

Ranked interested_only(std::span<ChokerPeer const> peers) {
  Ranked interested;
  for (ChokerPeer const& peer : peers)
    if (peer.interested) interested.push_back(&peer);
  return interested;
}

/// Moves the first `count` from `waiting` to `picked`.
void take_front(Ranked& waiting, std::size_t count, std::vector<ConnectionId>& picked) {
  count = std::min(count, waiting.size());
  for (std::size_t i = 0; i < count; ++i) picked.push_back(waiting[i]->id);
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
}

void take_one(Ranked& waiting, Ranked::iterator which, std::vector<ConnectionId>& picked) {
  picked.push_back((*which)->id);
  waiting.erase(which);
}

/// Fastest first. At equal rates who has a slot keeps it, else two idle peers would trade places
/// every round; among the rest the order of connecting decides.
template <class Rate>
void rank_by(Ranked& peers, Rate rate) {
  std::ranges::sort(peers, [&](ChokerPeer const* a, ChokerPeer const* b) {
    if (rate(*a) != rate(*b)) return rate(*a) > rate(*b);
    if (a->unchoked != b->unchoked) return a->unchoked;
    return a->id < b->id;
  });
}

}  // namespace

TitForTat::TitForTat(Options options, world::Entropy& entropy)
    : options_{options}, entropy_{entropy} {
  MUT_ASSERT(options_.unchoked_max >= 2 && options_.newcomer_weight >= 1);
}

std::vector<ConnectionId> TitForTat::pick(std::span<ChokerPeer const> peers, bool seeding,
                                          TimePoint now) {
  forget_absent(peers);
  Ranked waiting = interested_only(peers);
  std::vector<ConnectionId> picked;
  picked.reserve(options_.unchoked_max);
  if (seeding) {
    optimistic_.reset();
    take_fastest_and_turns(waiting, picked, now);
  } else {
    turns_.clear();
    take_best_givers(waiting, picked);
    take_optimistic(waiting, picked, now);
  }
  MUT_ASSERT(picked.size() <= options_.unchoked_max);
  return picked;
}

void TitForTat::take_best_givers(Ranked& waiting, std::vector<ConnectionId>& picked) const {
  // Who snubs us may still get the optimistic slot: it is how a quarrel ends (BEP 3).
  Ranked givers, snubbing;
  for (ChokerPeer const* peer : waiting) (peer->snubbed ? snubbing : givers).push_back(peer);
  rank_by(givers, [](ChokerPeer const& peer) { return peer.bytes_per_s_from; });
  take_front(givers, options_.unchoked_max - 1, picked);
  waiting = std::move(givers);
  waiting.insert(waiting.end(), snubbing.begin(), snubbing.end());
}

void TitForTat::take_optimistic(Ranked& waiting, std::vector<ConnectionId>& picked, TimePoint now) {
  auto const current = std::ranges::find_if(
      waiting, [&](ChokerPeer const* peer) { return peer->id == optimistic_; });
  if (current != waiting.end() && now - optimistic_since_ < options_.optimistic_interval)
    return take_one(waiting, current, picked);
  // It had its time, left, or earned a slot of its own: the next one. Not the same again while
  // somebody else waits.
  if (current != waiting.end() && waiting.size() > 1) waiting.erase(current);
  optimistic_.reset();
  if (waiting.empty()) return;

  auto const weight = [&](ChokerPeer const* peer) -> std::uint64_t {
    return now - peer->connected_at < options_.newcomer_age ? options_.newcomer_weight : 1;
  };
  std::uint64_t total = 0;
  for (ChokerPeer const* peer : waiting) total += weight(peer);
  std::uint64_t drawn = entropy_.below(total);
  auto chosen = waiting.begin();
  while (drawn >= weight(*chosen)) drawn -= weight(*chosen++);
  optimistic_ = (*chosen)->id;
  optimistic_since_ = now;
  take_one(waiting, chosen, picked);
}

void TitForTat::take_fastest_and_turns(Ranked& waiting, std::vector<ConnectionId>& picked,
                                       TimePoint now) {
  rank_by(waiting, [](ChokerPeer const& peer) { return peer.bytes_per_s_to; });
  take_front(waiting, options_.unchoked_max / 2, picked);
  for (ConnectionId const fastest : picked) turns_[fastest] = {now, false};

  // The rest by turns: who is in the middle of one finishes it, then who waited longest. Waiting
  // counts from the beginning of the last turn, or from the connection.
  auto const began = [&](ChokerPeer const* peer) {
    auto const turn = turns_.find(peer->id);
    return turn == turns_.end() ? peer->connected_at : turn->second.began;
  };
  auto const in_turn = [&](ChokerPeer const* peer) {
    auto const turn = turns_.find(peer->id);
    return turn != turns_.end() && turn->second.running &&
           now - turn->second.began < options_.seeding_turn;
  };
  std::ranges::sort(waiting, [&](ChokerPeer const* a, ChokerPeer const* b) {
    if (in_turn(a) != in_turn(b)) return in_turn(a);
    if (began(a) != began(b)) return began(a) < began(b);
    return a->id < b->id;
  });
  std::size_t const slots = std::min(waiting.size(), options_.unchoked_max - picked.size());
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (i >= slots) {
      if (auto const turn = turns_.find(waiting[i]->id); turn != turns_.end())
        turn->second.running = false;
    } else if (!in_turn(waiting[i])) {
      turns_[waiting[i]->id] = {now, true};
    }
  }
  take_front(waiting, slots, picked);
}

void TitForTat::forget_absent(std::span<ChokerPeer const> peers) {
  auto const present = [&](ConnectionId id) {
    return std::ranges::find(peers, id, &ChokerPeer::id) != peers.end();
  };
  std::erase_if(turns_, [&](auto const& turn) { return !present(turn.first); });
  if (optimistic_ && !present(*optimistic_)) optimistic_.reset();
}

std::vector<ConnectionId> Cooperative::pick(std::span<ChokerPeer const> peers, bool, TimePoint) {
  Ranked waiting = interested_only(peers);
  std::ranges::sort(waiting, [](ChokerPeer const* a, ChokerPeer const* b) {
    if (a->unchoked != b->unchoked) return a->unchoked;
    if (a->connected_at != b->connected_at) return a->connected_at < b->connected_at;
    return a->id < b->id;
  });
  std::vector<ConnectionId> picked;
  take_front(waiting, unchoked_max_, picked);
  return picked;
}

}  // namespace mutirao::swarm
