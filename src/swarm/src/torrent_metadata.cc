#include <algorithm>
#include <bit>

#include "mutirao/swarm/merkle.h"
#include "mutirao/threads/this_thread.h"
#include "torrent.h"

// What a torrent is, from peers: the info dictionary (BEP 9) and the hashes of v2 (BEP 52).
namespace mutirao::swarm {

namespace {
constexpr std::string_view kMetadataName = "ut_metadata";
constexpr std::uint32_t kMetadataPiece = 16 * 1024;
constexpr auto kAskAgain = std::chrono::seconds{3};
constexpr std::uint32_t kHashesAtOnce = 512;
constexpr std::size_t kAskAtOnce = 4;  // pieces of metadata from one peer
}  // namespace

// ------------------------------------------------------------------------------- info dictionary

/// Asks for the missing pieces of the info dictionary, or when that is here, of the piece layers.
void Torrent::ask_for_metadata(Peer& peer) {
  auto& shared = peer.shared;
  auto const now = engine_.world.clock().now();
  if (now - shared.metadata_asked < kAskAgain && shared.metadata_asked != TimePoint{}) return;
  if (metainfo_) return ask_for_layers(peer);
  auto const id = shared.extensions.id_of(kMetadataName);
  if (id == 0 || !shared.extensions.metadata_size) return;
  if (metadata_.empty()) {
    // A peer that lies about the size costs one round: a wrong hash throws everything away.
    metadata_.resize(*shared.extensions.metadata_size);
    metadata_have_.assign((metadata_.size() + kMetadataPiece - 1) / kMetadataPiece, false);
    metadata_from_.clear();
  }
  if (metadata_.size() != *shared.extensions.metadata_size) return;
  shared.metadata_asked = now;
  std::size_t asked = 0;
  auto const count = metadata_have_.size();
  auto const start = static_cast<std::size_t>(engine_.world.entropy().below(count));
  for (std::size_t i = 0; i < count && asked < kAskAtOnce; ++i) {
    auto const piece = (start + i) % count;
    if (metadata_have_[piece]) continue;
    peer.post_extended(id, to_payload(MetadataMessage{.kind = MetadataMessage::Kind::request, .piece = static_cast<std::uint32_t>(piece), .total_size = 0, .data = {}}));
    ++asked;
  }
}

Result<void> Torrent::on_metadata(Peer& peer, MetadataMessage const& message) {
  auto const id = peer.shared.extensions.id_of(kMetadataName);
  switch (message.kind) {
    case MetadataMessage::Kind::request: {
      if (id == 0) return {};
      auto const info = metainfo_ ? metainfo_->info() : ByteView{};
      auto const size = static_cast<std::uint32_t>(info.size());
      auto const length = metadata_piece_bytes(size, message.piece);
      MetadataMessage answer{.kind = MetadataMessage::Kind::reject, .piece = message.piece, .total_size = 0, .data = {}};
      if (length > 0) {
        answer.kind = MetadataMessage::Kind::data;
        answer.total_size = size;
        answer.data = info.subspan(std::size_t{message.piece} * kMetadataPiece, length);
      }
      peer.post_extended(id, to_payload(answer));
      return {};
    }
    case MetadataMessage::Kind::data: {
      if (metainfo_ || message.total_size != metadata_.size() || message.piece >= metadata_have_.size()) return {};
      if (metadata_have_[message.piece]) return {};
      std::ranges::copy(message.data, metadata_.begin() + static_cast<std::ptrdiff_t>(message.piece) * kMetadataPiece);
      metadata_have_[message.piece] = true;
      metadata_from_.insert(peer.id());
      if (std::ranges::count(metadata_have_, false) == 0) {
        take_metadata();
      } else {
        peer.shared.metadata_asked = {};
        ask_for_metadata(peer);
      }
      return {};
    }
    case MetadataMessage::Kind::reject:
      return {};
  }
  return {};
}

/// All pieces are here. When they don't hash to what was asked for, somebody lied about the content or
/// the size; who gave it all alone is dropped.
void Torrent::take_metadata() {
  auto parsed = Metainfo::from_info(metadata_, info_hash_, magnet_.trackers, magnet_.web_seeds);
  if (parsed) {
    metainfo_ = std::move(*parsed);
    metadata_since_ = engine_.world.clock().now();
    engine_.world.log().info("swarm", "{}: metadata has arrived", name());
    for (auto const& peer : peers_) {
      peer->shared.metadata_asked = {};
      if (!metainfo_->missing_piece_layers().empty()) ask_for_layers(*peer);
    }
  } else {
    engine_.world.log().warning("swarm", "{}: {}", name(), parsed.error().what);
    for (auto const& peer : peers_) {
      if (!metadata_from_.contains(peer->id())) continue;
      if (metadata_from_.size() == 1) {
        book_.ban(peer->endpoint());
        peer->close("banned: it sent wrong metadata");
      } else {
        peer->shared.extensions.metadata_size.reset();
      }
    }
  }
  metadata_ = {};
  metadata_have_.clear();
  metadata_from_.clear();
  control_.notify_all();
  changed_.notify_all();
}

std::shared_ptr<Metainfo const> Torrent::metainfo_to_save() {
  std::lock_guard const lock{mutex_};
  return std::exchange(metadata_to_save_, false) ? metainfo_ : nullptr;
}

void Torrent::mark_metainfo_to_save() {
  std::lock_guard const lock{mutex_};
  metadata_to_save_ = metainfo_ != nullptr;
}

/// The run() thread goes from metadata to content.
void Torrent::metadata_arrived() {
  open_content();
  std::lock_guard const lock{mutex_};
  if (failed_ || !store_) return;
  info_hash_ = metainfo_->info_hash();
  make_picker();
  set_phase(TorrentPhase::downloading);
  for (auto const& peer : peers_) {
    enter_picker(*peer);
    for (std::uint32_t piece = 0; piece < metainfo_->piece_count(); ++piece) {
      if (picker_->have().test(piece)) peer->post_piece(MessageType::have, PieceIndex{piece});
    }
    fill(*peer);
  }
  metadata_to_save_ = true;
  changed_.notify_all();
}

// ---------------------------------------------------------------------------------- hashes of v2

std::vector<HashRequest> Torrent::layer_requests(FileIndex file) const {
  auto const& entry = metainfo_->files()[file.value];
  auto const pieces = (entry.length + metainfo_->piece_length() - 1) / metainfo_->piece_length();
  auto const width = std::bit_ceil(static_cast<std::uint32_t>(pieces));
  auto const base = static_cast<std::uint32_t>(std::countr_zero(metainfo_->piece_length() / kBlockBytes));
  auto const length = std::min<std::uint32_t>(width, kHashesAtOnce);
  std::vector<HashRequest> requests;
  for (std::uint32_t index = 0; index < pieces; index += length) {
    auto const proof = static_cast<std::uint32_t>(std::countr_zero(width) - std::countr_zero(length));
    // BEP 52 counts the layers between the hashes' own root and the file's as proof layers.
    requests.push_back({.pieces_root = *entry.pieces_root, .base_layer = base, .index = index, .length = length,
                        .proof_layers = proof == 0 ? 0 : std::countr_zero(width) - 1u});
  }
  return requests;
}

void Torrent::ask_for_layers(Peer& peer) {
  if (!peer.handshake().v2 || picker_) return;
  peer.shared.metadata_asked = engine_.world.clock().now();
  std::size_t asked = 0;
  for (auto const file : metainfo_->missing_piece_layers()) {
    for (auto const& request : layer_requests(file)) {
      if (asked++ >= 16) return;
      auto const& known = layers_[file.value];
      if (request.index < known.size() && known[request.index].has_value()) continue;
      peer.post_hashes(MessageType::hash_request, request);
    }
  }
}

Result<void> Torrent::on_hashes(Peer& peer, HashRequest const& request, ByteView payload) {
  if (!metainfo_ || picker_ || payload.size() % 32 != 0) return {};
  std::vector<Sha256Digest> digests(payload.size() / 32);
  for (std::size_t i = 0; i < digests.size(); ++i) std::ranges::copy(payload.subspan(i * 32, 32), digests[i].begin());
  for (auto const file : metainfo_->missing_piece_layers()) {
    auto const& entry = metainfo_->files()[file.value];
    if (entry.pieces_root != request.pieces_root) continue;
    auto const wanted = layer_requests(file);
    if (std::ranges::find(wanted, request) == wanted.end() || digests.size() < request.length) return {};
    auto const nodes = std::span{digests}.first(request.length);
    auto const proof = std::span{digests}.subspan(request.length);
    auto const pieces = (entry.length + metainfo_->piece_length() - 1) / metainfo_->piece_length();
    auto& known = layers_[file.value];
    known.resize(pieces);
    if (!merkle_verify(nodes, request.index, proof, request.pieces_root)) {
      return fail(Fault::corrupt, "it sent hashes that do not lead to the file's root");
    }
    for (std::size_t i = 0; i < nodes.size() && request.index + i < pieces; ++i) known[request.index + i] = nodes[i];
    if (std::ranges::all_of(known, [](auto const& each) { return each.has_value(); })) {
      std::vector<Sha256Digest> layer;
      for (auto const& each : known) layer.push_back(*each);
      metainfo_ = MUT_TRY(metainfo_->with_piece_layer(file, std::move(layer)));
      layers_.erase(file.value);
      control_.notify_all();
    }
    break;
  }
  peer.shared.metadata_asked = {};
  return {};
}

void Torrent::on_hash_reject(Peer& peer, HashRequest const& request) {
  static_cast<void>(request);
  peer.shared.metadata_asked = engine_.world.clock().now();
}

Result<void> Torrent::on_hash_request(Peer& peer, HashRequest const& request) {
  auto const refuse = [&]() -> Result<void> {
    peer.post_hashes(MessageType::hash_reject, request);
    return {};
  };
  if (!metainfo_ || !metainfo_->has_v2() || !request.well_formed()) return refuse();
  auto const files = metainfo_->files();
  auto const entry = std::ranges::find_if(files, [&](TorrentFile const& each) { return each.pieces_root == request.pieces_root; });
  if (entry == files.end()) return refuse();
  auto const layer = metainfo_->piece_layer(FileIndex{static_cast<std::uint32_t>(entry - files.begin())});
  auto const base = static_cast<unsigned>(std::countr_zero(metainfo_->piece_length() / kBlockBytes));
  // Only what the .torrent holds is served: the piece layers. Leaves can be had with the pieces.
  if (layer.empty() || request.base_layer != base || request.index >= layer.size()) return refuse();
  auto const width = std::bit_ceil(layer.size());
  if (request.length > width || std::uint64_t{request.index} + request.length > width) return refuse();
  std::vector<Sha256Digest> nodes(layer.begin(), layer.end());
  nodes.resize(width, merkle_padding(base));
  std::vector<Sha256Digest> answer{nodes.begin() + request.index, nodes.begin() + request.index + request.length};
  // Uncles on the way up, as far as they were asked for; those below the root of the given hashes are
  // implied by them.
  auto at = request.index;
  auto below = static_cast<unsigned>(std::countr_zero(request.length));
  for (unsigned level = 0; nodes.size() > 1 && level < request.proof_layers + 1u; ++level) {
    if (level >= below) answer.push_back(nodes[at ^ 1]);
    std::vector<Sha256Digest> above;
    for (std::size_t i = 0; i < nodes.size(); i += 2) above.push_back(merkle_parent(nodes[i], nodes[i + 1]));
    nodes = std::move(above);
    at /= 2;
  }
  Bytes payload;
  for (auto const& digest : answer) payload.insert(payload.end(), digest.begin(), digest.end());
  peer.outbox.post(payload.size() + kMessageHeaderBytesMax, [&](MessageWriter& writer) { writer.hashes_header(request, answer.size()); });
  peer.outbox.post(payload);
  return {};
}

}  // namespace mutirao::swarm
