#include "torrent/picker.h"

#include <algorithm>
#include <limits>

namespace mutirao::swarm {

Picker::Picker(std::uint32_t piece_count, std::function<Shape(PieceIndex)> shape, Options options)
    : shape_{std::move(shape)},
      options_{options},
      have_{piece_count},
      priority_(piece_count, 4),
      availability_(piece_count, 0),
      missing_{piece_count},
      buckets_{piece_count, options.seed} {
  for (std::uint32_t piece = 0; piece < piece_count; ++piece) shelve(piece);
}

// --------------------------------------------------------------------------------- what we have

void Picker::set_have(PieceIndex piece) {
  if (have_.test(piece.value)) return;
  if (missing_piece(piece.value)) {
    --missing_;
    count_wanted(piece.value, -1);
  }
  if (begun(piece)) close(piece.value);
  unshelve(piece.value);
  solo_.erase(piece.value);
  have_.set(piece.value);
}

void Picker::set_missing(PieceIndex piece) {
  if (begun(piece)) close(piece.value);
  if (have_.reset(piece.value) && wanted(piece)) {
    ++missing_;
    count_wanted(piece.value, 1);
  }
  shelve(piece.value);
}

void Picker::set_block_have(PieceIndex piece, std::uint32_t block) {
  if (have_.test(piece.value)) return;
  auto& active = open(piece.value);
  if (block >= active.blocks.size() || active.blocks[block].state != BlockState::free) return;
  active.blocks[block].state = BlockState::here;
  --active.free;
  ++active.here;
}

void Picker::set_priority(PieceIndex piece, std::optional<std::uint8_t> priority) {
  auto const before = missing_piece(piece.value);
  auto const value =
      priority ? std::min<std::uint8_t>(*priority, PieceBuckets::kPriorities - 1) : kUnwanted;
  if (value == priority_[piece.value]) return;
  unshelve(piece.value);
  priority_[piece.value] = value;
  auto const after = missing_piece(piece.value);
  if (before != after) {
    missing_ += after ? 1 : -1;
    count_wanted(piece.value, after ? 1 : -1);
  }
  shelve(piece.value);
}

// ---------------------------------------------------------------------------------------- peers

Picker::Peer& Picker::peer(PeerSlot slot) {
  auto const found = peers_.find(slot);
  MUT_ASSERT(found != peers_.end());
  return found->second;
}

Picker::Peer const& Picker::peer(PeerSlot slot) const {
  return const_cast<Picker*>(this)->peer(slot);
}

PeerSlot Picker::join(std::uint64_t name) {
  auto const slot = next_slot_++;
  peers_[slot].name = name;
  peers_[slot].pieces = Bitfield{have_.size()};
  return slot;
}

std::vector<PieceIndex> Picker::leave(PeerSlot slot) {
  auto& leaving = peer(slot);
  reached_ = false;
  if (leaving.origin) --origins_;
  if (leaving.all) {
    --seeds_;
  } else {
    for (std::uint32_t piece = 0; piece < have_.size(); ++piece) {
      if (!leaving.pieces.test(piece)) continue;
      --availability_[piece];
      changed_availability(piece);
    }
  }
  std::vector<PieceIndex> anew;
  std::vector<std::uint32_t> touched;
  for (auto& [piece, active] : active_) {
    for (std::uint32_t i = 0; i < active.blocks.size(); ++i) {
      auto& block = active.blocks[i];
      if (block.state == BlockState::asked && forget_asked(block, slot) && block.first == kNobody)
        free_block(active, i);
    }
    if (active.lead == slot) {
      active.lead = kNobody;
      if (active.solo && active.here > 0) anew.push_back(PieceIndex{piece});
    }
    touched.push_back(piece);
  }
  for (auto const piece : anew) begin_anew(piece);
  peers_.erase(slot);
  for (auto const piece : touched) shelve_if_untouched(piece);
  return anew;
}

void Picker::peer_has(PeerSlot slot, PieceIndex piece) {
  auto& owner = peer(slot);
  if (owner.all || !owner.pieces.set(piece.value)) return;
  if (owner.pieces.all()) {
    // It is a seed now: counted once for all pieces instead of in each.
    for (std::uint32_t i = 0; i < have_.size(); ++i) {
      if (i != piece.value) --availability_[i];
    }
    owner.all = true;
    ++seeds_;
    for (std::uint32_t i = 0; i < have_.size(); ++i) changed_availability(i);
  } else {
    ++availability_[piece.value];
    changed_availability(piece.value);
  }
  if (missing_piece(piece.value)) ++owner.wanted;
  if (buckets_.contains(piece.value)) ++owner.fresh;
}

void Picker::peer_has(PeerSlot slot, Bitfield const& pieces) {
  if (pieces.all()) return peer_has_all(slot);
  for (std::uint32_t piece = 0; piece < have_.size(); ++piece) {
    if (pieces.test(piece)) peer_has(slot, PieceIndex{piece});
  }
}

void Picker::peer_has_all(PeerSlot slot) {
  auto& owner = peer(slot);
  if (owner.all) return;
  owner.all = true;
  ++seeds_;
  owner.origin = owner.pieces.none();
  if (owner.origin) {
    ++origins_;
    // One neighbour less: what was left to it is ours to fetch.
    reached_ = false;
  }
  for (std::uint32_t piece = 0; owner.pieces.count() > 0 && piece < have_.size(); ++piece) {
    if (!owner.pieces.test(piece)) continue;
    --availability_[piece];
    changed_availability(piece);
  }
  owner.pieces.set_all();
  owner.wanted = missing_;
  owner.fresh = static_cast<std::uint32_t>(buckets_.size());
}

bool Picker::peer_has_piece(PeerSlot slot, PieceIndex piece) const {
  return has(peer(slot), piece.value);
}
std::uint32_t Picker::peer_count(PeerSlot slot) const {
  return static_cast<std::uint32_t>(peer(slot).pieces.count());
}
bool Picker::interesting(PeerSlot slot) const { return peer(slot).wanted > 0; }
void Picker::set_pace(PeerSlot slot, Pace pace) { peer(slot).pace = pace; }
void Picker::set_snubbed(PeerSlot slot, bool snubbed) { peer(slot).snubbed = snubbed; }
void Picker::set_suspect(PeerSlot slot, bool suspect) { peer(slot).suspect = suspect; }

std::pair<std::optional<PieceIndex>, std::uint32_t> Picker::unavailable() const {
  std::pair<std::optional<PieceIndex>, std::uint32_t> result{std::nullopt, 0};
  if (seeds_ > 0) return result;
  for (std::uint32_t piece = 0; piece < have_.size(); ++piece) {
    if (!missing_piece(piece) || availability_[piece] > 0) continue;
    if (!result.first) result.first = PieceIndex{piece};
    ++result.second;
  }
  return result;
}

// ------------------------------------------------------------------------- pieces, begun and not

void Picker::count_wanted(std::uint32_t piece, std::int32_t change) {
  for (auto& [slot, each] : peers_) {
    if (has(each, piece)) each.wanted += static_cast<std::uint32_t>(change);
  }
}

void Picker::shelve(std::uint32_t piece) {
  if (!missing_piece(piece) || active_.contains(piece) || buckets_.contains(piece)) return;
  buckets_.insert(piece, priority_[piece], availability_[piece]);
  reached_ = false;
  for (auto& [slot, each] : peers_) {
    if (has(each, piece)) ++each.fresh;
  }
}

void Picker::unshelve(std::uint32_t piece) {
  if (!buckets_.contains(piece)) return;
  buckets_.erase(piece);
  for (auto& [slot, each] : peers_) {
    if (has(each, piece)) --each.fresh;
  }
}

void Picker::changed_availability(std::uint32_t piece) {
  if (buckets_.contains(piece)) buckets_.move(piece, priority_[piece], availability_[piece]);
}

Picker::Active& Picker::open(std::uint32_t piece) {
  if (auto const found = active_.find(piece); found != active_.end()) return found->second;
  unshelve(piece);
  auto& active = active_[piece];
  active.piece = piece;
  active.shape = shape_(PieceIndex{piece});
  active.blocks.resize((active.shape.content + kBlockBytes - 1) / kBlockBytes);
  active.free = static_cast<std::uint32_t>(active.blocks.size());
  active.solo = solo_.contains(piece);
  return active;
}

void Picker::close(std::uint32_t piece) {
  auto const found = active_.find(piece);
  for (auto& block : found->second.blocks) {
    if (block.stolen) --stolen_;
    if (block.state != BlockState::asked) continue;
    for (auto const slot : {block.first, block.second}) {
      if (slot != kNobody) --peer(slot).in_flight;
    }
  }
  active_.erase(found);
}

Picker::Active* Picker::find_active(PieceIndex piece) {
  auto const found = active_.find(piece.value);
  return found == active_.end() ? nullptr : &found->second;
}
Picker::Active const* Picker::find_active(PieceIndex piece) const {
  return const_cast<Picker*>(this)->find_active(piece);
}

void Picker::shelve_if_untouched(std::uint32_t piece) {
  auto const* active = find_active(PieceIndex{piece});
  if (active == nullptr || active->free != active->blocks.size()) return;
  active_.erase(piece);
  shelve(piece);
}

void Picker::ask(Active& active, std::uint32_t block, PeerSlot slot, Peer& asked) {
  auto& entry = active.blocks[block];
  MUT_ASSERT(entry.state == BlockState::free);
  entry.state = BlockState::asked;
  entry.first = slot;
  --active.free;
  ++asked.in_flight;
}

/// True when the peer had been asked for it.
bool Picker::forget_asked(Block& block, PeerSlot slot) {
  if (block.first == slot) {
    block.first = block.second;
  } else if (block.second != slot) {
    return false;
  }
  block.second = kNobody;
  --peer(slot).in_flight;
  return true;
}

void Picker::free_block(Active& active, std::uint32_t block) {
  auto& entry = active.blocks[block];
  if (entry.stolen) --stolen_;
  entry = Block{};
  ++active.free;
  active.scan = std::min(active.scan, block);
}

// -------------------------------------------------------------------------- what became of it

Picker::Arrival Picker::arrived(PeerSlot slot, BlockRange range, std::vector<PeerSlot>& others) {
  auto* const active = find_active(range.piece);
  if (active == nullptr) {
    if (!have_.test(range.piece.value)) return Arrival::unknown;
    duplicate_bytes_ += range.length;
    return Arrival::duplicate;
  }
  auto const index = range.begin / kBlockBytes;
  if (index >= active->blocks.size() || range != range_of(range.piece, index))
    return Arrival::unknown;
  auto& block = active->blocks[index];
  if (block.state == BlockState::here) {
    duplicate_bytes_ += range.length;
    return Arrival::duplicate;
  }
  if (active->solo && active->lead != slot) return Arrival::unknown;
  for (auto const asked : {block.first, block.second}) {
    if (asked == kNobody) continue;
    --peer(asked).in_flight;
    if (asked != slot) others.push_back(asked);
  }
  if (block.stolen) --stolen_;
  if (block.state == BlockState::free) --active->free;
  (peer(slot).origin ? from_origins_ : from_neighbours_) += range.length;
  block = Block{.state = BlockState::here, .stolen = false, .first = slot, .second = kNobody};
  ++active->here;
  return Arrival::wanted;
}

void Picker::give_back(PeerSlot slot, BlockRange range) {
  auto* const active = find_active(range.piece);
  auto const index = range.begin / kBlockBytes;
  if (active == nullptr || index >= active->blocks.size()) return;
  auto& block = active->blocks[index];
  if (block.state != BlockState::asked || !forget_asked(block, slot) || block.first != kNobody)
    return;
  free_block(*active, index);
  shelve_if_untouched(range.piece.value);
}

bool Picker::complete(PieceIndex piece) const {
  auto const* active = find_active(piece);
  return active != nullptr && active->here == active->blocks.size();
}

void Picker::begin_anew(PieceIndex piece) {
  if (begun(piece)) close(piece.value);
  solo_.insert(piece.value);
  shelve(piece.value);
}

void Picker::lose_block(PieceIndex piece, std::uint32_t block) {
  auto* const active = find_active(piece);
  if (active == nullptr || block >= active->blocks.size() ||
      active->blocks[block].state != BlockState::here)
    return;
  --active->here;
  free_block(*active, block);
}

// -------------------------------------------------------------------------------------- queries

Picker::BlockState Picker::block_state(PieceIndex piece, std::uint32_t block) const {
  if (have_.test(piece.value)) return BlockState::here;
  auto const* active = find_active(piece);
  return active == nullptr || block >= active->blocks.size() ? BlockState::free
                                                             : active->blocks[block].state;
}

std::vector<PeerSlot> Picker::asked_from(PieceIndex piece, std::uint32_t block) const {
  std::vector<PeerSlot> slots;
  auto const* active = find_active(piece);
  if (active == nullptr || block >= active->blocks.size() ||
      active->blocks[block].state != BlockState::asked)
    return slots;
  for (auto const slot : {active->blocks[block].first, active->blocks[block].second}) {
    if (slot != kNobody) slots.push_back(slot);
  }
  return slots;
}

std::uint32_t Picker::blocks_in(PieceIndex piece) const {
  return (shape_(piece).content + kBlockBytes - 1) / kBlockBytes;
}

BlockRange Picker::range_of(PieceIndex piece, std::uint32_t block) const {
  auto const* active = find_active(piece);
  auto const size = active != nullptr ? active->shape.size : shape_(piece).size;
  auto const begin = block * kBlockBytes;
  MUT_ASSERT(begin < size);
  return {piece, begin, std::min(kBlockBytes, size - begin)};
}

Picker::WantId Picker::add_want(PieceIndex piece, std::uint32_t first_block,
                                std::uint32_t end_block, Deadline deadline, std::uint8_t priority) {
  auto const id = next_want_++;
  wants_.emplace(WantKey{deadline.when(), static_cast<std::uint8_t>(255 - priority), id},
                 Want{piece.value, first_block, end_block});
  return id;
}

void Picker::remove_want(WantId id) {
  std::erase_if(wants_, [&](auto const& entry) { return std::get<WantId>(entry.first) == id; });
}

}  // namespace mutirao::swarm
