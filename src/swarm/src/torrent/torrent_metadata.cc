#include <algorithm>

#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// What a torrent is, from peers: the info dictionary (BEP 9).
namespace mutirao::swarm {

namespace {
constexpr std::uint32_t kMetadataPiece = 16 * 1024;
constexpr auto kAskAgain = std::chrono::seconds{3};
constexpr std::size_t kAskAtOnce = 4;  // pieces of metadata from one peer
}  // namespace

// ------------------------------------------------------------------------------- info dictionary

/// Asks for missing pieces of the info dictionary.
void Torrent::ask_for_metadata(Peer& peer) {
  auto& shared = peer.shared;
  auto const now = engine_.world.clock().now();
  if (now - shared.metadata_asked < kAskAgain && shared.metadata_asked != TimePoint{}) return;
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
    peer.post_extended(id, to_payload(MetadataMessage{.kind = MetadataMessage::Kind::request,
                                                      .piece = static_cast<std::uint32_t>(piece),
                                                      .total_size = 0,
                                                      .data = {}}));
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
      MetadataMessage answer{.kind = MetadataMessage::Kind::reject,
                             .piece = message.piece,
                             .total_size = 0,
                             .data = {}};
      if (length > 0) {
        answer.kind = MetadataMessage::Kind::data;
        answer.total_size = size;
        answer.data = info.subspan(std::size_t{message.piece} * kMetadataPiece, length);
      }
      peer.post_extended(id, to_payload(answer));
      return {};
    }
    case MetadataMessage::Kind::data: {
      if (metainfo_ || message.total_size != metadata_.size() ||
          message.piece >= metadata_have_.size())
        return {};
      if (metadata_have_[message.piece]) return {};
      std::ranges::copy(
          message.data,
          metadata_.begin() + static_cast<std::ptrdiff_t>(message.piece) * kMetadataPiece);
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

/// All pieces are here. When they don't hash to what was asked for, somebody lied about the content
/// or the size; who gave it all alone is dropped.
void Torrent::take_metadata() {
  auto parsed = Metainfo::from_info(metadata_, info_hash_, magnet_.trackers, magnet_.web_seeds);
  if (parsed) {
    metainfo_ = std::move(*parsed);
    metadata_since_ = engine_.world.clock().now();
    engine_.world.log().info("swarm", "{}: metadata has arrived", name());
    for (auto const& peer : peers_) peer->shared.metadata_asked = {};
    if (lacks_layers()) post_layer_requests(metadata_since_);
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

}  // namespace mutirao::swarm
