#include <algorithm>

#include "mutirao/threads/this_thread.h"

#include "protocol/own_network.h"
#include "torrent/engine.h"
#include "torrent/peer.h"
#include "torrent/torrent.h"

// What a peer says, and what follows from it. Every field comes from a stranger: a message that no
// honest peer sends ends the connection, and nothing else.
namespace mutirao::swarm {

namespace {

constexpr std::size_t kUploadQueueMax = 2000;  // as we tell peers by `reqq`
constexpr std::size_t kEarlyHavesMax = 10'000;
constexpr std::size_t kAllowedFastMax = 64;
constexpr std::size_t kAllowFastOurs = 8;
constexpr std::string_view kNetworkName = "mu_net";

bool contains(std::vector<PieceIndex> const& few, PieceIndex piece) {
  return std::ranges::find(few, piece) != few.end();
}

std::unexpected<Error> lie(std::string what) { return fail(Fault::corrupt, std::move(what)); }

}  // namespace

void Peer::say_hello() {
  auto& torrent = *torrent_;
  if (theirs_.extended) {
    ExtensionHandshake ours;
    ours.extensions.push_back({std::string{kNetworkName}, kOurNetworkId});
    ours.extensions.push_back({std::string{kMetadataName}, kOurMetadataId});
    ours.client = "Mutirao 0.1";
    if (engine_.options.port != 0) ours.listen_port = engine_.options.port;
    ours.requests_max = kUploadQueueMax;
    ours.your_ip = endpoint_.address;
    if (torrent.metainfo_)
      ours.metadata_size = static_cast<std::uint32_t>(torrent.metainfo_->info().size());
    if (torrent.completed_) ours.upload_only = true;
    post_extended(kExtensionHandshakeId, to_payload(ours));
  }
  if (!torrent.picker_) {
    if (fast()) post(MessageType::have_none);
    return;
  }
  auto const& have = torrent.picker_->have();
  if (fast() && have.all()) {
    post(MessageType::have_all);
  } else if (fast() && have.none()) {
    post(MessageType::have_none);
  } else if (!have.none()) {
    auto const wire = have.to_wire();
    outbox.post(wire.size() + 5, [&](MessageWriter& writer) { writer.bitfield(wire); });
  }
  if (!fast() || have.none() || torrent.metainfo_->piece_count() < 2 * kAllowFastOurs) return;
  for (auto const piece : allowed_fast_set(endpoint_.address, torrent.wire_hash(),
                                           torrent.metainfo_->piece_count(), kAllowFastOurs)) {
    if (!have.test(piece.value)) continue;
    shared.we_allow_fast.push_back(piece);
    post_piece(MessageType::allowed_fast, piece);
  }
}

Result<void> Peer::on_message(MessageHeader const& header, ByteView payload) {
  last_message_ns = engine_.world.clock().now().time_since_epoch().count();
  if (header.type == MessageType::choke || header.type == MessageType::reject)
    MUT_TRY(flush_batch());
  auto& torrent = *torrent_;
  if (header.type == MessageType::hash_request)
    return torrent.on_hash_request(*this, header.hashes);
  std::lock_guard const lock{torrent.mutex_};
  switch (header.type) {
    case MessageType::choke:
      on_choke();
      return {};
    case MessageType::unchoke:
      shared.they_choke = false;
      torrent.fill(*this);
      torrent.changed_.notify_all();
      return {};
    case MessageType::interested:
      shared.they_interested = true;
      torrent.unchoke_at_once(*this);
      return {};
    case MessageType::not_interested:
      shared.they_interested = false;
      return {};
    case MessageType::have:
      if (!shared.in_picker) {
        if (shared.early_haves.size() >= kEarlyHavesMax) return lie("it announces too many pieces");
        shared.early_haves.push_back(header.piece);
        return {};
      }
      torrent.picker_->peer_has(shared.slot, header.piece);
      torrent.update_interest(*this);
      torrent.drop_if_useless(*this);
      if (shared.we_interested && shared.in_flight.empty()) torrent.fill(*this);
      return {};
    case MessageType::bitfield:
      return on_bitfield(payload);
    case MessageType::have_all:
    case MessageType::have_none:
      if (!fast() || heard_pieces_)
        return lie("it tells its pieces twice, or without the fast extension");
      heard_pieces_ = true;
      if (header.type == MessageType::have_none) return {};
      shared.early_all = true;
      if (!shared.in_picker) return {};
      torrent.picker_->peer_has_all(shared.slot);
      torrent.update_interest(*this);
      torrent.drop_if_useless(*this);
      return {};
    case MessageType::request:
      return on_request(header.block);
    case MessageType::cancel:
      if (outbox.cancel(header.block) && fast()) post_block(MessageType::reject, header.block);
      return {};
    case MessageType::reject:
      return on_reject(header.block);
    case MessageType::allowed_fast:
      if (!fast()) return lie("allowed fast without the fast extension");
      if (shared.allowed_fast.size() < kAllowedFastMax &&
          !contains(shared.allowed_fast, header.piece))
        shared.allowed_fast.push_back(header.piece);
      torrent.fill(*this);
      return {};
    case MessageType::extended:
      return on_extended(header.extended_id, payload);
    case MessageType::hashes:
      return torrent.on_hashes(*this, header.hashes, payload);
    case MessageType::hash_reject:
      torrent.on_hash_reject(*this, header.hashes);
      return {};
    case MessageType::hash_request:
    case MessageType::suggest:
    case MessageType::port:
    case MessageType::keep_alive:
    case MessageType::piece:
    case MessageType::unknown:
      return {};
  }
  return {};
}

void Peer::on_choke() {
  shared.they_choke = true;
  if (!shared.in_picker) return;
  // With the fast extension each request gets its own answer, also after a choke (BEP 6).
  if (!fast()) torrent_->give_back_requests(*this);
  torrent_->fill_all();
  torrent_->changed_.notify_all();
}

/// BEP 3 has it first and once; aria2 also sends one instead of many haves.
Result<void> Peer::on_bitfield(ByteView payload) {
  heard_pieces_ = true;
  auto& torrent = *torrent_;
  if (!shared.in_picker) {
    shared.early_bitfield.assign(payload.begin(), payload.end());
    return {};
  }
  auto const pieces = MUT_TRY(Bitfield::from_wire(payload, torrent.metainfo_->piece_count()));
  torrent.picker_->peer_has(shared.slot, pieces);
  torrent.update_interest(*this);
  if (shared.in_flight.empty()) torrent.fill(*this);
  torrent.drop_if_useless(*this);
  return {};
}

Result<void> Peer::on_request(BlockRange const& range) {
  auto& torrent = *torrent_;
  if (!shared.in_picker) return {};
  auto const piece_size = torrent.metainfo_->piece_size(range.piece);
  if (range.length == 0 || range.begin >= piece_size || range.length > piece_size - range.begin) {
    return lie(fmt::format("it asks for bytes {} to {} of piece {}, which has {}", range.begin,
                           std::uint64_t{range.begin} + range.length, range.piece.value,
                           piece_size));
  }
  auto const allowed = !shared.we_choke || contains(shared.we_allow_fast, range.piece);
  if (allowed && torrent.picker_->have().test(range.piece.value) &&
      outbox.push(range, kUploadQueueMax))
    return {};
  if (fast()) post_block(MessageType::reject, range);
  return {};
}

Result<void> Peer::on_reject(BlockRange const& range) {
  if (!fast()) return lie("a reject without the fast extension");
  if (!shared.in_picker || !forget_request(range)) return {};
  auto& torrent = *torrent_;
  torrent.picker_->give_back(shared.slot, range);
  ++shared.rejects;
  std::erase(shared.allowed_fast, range.piece);
  // Somebody else may have it; this peer is asked again when it answered everything.
  for (auto const& other : torrent.peers_) {
    if (other.get() != this && other->shared.in_flight.empty()) torrent.fill(*other);
  }
  if (shared.in_flight.empty()) torrent.fill(*this);
  return {};
}

Result<void> Peer::on_extended(std::uint8_t id, ByteView payload) {
  if (!theirs_.extended) return lie("an extension message without the extension protocol");
  switch (id) {
    case kExtensionHandshakeId:
      return on_extension_handshake(payload);
    case kOurMetadataId:
      return on_metadata(payload);
    case kOurNetworkId:
      return on_network_proof(payload);
    default:
      return {};
  }
}

Result<void> Peer::on_extension_handshake(ByteView payload) {
  auto& torrent = *torrent_;
  auto const had_network = shared.extensions.id_of(kNetworkName) != 0;
  shared.extensions.apply(MUT_TRY(parse_extension_handshake(payload)));
  auto const& theirs = shared.extensions;
  if (theirs.requests_max) shared.requests_max = std::max<std::uint32_t>(*theirs.requests_max, 1);
  shared.upload_only = theirs.upload_only.value_or(false);
  auto const network = theirs.id_of(kNetworkName);
  if (!engine_.options.network_key.empty() && network != 0 && !had_network) {
    post_extended(network, network_challenge(challenge_));
  }
  if (!torrent.metainfo_) torrent.ask_for_metadata(*this);
  if (shared.upload_only) torrent.drop_if_useless(*this);
  return {};
}

Result<void> Peer::on_metadata(ByteView payload) {
  auto const message = MUT_TRY(parse_metadata_message(payload));
  if (!message) return {};
  return torrent_->on_metadata(*this, *message);
}

/// Two messages: a challenge, and the answer that only who knows the key can give (own_network.h).
Result<void> Peer::on_network_proof(ByteView payload) {
  auto const& key = engine_.options.network_key;
  auto const network = shared.extensions.id_of(kNetworkName);
  if (key.empty() || network == 0) return {};
  if (auto const challenge = parse_network_challenge(payload)) {
    post_extended(network, network_answer(key, *challenge, engine_.peer_id, theirs_.peer_id));
    return {};
  }
  if (!is_network_answer(payload, key, challenge_, theirs_.peer_id, engine_.peer_id)) {
    return lie("it claims to be of our network and does not know the key");
  }
  shared.own_network = true;
  torrent_->unchoke_at_once(*this);
  return {};
}

}  // namespace mutirao::swarm
