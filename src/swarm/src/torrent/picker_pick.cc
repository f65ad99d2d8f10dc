#include <algorithm>
#include <limits>
#include <utility>

#include "torrent/picker.h"

// The order in which blocks are chosen for a peer; picker.cc keeps the books.
namespace mutirao::swarm {

namespace {

// A peer that needs longer than this for a piece shares it with others.
constexpr double kAlonePieceMax_s = 10;
// A stripe must be over soon, or half of the torrent lies about half done.
constexpr double kStripeMax_s = 2;
constexpr std::size_t kBegunSlack = 16;
// Of what seeds gave of late: with less from neighbours, seeds are needed for more than our share.
constexpr double kNeighboursEnough = 0.5;
// Reviews in a row that must agree. It is quick to reach out, but not at once, as neighbours have
// nothing to give when all begin together; and slow to draw back, or it would swing.
constexpr std::uint32_t kPoorRounds = 2;
constexpr std::uint32_t kGoodRounds = 8;
// How much of what seeds gave is remembered from one review to the next: more when they were not
// asked for all that they could give.
constexpr double kRemembered = 0.8;
constexpr double kRememberedUnasked = 0.95;
// How much sooner a block must come from the taker than from whom it was asked before.
constexpr double kStealFactor = 2;
constexpr double kStealMargin_s = 0.05;
constexpr std::uint32_t kStealInFlightMax = 4;  // blocks; who has more to do takes nothing over
constexpr std::uint64_t kDuplicateFloor = 2 * kBlockBytes;

}  // namespace

void Picker::pick(PeerSlot slot, std::size_t count, std::vector<Pick>& out,
                  std::function<bool(PieceIndex)> const& only) {
  auto& picking = peer(slot);
  Turn turn{slot, picking, count, out, only};
  if (!wants_.empty()) pick_wants(turn);
  if (picking.wanted == 0) return;
  pick_led(turn);
  if (turn.count > 0) pick_shared(turn, false);
  while (turn.count > 0) {
    auto* const opened = open_for(turn);
    if (opened == nullptr) break;
    // Led pieces together are read in turns; what was just begun joins them.
    pick_led(turn);
  }
  auto const spared = picking.origin && !reaches_all();
  // With enough pieces begun, one that still sends is not held back by us.
  if (spared && !only)
    held_back_ = turn.count > 0 && (reached_ || picking.fresh == 0 || picking.in_flight == 0);
  if (turn.count == 0 || spared) return;
  pick_shared(turn, true);
  if (turn.count > 0) pick_stolen(turn);
}

bool Picker::slow_for(std::uint32_t piece_bytes, Peer const& peer) const {
  // Of a stranger nothing is known: it gets its chance.
  return peer.pace.bytes_per_s > 0 && peer.pace.bytes_per_s * kAlonePieceMax_s < piece_bytes;
}

std::uint32_t Picker::stripe_for(Peer const& peer) const {
  if (options_.stripe <= 1) return 1;
  auto const piece_bytes = std::max(1u, shape_(PieceIndex{0}).size);
  auto const by_pace = peer.pace.bytes_per_s * kStripeMax_s / piece_bytes;
  auto by_supply =
      static_cast<double>(buckets_.size()) / (2.0 * static_cast<double>(peers_.size()));
  if (peer.origin && !reaches_all()) by_supply /= static_cast<double>(neighbours() + 1);
  return static_cast<std::uint32_t>(
      std::clamp(std::min(by_pace, by_supply), 1.0, static_cast<double>(options_.stripe)));
}

bool Picker::may_help(Active const& active, PeerSlot slot, Peer const& peer) const {
  if (active.lead == slot || active.lead == kNobody) return true;
  return !active.solo && !peer.suspect && !this->peer(active.lead).suspect;
}

/// Takes free blocks of the piece, in a row from the first.
void Picker::take_run(Turn& turn, Active& active, std::size_t blocks_max) {
  if (active.lead == kNobody &&
      (active.solo || turn.peer.suspect || !slow_for(active.shape.size, turn.peer))) {
    active.lead = turn.slot;
  }
  auto taking = std::min(turn.count, blocks_max);
  for (; taking > 0 && active.free > 0; ++active.scan) {
    MUT_ASSERT(active.scan < active.blocks.size());
    if (active.blocks[active.scan].state != BlockState::free) continue;
    ask(active, active.scan, turn.slot, turn.peer);
    turn.out.push_back({range_of(PieceIndex{active.piece}, active.scan), std::nullopt});
    --taking;
    --turn.count;
  }
}

void Picker::pick_wants(Turn& turn) {
  for (auto const& [key, want] : wants_) {
    if (have_.test(want.piece) || !turn.allows(want.piece)) continue;
    auto& active = open(want.piece);
    if (active.free == 0 || !may_help(active, turn.slot, turn.peer)) continue;
    auto const end = std::min<std::size_t>(want.end, active.blocks.size());
    for (auto block = want.first; block < end && turn.count > 0; ++block) {
      if (active.blocks[block].state != BlockState::free) continue;
      ask(active, block, turn.slot, turn.peer);
      turn.out.push_back({range_of(PieceIndex{want.piece}, block), std::nullopt});
      --turn.count;
    }
    if (turn.count == 0) return;
  }
}

/// Pieces that it fetches alone: one after the other, the one that is nearest to its end first; or,
/// for hashing in lanes, a stripe of them side by side, each in its turn.
void Picker::pick_led(Turn& turn) {
  auto const stripe = stripe_for(turn.peer);
  while (turn.count > 0) {
    Active* nearest = nullptr;
    Active* next = nullptr;  // after the cursor
    Active* first = nullptr;
    std::uint32_t led = 0;
    for (auto& [piece, active] : active_) {
      if (active.lead != turn.slot || active.free == 0 || !turn.allows(piece)) continue;
      ++led;
      if (first == nullptr) first = &active;
      if (next == nullptr && piece > turn.peer.cursor) next = &active;
      if (nearest == nullptr || active.free < nearest->free) nearest = &active;
    }
    if (led == 0) return;
    if (stripe == 1) {
      take_run(turn, *nearest, turn.count);
      continue;
    }
    auto* const opened =
        led < stripe && first->free < first->blocks.size() ? open_for(turn) : nullptr;
    auto& chosen = opened != nullptr ? *opened : next != nullptr ? *next : *first;
    turn.peer.cursor = chosen.piece;
    take_run(turn, chosen, options_.run_blocks);
  }
}

/// Pieces that somebody has begun: first those that nobody leads, and for a slow peer those whose
/// leader is slow too; in the end (`any_lead`) all.
void Picker::pick_shared(Turn& turn, bool any_lead) {
  if (turn.peer.suspect && any_lead) return;
  for (auto& [piece, active] : active_) {
    if (turn.count == 0) return;
    if (active.free == 0 || !turn.allows(piece) || !may_help(active, turn.slot, turn.peer))
      continue;
    if (turn.peer.suspect && active.here > 0) continue;
    if (!any_lead && active.lead != kNobody) {
      auto const both_slow =
          slow_for(active.shape.size, turn.peer) && slow_for(active.shape.size, peer(active.lead));
      if (!both_slow) continue;
    }
    take_run(turn, active, turn.count);
  }
}

/// Whether at most `reach_` of the neighbours come before us for this piece: by the highest random
/// weight of (piece, name), so that all of them agree without a word.
bool Picker::within_reach(std::uint32_t piece) const {
  auto const weight = [piece](std::uint64_t name) {
    auto z = (name ^ piece * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  };
  auto const own = weight(options_.own_name);
  std::size_t before = 0;
  for (auto const& [slot, each] : peers_) {
    if (!each.origin && weight(each.name) > own && ++before > reach_) return false;
  }
  return true;
}

bool Picker::review(double seconds) {
  auto const given = static_cast<double>(std::exchange(from_neighbours_, 0)) / seconds;
  auto const measured = static_cast<double>(std::exchange(from_origins_, 0)) / seconds;
  seeds_gave_ = std::max(measured, seeds_gave_ * (held_back_ ? kRememberedUnasked : kRemembered));
  auto const poor = held_back_ && given <= seeds_gave_ * kNeighboursEnough;
  poor_rounds_ = poor ? poor_rounds_ + 1 : 0;
  if (poor_rounds_ >= kPoorRounds && !reaches_all()) {
    reach_ = std::min(2 * reach_ + 1, neighbours());
    reached_ = false;
    good_rounds_ = 0;
    return true;
  }
  good_rounds_ = given > seeds_gave_ ? good_rounds_ + 1 : 0;
  if (good_rounds_ >= kGoodRounds) {
    good_rounds_ = 0;
    reach_ /= 2;
  }
  return false;
}

std::uint32_t Picker::open_from_origin(Turn const& turn) {
  if (reached_) return kNoPiece;
  auto const piece = buckets_.find(
      [&](std::uint32_t each) {
        return !neighbour_has(each) && turn.allows(each) && within_reach(each);
      },
      kNoPiece);
  if (piece != kNoPiece) return piece;
  if (reaches_all())
    return buckets_.find([&](std::uint32_t each) { return turn.allows(each); }, kNoPiece);
  reached_ = !turn.only;
  return kNoPiece;
}

Picker::Active* Picker::open_for(Turn& turn) {
  if (turn.peer.fresh == 0) return nullptr;
  // Some room is for seeds alone: what comes from them is what neighbours wait for.
  auto const reserve = options_.stripe + kBegunSlack;
  auto const begun_max = 2 * peers_.size() + reserve;
  if (active_.size() >= begun_max + (turn.peer.origin ? reserve : 0)) return nullptr;
  auto const piece =
      turn.peer.origin
          ? open_from_origin(turn)
          : buckets_.find([&](std::uint32_t each) { return turn.allows(each); }, kNoPiece);
  if (piece == kNoPiece) return nullptr;
  auto& active = open(piece);
  active.lead = turn.slot;
  return &active;
}

/// How long until a peer has sent all that it was asked for.
double Picker::wait_of(Peer const& peer) const noexcept {
  if (peer.snubbed) return std::numeric_limits<double>::infinity();
  if (peer.pace.bytes_per_s <= 0) return peer.pace.latency_s + peer.in_flight;
  return peer.pace.latency_s +
         static_cast<double>(peer.in_flight) * kBlockBytes / peer.pace.bytes_per_s;
}

bool Picker::duplicates_allowed() const noexcept {
  return duplicate_bytes_ + stolen_ * kBlockBytes <
         std::max(options_.total_bytes / 100, kDuplicateFloor);
}

/// Nothing is left to ask: takes over what a slower peer would deliver much later than this one.
void Picker::pick_stolen(Turn& turn) {
  if (turn.peer.pace.bytes_per_s <= 0 || turn.peer.suspect || turn.peer.snubbed) return;
  while (turn.count > 0 && turn.peer.in_flight < kStealInFlightMax && duplicates_allowed()) {
    auto const mine = wait_of(turn.peer) + kBlockBytes / turn.peer.pace.bytes_per_s;
    auto longest = mine * kStealFactor + kStealMargin_s;
    Active* from = nullptr;
    std::uint32_t chosen = 0;
    for (auto& [piece, active] : active_) {
      if (active.solo || active.free + active.here == active.blocks.size() || !turn.allows(piece) ||
          !may_help(active, turn.slot, turn.peer)) {
        continue;
      }
      for (std::uint32_t i = 0; i < active.blocks.size(); ++i) {
        auto const& block = active.blocks[i];
        if (block.state != BlockState::asked || block.second != kNobody ||
            block.first == turn.slot || block.stolen)
          continue;
        auto const wait = wait_of(peer(block.first));
        if (wait < longest) continue;
        longest = wait;
        from = &active;
        chosen = i;
      }
    }
    if (from == nullptr) return;
    auto& block = from->blocks[chosen];
    auto const loser = block.first;
    --peer(loser).in_flight;
    block.first = turn.slot;
    block.stolen = true;
    ++stolen_;
    ++turn.peer.in_flight;
    if (from->lead == loser) from->lead = turn.slot;
    turn.out.push_back({range_of(PieceIndex{from->piece}, chosen), loser});
    --turn.count;
  }
}

bool Picker::take(PeerSlot slot, PieceIndex piece, std::uint32_t index) {
  if (have_.test(piece.value)) return false;
  auto& taking = peer(slot);
  auto& active = open(piece.value);
  if (index >= active.blocks.size() || !may_help(active, slot, taking)) return false;
  auto& block = active.blocks[index];
  if (block.state == BlockState::here) return false;
  if (block.state == BlockState::free) {
    if (active.lead == kNobody && active.solo) active.lead = slot;
    ask(active, index, slot, taking);
    return true;
  }
  if (block.first == slot || block.second != kNobody) return false;
  block.second = slot;
  ++taking.in_flight;
  return true;
}

}  // namespace mutirao::swarm
