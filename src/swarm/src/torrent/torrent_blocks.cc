#include <algorithm>

#include "mutirao/base/check.h"
#include "mutirao/swarm/merkle.h"
#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// The way of a block: accepted, hashed and written by the thread that received it, then claimed.
namespace mutirao::swarm {

namespace {
constexpr std::size_t kRereadBytes = 256 * 1024;
}

std::uint64_t Torrent::offset_of(PieceIndex piece, std::uint32_t begin) const {
  return static_cast<std::uint64_t>(piece.value) * metainfo_->piece_length() + begin;
}

Picker::Shape Torrent::shape(PieceIndex piece) const {
  auto const size = metainfo_->piece_size(piece);
  return {size, metainfo_->has_v2() ? metainfo_->content_size(piece) : size};
}

bool Torrent::verifies_by_v2(PieceIndex piece) const {
  return metainfo_->has_v2() && metainfo_->v2_digest(piece).has_value();
}

Result<void> Torrent::deliver(Peer& peer, std::vector<ArrivedBlock>& batch) {
  std::vector<Work> work;
  {
    std::lock_guard const lock{mutex_};
    note_arrivals(peer, batch);
    if (picker_ && peer.shared.in_picker) work = accept(peer.shared.slot, batch);
    fill(peer);
  }
  keep(work);
  batch.clear();
  return {};
}

/// What is accepted goes to the hash and to the disk, on the calling thread.
void Torrent::keep(std::vector<Work>& work) {
  if (work.empty()) return;
  hash_batch(work);
  if (auto const written = write_batch(work); written) {
    finish_batch(work);
  } else {
    lose_batch(work, written.error());
  }
}

/// What the arrival of its blocks says about the peer.
void Torrent::note_arrivals(Peer& peer, std::vector<ArrivedBlock> const& batch) {
  auto& shared = peer.shared;
  auto const now = engine_.world.clock().now();
  for (auto const& arrived : batch) {
    TimePoint asked_at;
    if (!peer.forget_request(arrived.range, &asked_at)) continue;
    shared.window.delivered(arrived.range.length, asked_at, now, shared.in_flight.empty());
  }
  shared.last_block = now;
  shared.rejects = 0;
  if (!picker_ || !shared.in_picker) return;
  if (shared.snubbed) {
    shared.snubbed = false;
    picker_->set_snubbed(shared.slot, false);
  }
  picker_->set_pace(shared.slot, {shared.window.bytes_per_s(), shared.window.latency_s()});
}

std::shared_ptr<Torrent::Assembly> Torrent::assembly_of(PieceIndex piece) {
  auto& assembly = assemblies_[piece.value];
  if (assembly) return assembly;
  assembly = std::make_shared<Assembly>();
  auto const blocks = picker_->blocks_in(piece);
  assembly->leaves.resize(blocks);
  assembly->sources.resize(blocks, ~PeerSlot{0});
  // Blocks that were verified alone, in an earlier run or by their leaf, lie on disk already.
  for (std::uint32_t block = 0; block < blocks; ++block) {
    auto const length = std::min(kBlockBytes, shape(piece).content - block * kBlockBytes);
    if (store_->has(offset_of(piece, block * kBlockBytes), length)) ++assembly->stored;
  }
  return assembly;
}

std::vector<Torrent::Work> Torrent::accept(PeerSlot slot, std::span<ArrivedBlock const> batch) {
  std::vector<Work> work;
  std::vector<PeerSlot> others;
  work.reserve(batch.size());
  for (auto const& arrived : batch) {
    auto const& range = arrived.range;
    downloaded_ += range.length;
    others.clear();
    auto const known = assemblies_.contains(range.piece.value);
    auto assembly = known || picker_->begun(range.piece) ? assembly_of(range.piece) : nullptr;
    auto const arrival = picker_->arrived(slot, range, others);
    for (auto const other : others) {
      if (auto* const loser = find_peer(other); loser != nullptr && loser->forget_request(range)) {
        loser->post_block(MessageType::cancel, range);
      }
    }
    if (arrival != Picker::Arrival::wanted) {
      wasted_ += range.length;
      if (!known) assemblies_.erase(range.piece.value);
      continue;
    }
    auto const block = range.begin / kBlockBytes;
    assembly->sources[block] = slot;
    auto const content = std::min(range.length, shape(range.piece).content - range.begin);
    work.push_back({.assembly = std::move(assembly),
                    .piece = range.piece,
                    .block = block,
                    .bytes = arrived.buffer.bytes(range.length),
                    .content = content,
                    .leaf = {}});
  }
  plan_hashing(work);
  return work;
}

/// SHA-1 of a v1 piece is one chain: this thread feeds it what continues it, unless another is at
/// it. What nobody fed is read back when the piece is whole.
void Torrent::plan_hashing(std::vector<Work>& work) {
  std::ranges::sort(work, {}, [](Work const& each) { return std::pair{each.piece, each.block}; });
  Assembly* current = nullptr;
  std::uint32_t next = 0;
  bool mine = false;
  for (auto& each : work) {
    if (verifies_by_v2(each.piece)) continue;
    if (each.assembly.get() != current) {
      current = each.assembly.get();
      next = current->hashed;
      mine = !current->hashing;
    }
    if (!mine || each.block != next) continue;
    each.hash_v1 = true;
    current->hashing = true;
    ++next;
  }
}

void Torrent::hash_batch(std::vector<Work>& work) {
  std::vector<ByteView> leaves;
  std::vector<Sha256Digest> digests;
  std::vector<Sha1State*> states;
  std::vector<ByteView> runs;
  for (auto const& each : work) {
    if (verifies_by_v2(each.piece)) leaves.push_back(each.bytes.first(each.content));
  }
  digests.resize(leaves.size());
  if (!leaves.empty()) sha256_many(leaves, digests);
  std::size_t used = 0;
  // One block of each piece at a time: that many lanes.
  std::vector<std::pair<std::size_t, std::size_t>> pieces;  // of work, sorted by piece
  for (std::size_t i = 0; i < work.size(); ++i) {
    if (verifies_by_v2(work[i].piece)) {
      work[i].leaf = digests[used++];
    } else if (work[i].hash_v1) {
      if (pieces.empty() || work[pieces.back().first].assembly != work[i].assembly)
        pieces.emplace_back(i, i);
      pieces.back().second = i + 1;
    }
  }
  for (bool more = true; more;) {
    states.clear();
    runs.clear();
    for (auto& [next, end] : pieces) {
      if (next == end) continue;
      states.push_back(&work[next].assembly->sha1);
      runs.push_back(work[next].bytes);
      ++next;
    }
    more = !states.empty();
    if (states.size() == 1) {
      states[0]->update(runs[0]);
    } else if (more) {
      Sha1State::update_many(states, runs);
    }
  }
}

Result<void> Torrent::write_batch(std::vector<Work> const& work) {
  std::vector<ByteView> runs;
  for (std::size_t first = 0; first < work.size();) {
    auto const offset = offset_of(work[first].piece, work[first].block * kBlockBytes);
    auto end = offset;
    runs.clear();
    auto next = first;
    while (next < work.size() &&
           offset_of(work[next].piece, work[next].block * kBlockBytes) == end) {
      runs.push_back(work[next].bytes);
      end += work[next].bytes.size();
      ++next;
    }
    MUT_TRY(store_->write(offset, runs));
    first = next;
  }
  return {};
}

void Torrent::finish_batch(std::vector<Work> const& work) {
  std::vector<std::pair<PieceIndex, std::shared_ptr<Assembly>>> whole;
  {
    std::lock_guard const lock{mutex_};
    for (auto const& each : work) {
      auto const found = assemblies_.find(each.piece.value);
      if (each.hash_v1) {
        each.assembly->hashing = false;
        ++each.assembly->hashed;
      }
      if (found == assemblies_.end() || found->second != each.assembly) continue;
      ++each.assembly->stored;
      each.assembly->leaves[each.block] = each.leaf;
      if (!leaves_.empty() && !check_leaf(each.piece, each.block, *each.assembly)) continue;
      if (each.assembly->stored < each.assembly->leaves.size() || !picker_->complete(each.piece))
        continue;
      whole.emplace_back(each.piece, each.assembly);
      assemblies_.erase(found);
    }
  }
  for (auto const& [piece, assembly] : whole) finish_piece(piece, *assembly);
}

void Torrent::finish_piece(PieceIndex piece, Assembly& assembly) {
  auto const right = verify(piece, assembly);
  if (!right) return disk_trouble(right.error());
  std::vector<Sha256Digest> digests;
  bool suspected = false;
  {
    std::lock_guard const lock{mutex_};
    suspected = suspicions_.contains(piece.value);
  }
  if (!*right || suspected) {
    auto read = digests_on_disk(piece);
    if (!read) return disk_trouble(read.error());
    digests = std::move(*read);
  }
  if (*right) store_->claim(offset_of(piece), shape(piece).content);
  std::lock_guard const lock{mutex_};
  if (*right) {
    find_liars(piece, digests);
    piece_verified(piece);
  } else {
    piece_wrong(piece, assembly, std::move(digests));
  }
}

Result<bool> Torrent::verify(PieceIndex piece, Assembly& assembly) {
  return verifies_by_v2(piece) ? verify_v2(piece, assembly) : verify_v1(piece, assembly);
}

Result<bool> Torrent::verify_v1(PieceIndex piece, Assembly& assembly) {
  auto const expected = metainfo_->v1_digest(piece);
  if (!expected) return false;
  auto const size = metainfo_->piece_size(piece);
  auto begin = std::min(assembly.hashed * kBlockBytes, size);
  if (begin < size) {
    Bytes buffer(std::min<std::size_t>(kRereadBytes, size - begin));
    while (begin < size) {
      auto const run =
          MutableBytes{buffer}.first(std::min<std::size_t>(buffer.size(), size - begin));
      MUT_TRY(store_->read(offset_of(piece, begin), run));
      assembly.sha1.update(run);
      begin += static_cast<std::uint32_t>(run.size());
    }
  }
  return assembly.sha1.finish() == *expected;
}

Result<bool> Torrent::verify_v2(PieceIndex piece, Assembly& assembly) {
  auto const content = shape(piece).content;
  std::vector<Sha256Digest> leaves;
  leaves.reserve(assembly.leaves.size());
  for (std::uint32_t block = 0; block < assembly.leaves.size(); ++block) {
    if (!assembly.leaves[block]) {
      Bytes buffer(std::min(kBlockBytes, content - block * kBlockBytes));
      MUT_TRY(store_->read(offset_of(piece, block * kBlockBytes), buffer));
      assembly.leaves[block] = sha256(buffer);
    }
    leaves.push_back(*assembly.leaves[block]);
  }
  auto const root = metainfo_->v2_digest_is_file_root(piece)
                        ? merkle_root_of_leaves(leaves)
                        : merkle_root(leaves, metainfo_->piece_length() / kBlockBytes);
  return root == *metainfo_->v2_digest(piece);
}

/// SHA-256 of each block as it lies on disk: to tell later which of them was wrong.
Result<std::vector<Sha256Digest>> Torrent::digests_on_disk(PieceIndex piece) {
  auto const content = shape(piece).content;
  std::vector<Sha256Digest> digests;
  Bytes buffer(kBlockBytes);
  for (std::uint32_t begin = 0; begin < content; begin += kBlockBytes) {
    auto const run = MutableBytes{buffer}.first(std::min(kBlockBytes, content - begin));
    MUT_TRY(store_->read(offset_of(piece, begin), run));
    digests.push_back(sha256(run));
  }
  return digests;
}

void Torrent::piece_verified(PieceIndex piece) {
  leaves_.erase(piece.value);
  picker_->set_have(piece);
  for (auto const& peer : peers_) {
    if (!peer->shared.in_picker) continue;
    if (peer->shared.we_interested) update_interest(*peer);
    // One piece fewer is begun: who was not asked for more may be now.
    if (peer->shared.in_flight.empty()) fill(*peer);
  }
  unsaid_haves_.push_back(piece);
  if (picker_->done() || engine_.world.clock().now() - haves_said_ >= kHaveInterval) {
    say_haves();
  } else if (unsaid_haves_.size() == 1) {
    control_.notify_all();
  }
  if (picker_->done()) control_.notify_all();
  changed_.notify_all();
}

void Torrent::piece_wrong(PieceIndex piece, Assembly const& assembly,
                          std::vector<Sha256Digest> digests) {
  wasted_ += metainfo_->piece_size(piece);
  wrong_ += metainfo_->piece_size(piece);
  std::set<PeerSlot> const sources{assembly.sources.begin(), assembly.sources.end()};
  engine_.world.log().warning("swarm", "{}: piece {} does not match its hash, {} peers sent it",
                              name(), piece.value, sources.size());
  picker_->begin_anew(piece);
  store_->unclaim(piece);
  if (sources.size() == 1) {
    ban(*sources.begin(), fmt::format("sent piece {} wrong", piece.value));
  } else {
    // The next try comes from one peer alone. If it is right, the difference tells who lied.
    suspicions_.try_emplace(piece.value, assembly.sources, std::move(digests));
    for (auto const slot : sources) {
      if (find_peer(slot) != nullptr) picker_->set_suspect(slot, true);
    }
  }
  fill_all();
}

void Torrent::find_liars(PieceIndex piece, std::vector<Sha256Digest> const& right) {
  auto const found = suspicions_.find(piece.value);
  if (found == suspicions_.end()) return;
  auto const suspicion = std::move(found->second);
  suspicions_.erase(found);
  std::set<PeerSlot> liars;
  for (std::size_t block = 0; block < right.size(); ++block) {
    if (suspicion.digests[block] != right[block]) liars.insert(suspicion.sources[block]);
  }
  for (auto const slot : suspicion.sources) {
    if (liars.contains(slot) || find_peer(slot) == nullptr) continue;
    auto const elsewhere = std::ranges::any_of(suspicions_, [&](auto const& each) {
      return std::ranges::find(each.second.sources, slot) != each.second.sources.end();
    });
    if (!elsewhere) picker_->set_suspect(slot, false);
  }
  for (auto const slot : liars)
    ban(slot, fmt::format("sent wrong blocks of piece {}", piece.value));
}

void Torrent::lose_batch(std::vector<Work> const& work, Error const& error) {
  {
    std::lock_guard const lock{mutex_};
    for (auto const& each : work) {
      // The chain has eaten a block that is lost: it begins anew, from disk, when the piece is
      // whole.
      if (each.hash_v1) {
        each.assembly->hashing = false;
        each.assembly->hashed = 0;
        each.assembly->sha1 = Sha1State{};
      }
      auto const found = assemblies_.find(each.piece.value);
      if (found != assemblies_.end() && found->second == each.assembly)
        picker_->lose_block(each.piece, each.block);
    }
  }
  disk_trouble(error);
}

void Torrent::disk_trouble(Error const& error) {
  std::lock_guard const lock{mutex_};
  if (error.fault == Fault::cancelled) return;
  if (error.fault == Fault::exhausted) {
    if (!disk_full_) engine_.world.log().warning("swarm", "{}: {}", name(), error.what);
    disk_full_ = error;
    disk_full_since_ = engine_.world.clock().now();
    for (auto const& peer : peers_) give_back_requests(*peer);
  } else {
    failed_ = error;
  }
  control_.notify_all();
  changed_.notify_all();
}

}  // namespace mutirao::swarm
