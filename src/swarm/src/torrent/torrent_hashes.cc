#include <algorithm>
#include <bit>

#include "mutirao/base/check.h"
#include "mutirao/swarm/merkle.h"
#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// Hashes of v2 between peers (BEP 52): piece layers that a magnet lacks, and the leaves of single
// pieces, by which a block can be verified before its piece is whole.
namespace mutirao::swarm {

namespace {
constexpr std::uint32_t kHashesAtOnce = 512;      // BEP 52 asks for no more
constexpr std::size_t kLayerRequestsAtOnce = 16;  // to one peer
constexpr auto kLayerPatience = std::chrono::seconds{1};
constexpr auto kLayerRest = std::chrono::seconds{1};
constexpr std::uint32_t kLayerRestsMax = 8;
constexpr std::uint32_t kLeavesReadMax = 1024;  // 16 MiB of content for one answer
constexpr std::size_t kLeavesKnownMax = 256;    // pieces

unsigned log2_of(std::uint64_t power) { return static_cast<unsigned>(std::countr_zero(power)); }

std::vector<Sha256Digest> one_up(std::vector<Sha256Digest> const& nodes) {
  std::vector<Sha256Digest> above;
  above.reserve(nodes.size() / 2);
  for (std::size_t i = 0; i + 1 < nodes.size(); i += 2)
    above.push_back(merkle_parent(nodes[i], nodes[i + 1]));
  return above;
}

}  // namespace

// ----------------------------------------------------------------------------------- piece layers

std::vector<HashRequest> Torrent::layer_requests(FileIndex file) const {
  auto const& entry = metainfo_->files()[file.value];
  auto const pieces = (entry.length + metainfo_->piece_length() - 1) / metainfo_->piece_length();
  auto const width = std::bit_ceil(static_cast<std::uint32_t>(pieces));
  auto const base =
      static_cast<std::uint32_t>(std::countr_zero(metainfo_->piece_length() / kBlockBytes));
  auto const length = std::min<std::uint32_t>(width, kHashesAtOnce);
  std::vector<HashRequest> requests;
  for (std::uint32_t index = 0; index < pieces; index += length) {
    auto const proof =
        static_cast<std::uint32_t>(std::countr_zero(width) - std::countr_zero(length));
    // BEP 52 counts the layers between the hashes' own root and the file's as proof layers.
    requests.push_back({.pieces_root = *entry.pieces_root,
                        .base_layer = base,
                        .index = index,
                        .length = length,
                        .proof_layers = proof == 0 ? 0 : std::countr_zero(width) - 1u});
  }
  return requests;
}

bool Torrent::lacks_layers() const {
  return metainfo_ && !picker_ && metainfo_->has_v2() && !metainfo_->missing_piece_layers().empty();
}

/// Whom to ask next: who was not in vain, then who is asked for least. Who failed rests a while,
/// longer each time, as it may have the hashes later.
Peer* Torrent::layer_source(TimePoint now) const {
  Peer* best = nullptr;
  std::pair<std::uint32_t, std::size_t> best_rank;
  for (auto const& peer : peers_) {
    auto const& shared = peer->shared;
    if (!peer->handshake().v2) continue;
    if (shared.layers_failed > 0 &&
        now - shared.layers_failed_at < kLayerRest * std::min(shared.layers_failed, kLayerRestsMax))
      continue;
    auto const asked =
        static_cast<std::size_t>(std::ranges::count(layer_asks_, peer->id(), &LayerAsk::peer));
    if (asked >= kLayerRequestsAtOnce) continue;
    std::pair const rank{shared.layers_failed, asked};
    if (best != nullptr && rank >= best_rank) continue;
    best = peer.get();
    best_rank = rank;
  }
  return best;
}

/// Asks for what is missing of the piece layers, each part from one peer at a time, and from
/// another when that one takes too long. When to call it again.
TimePoint Torrent::ask_for_layers(TimePoint now) {
  for (auto const& ask : layer_asks_) {
    if (ask.until > now) continue;
    auto const silent =
        std::ranges::find(peers_, ask.peer, [](auto const& each) { return each->id(); });
    if (silent == peers_.end()) continue;
    ++(*silent)->shared.layers_failed;
    (*silent)->shared.layers_failed_at = now;
  }
  std::erase_if(layer_asks_, [&](LayerAsk const& ask) { return ask.until <= now; });
  post_layer_requests(now);
  auto next = now + kLayerRest;
  for (auto const& ask : layer_asks_) next = std::min(next, ask.until);
  return next;
}

void Torrent::post_layer_requests(TimePoint now) {
  for (auto const file : metainfo_->missing_piece_layers()) {
    for (auto const& request : layer_requests(file)) {
      auto const known = layers_.find(file.value);
      if (known != layers_.end() && request.index < known->second.size() &&
          known->second[request.index])
        continue;
      if (std::ranges::find(layer_asks_, request, &LayerAsk::request) != layer_asks_.end())
        continue;
      auto* const source = layer_source(now);
      if (source == nullptr) return;
      auto const round_trip = std::chrono::duration_cast<Duration>(
          std::chrono::duration<double>{source->shared.window.latency_s()});
      source->post_hashes(MessageType::hash_request, request);
      source->shared.metadata_asked = now;
      layer_asks_.push_back(
          {request, source->id(), now + std::max<Duration>(kLayerPatience, 4 * round_trip)});
    }
  }
}

void Torrent::on_hash_reject(Peer& peer, HashRequest const& request) {
  auto const answered = std::erase_if(layer_asks_, [&](LayerAsk const& ask) {
    return ask.peer == peer.id() && ask.request == request;
  });
  if (answered == 0) return;
  ++peer.shared.layers_failed;
  peer.shared.layers_failed_at = engine_.world.clock().now();
  control_.notify_all();
}

Result<void> Torrent::on_hashes(Peer& peer, HashRequest const& request, ByteView payload) {
  if (!metainfo_ || payload.size() % 32 != 0) return {};
  std::vector<Sha256Digest> digests(payload.size() / 32);
  for (std::size_t i = 0; i < digests.size(); ++i)
    std::ranges::copy(payload.subspan(i * 32, 32), digests[i].begin());
  return picker_ ? take_leaves(request, digests) : take_layer(peer, request, digests);
}

Result<void> Torrent::take_layer(Peer& peer, HashRequest const& request,
                                 std::vector<Sha256Digest> const& digests) {
  for (auto const file : metainfo_->missing_piece_layers()) {
    auto const& entry = metainfo_->files()[file.value];
    if (entry.pieces_root != request.pieces_root) continue;
    auto const wanted = layer_requests(file);
    if (std::ranges::find(wanted, request) == wanted.end() || digests.size() < request.length)
      return {};
    auto const nodes = std::span{digests}.first(request.length);
    auto const proof = std::span{digests}.subspan(request.length);
    auto const pieces = (entry.length + metainfo_->piece_length() - 1) / metainfo_->piece_length();
    auto& known = layers_[file.value];
    known.resize(pieces);
    if (!merkle_verify(nodes, request.index, proof, request.pieces_root)) {
      return fail(Fault::corrupt, "it sent hashes that do not lead to the file's root");
    }
    for (std::size_t i = 0; i < nodes.size() && request.index + i < pieces; ++i)
      known[request.index + i] = nodes[i];
    if (std::ranges::all_of(known, [](auto const& each) { return each.has_value(); })) {
      std::vector<Sha256Digest> layer;
      for (auto const& each : known) layer.push_back(*each);
      metainfo_ = MUT_TRY(metainfo_->with_piece_layer(file, std::move(layer)));
      layers_.erase(file.value);
      control_.notify_all();
    }
    break;
  }
  std::erase_if(layer_asks_, [&](LayerAsk const& ask) { return ask.request == request; });
  peer.shared.metadata_asked = {};
  peer.shared.layers_failed = 0;
  if (lacks_layers()) post_layer_requests(engine_.world.clock().now());
  return {};
}

// ----------------------------------------------------------------------------------------- leaves

/// Leaves of one piece, from its first block on: what a request for them says.
std::optional<HashRequest> Torrent::leaf_request(PieceIndex piece) const {
  if (!verifies_by_v2(piece)) return std::nullopt;
  auto const& file = metainfo_->files()[metainfo_->file_of_piece(piece).value];
  auto const per_piece = metainfo_->piece_length() / kBlockBytes;
  auto const length = metainfo_->v2_digest_is_file_root(piece)
                          ? std::bit_ceil((shape(piece).content + kBlockBytes - 1) / kBlockBytes)
                          : per_piece;
  if (length < 2 || length > kHashesAtOnce || !file.pieces_root) return std::nullopt;
  auto const index = static_cast<std::uint32_t>((offset_of(piece) - file.offset) / kBlockBytes);
  return HashRequest{.pieces_root = *file.pieces_root,
                     .base_layer = 0,
                     .index = index,
                     .length = length,
                     .proof_layers = 0};
}

/// Asks some peer for the leaves of a piece of which somebody waits for a part. False when nobody
/// can tell them.
bool Torrent::ask_for_leaves(PieceIndex piece) {
  if (leaves_.contains(piece.value)) return true;
  auto const request = leaf_request(piece);
  if (!request) return false;
  Peer* best = nullptr;
  for (auto const& peer : peers_) {
    auto const& shared = peer->shared;
    if (!peer->handshake().v2 || !shared.in_picker || shared.snubbed ||
        !picker_->peer_has_piece(shared.slot, piece))
      continue;
    if (best == nullptr || shared.window.latency_s() < best->shared.window.latency_s())
      best = peer.get();
  }
  if (best == nullptr) return false;
  best->post_hashes(MessageType::hash_request, *request);
  return true;
}

Result<void> Torrent::take_leaves(HashRequest const& request,
                                  std::vector<Sha256Digest> const& digests) {
  if (request.base_layer != 0 || digests.size() < request.length) return {};
  auto const files = metainfo_->files();
  auto const file = std::ranges::find_if(
      files, [&](TorrentFile const& each) { return each.pieces_root == request.pieces_root; });
  if (file == files.end() || std::uint64_t{request.index} * kBlockBytes >= file->length) return {};
  PieceIndex const piece{static_cast<std::uint32_t>(
      (file->offset + std::uint64_t{request.index} * kBlockBytes) / metainfo_->piece_length())};
  if (leaf_request(piece) != request) return {};
  std::vector<Sha256Digest> nodes(digests.begin(), digests.begin() + request.length);
  if (merkle_root(nodes, nodes.size()) != *metainfo_->v2_digest(piece)) {
    return fail(
        Fault::corrupt,
        fmt::format("it sent leaves that do not lead to the hash of piece {}", piece.value));
  }
  if (leaves_.size() >= kLeavesKnownMax) leaves_.erase(leaves_.begin());
  leaves_[piece.value] = std::move(nodes);
  // What came before its hash is looked at now.
  auto const found = assemblies_.find(piece.value);
  if (found == assemblies_.end()) return {};
  auto const assembly = found->second;
  for (std::uint32_t block = 0; block < assembly->leaves.size(); ++block) {
    if (assembly->leaves[block]) check_leaf(piece, block, *assembly);
  }
  return {};
}

/// A block that lies on disk, against its leaf: claimed when it is right, and its sender banned
/// when not. False for a wrong one.
bool Torrent::check_leaf(PieceIndex piece, std::uint32_t block, Assembly& assembly) {
  auto const known = leaves_.find(piece.value);
  if (known == leaves_.end() || !assembly.leaves[block]) return true;
  auto const begin = block * kBlockBytes;
  auto const length = std::min(kBlockBytes, shape(piece).content - begin);
  if (*assembly.leaves[block] == known->second[block]) {
    store_->claim(offset_of(piece, begin), length);
    changed_.notify_all();
    return true;
  }
  wasted_ += length;
  wrong_ += length;
  assembly.leaves[block].reset();
  --assembly.stored;
  picker_->lose_block(piece, block);
  ban(assembly.sources[block], fmt::format("sent block {} of piece {} wrong", block, piece.value));
  return false;
}

// ---------------------------------------------------------------------------------------- serving

/// Computed from what is on disk where the .torrent does not hold them; outside of the mutex.
Result<void> Torrent::on_hash_request(Peer& peer, HashRequest const& request) {
  std::shared_ptr<Metainfo const> metainfo;
  {
    std::lock_guard const lock{mutex_};
    metainfo = metainfo_;
    if (!picker_) metainfo = nullptr;
  }
  auto const answer = metainfo && metainfo->has_v2() && request.well_formed()
                          ? hashes_for(*metainfo, request)
                          : std::nullopt;
  if (!answer) {
    peer.post_hashes(MessageType::hash_reject, request);
    return {};
  }
  Bytes message(kMessageHeaderBytesMax);
  MessageWriter writer{message};
  MUT_ASSERT(writer.hashes_header(request, answer->size()));
  message.resize(writer.written().size());
  for (auto const& digest : *answer) message.insert(message.end(), digest.begin(), digest.end());
  peer.outbox.post(ByteView{message});
  return {};
}

std::optional<std::vector<Sha256Digest>> Torrent::leaves_on_disk(std::uint64_t offset,
                                                                 std::uint64_t length) {
  if (!store_->has(offset, length)) return std::nullopt;
  std::vector<Sha256Digest> leaves;
  Bytes buffer(16 * kBlockBytes);
  for (std::uint64_t at = 0; at < length; at += buffer.size()) {
    auto const run =
        MutableBytes{buffer}.first(std::min<std::uint64_t>(buffer.size(), length - at));
    if (!store_->read(offset + at, run)) return std::nullopt;
    std::vector<ByteView> blocks;
    for (std::size_t i = 0; i < run.size(); i += kBlockBytes)
      blocks.push_back(run.subspan(i, std::min<std::size_t>(kBlockBytes, run.size() - i)));
    auto const before = leaves.size();
    leaves.resize(before + blocks.size());
    sha256_many(blocks, std::span{leaves}.subspan(before));
  }
  return leaves;
}

std::optional<std::vector<Sha256Digest>> Torrent::hashes_for(Metainfo const& metainfo,
                                                             HashRequest const& request) {
  auto const files = metainfo.files();
  auto const entry = std::ranges::find_if(
      files, [&](TorrentFile const& each) { return each.pieces_root == request.pieces_root; });
  if (entry == files.end()) return std::nullopt;
  auto const width = std::bit_ceil((entry->length + kBlockBytes - 1) / kBlockBytes);
  auto const depth = log2_of(width);
  auto const piece_level = log2_of(metainfo.piece_length() / kBlockBytes);
  auto const layer =
      metainfo.piece_layer(FileIndex{static_cast<std::uint32_t>(entry - files.begin())});
  if (request.base_layer > depth ||
      std::uint64_t{request.index} + request.length > width >> request.base_layer)
    return std::nullopt;
  auto const from_layer = !layer.empty() && request.base_layer >= piece_level;
  // `nodes` are those of one level from `first` on: of the whole file, or of the pieces concerned.
  std::vector<Sha256Digest> nodes;
  std::uint64_t first = 0;
  auto level = piece_level;
  if (from_layer) {
    nodes.assign(layer.begin(), layer.end());
    nodes.resize(width >> piece_level, merkle_padding(piece_level));
  } else {
    auto const unit = layer.empty() ? width : std::uint64_t{1} << piece_level;  // leaves of a piece
    auto const begin = (std::uint64_t{request.index} << request.base_layer) / unit * unit;
    auto const end =
        std::min(width, ((std::uint64_t{request.index} + request.length) << request.base_layer) +
                            unit - 1) /
        unit * unit;
    if (end <= begin || end - begin > kLeavesReadMax) return std::nullopt;
    if (begin * kBlockBytes < entry->length) {
      auto const length =
          std::min((end - begin) * kBlockBytes, entry->length - begin * kBlockBytes);
      auto leaves = leaves_on_disk(entry->offset + begin * kBlockBytes, length);
      if (!leaves) return std::nullopt;
      nodes = std::move(*leaves);
    }
    nodes.resize(end - begin, merkle_padding(0));
    first = begin;
    level = 0;
  }
  auto const climb = [&] {
    nodes = one_up(nodes);
    first /= 2;
    ++level;
    if (!from_layer && !layer.empty() && level == piece_level) {
      nodes.assign(layer.begin(), layer.end());
      nodes.resize(width >> piece_level, merkle_padding(piece_level));
      first = 0;
    }
  };
  while (level < request.base_layer) climb();
  std::vector<Sha256Digest> answer;
  for (std::uint32_t i = 0; i < request.length; ++i)
    answer.push_back(nodes[request.index + i - first]);
  // Uncles on the way up; those below the root of the given hashes are implied by them.
  auto at = std::uint64_t{request.index};
  for (unsigned up = 0; up <= request.proof_layers && level < depth; ++up, at /= 2) {
    if (up >= log2_of(request.length)) answer.push_back(nodes[(at ^ 1) - first]);
    climb();
  }
  return answer;
}

}  // namespace mutirao::swarm
