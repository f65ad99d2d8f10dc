#include "protocol/message.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/swarm/metainfo.h"

namespace mutirao::swarm {
namespace {

using base::load_be;
using base::store_be;

constexpr std::string_view kProtocol =
    "\x13"
    "BitTorrent protocol";
constexpr std::size_t kReservedAt = 20;
constexpr std::size_t kInfoHashAt = 28;
constexpr std::size_t kPeerIdAt = 48;
constexpr std::uint8_t kExtendedBit = 0x10;  // of reserved byte 5, BEP 10
constexpr std::uint8_t kDhtBit = 0x01;       // of reserved byte 7, BEP 5
constexpr std::uint8_t kFastBit = 0x04;      // of reserved byte 7, BEP 6
constexpr std::uint8_t kV2Bit = 0x10;        // of reserved byte 7, BEP 52

constexpr std::uint32_t kHashFieldBytes = 48;
// A tree over 2^40 leaves of 16 KiB is beyond any file; nobody has a use for higher layers.
constexpr std::uint32_t kTreeHeightMax = 40;

/// Bytes of a message after its id: those of fixed size, and how much payload may follow.
struct Shape {
  std::uint32_t fixed;
  std::uint64_t payload_max;
};

std::uint64_t bitfield_bytes_max(MessageLimits const& limits) {
  std::uint64_t const pieces =
      limits.piece_count.value_or(static_cast<std::uint32_t>(Metainfo::kPiecesMax));
  return (pieces + 7) / 8;
}

Shape shape_of(MessageType type, MessageLimits const& limits) {
  switch (type) {
    case MessageType::choke:
    case MessageType::unchoke:
    case MessageType::interested:
    case MessageType::not_interested:
    case MessageType::have_all:
    case MessageType::have_none:
    case MessageType::keep_alive:
      return {0, 0};
    case MessageType::have:
    case MessageType::suggest:
    case MessageType::allowed_fast:
      return {4, 0};
    case MessageType::bitfield:
      return {0, bitfield_bytes_max(limits)};
    case MessageType::request:
    case MessageType::cancel:
    case MessageType::reject:
      return {12, 0};
    case MessageType::piece:
      return {8, limits.block_bytes_max};
    case MessageType::port:
      return {2, 0};
    case MessageType::extended:
      return {1, limits.extended_bytes_max};
    case MessageType::hash_request:
    case MessageType::hash_reject:
      return {kHashFieldBytes, 0};
    case MessageType::hashes:
      return {kHashFieldBytes,
              (std::uint64_t{limits.hashes_max} + kTreeHeightMax) * sizeof(Sha256Digest)};
    case MessageType::unknown:
      return {0, limits.unknown_bytes_max};
  }
  MUT_UNREACHABLE();
}

MessageType type_of(std::uint8_t id) {
  bool const known = id <= 9 || (id >= 13 && id <= 17) || (id >= 20 && id <= 23);
  return known ? static_cast<MessageType>(id) : MessageType::unknown;
}

HashRequest load_hash_request(ByteView fields) {
  HashRequest hashes;
  std::ranges::copy(fields.first(32), hashes.pieces_root.begin());
  hashes.base_layer = load_be<std::uint32_t>(fields.subspan(32));
  hashes.index = load_be<std::uint32_t>(fields.subspan(36));
  hashes.length = load_be<std::uint32_t>(fields.subspan(40));
  hashes.proof_layers = load_be<std::uint32_t>(fields.subspan(44));
  return hashes;
}

void store_hash_request(std::uint8_t* into, HashRequest const& hashes) {
  std::ranges::copy(hashes.pieces_root, into);
  store_be<std::uint32_t>({into + 32, 4}, hashes.base_layer);
  store_be<std::uint32_t>({into + 36, 4}, hashes.index);
  store_be<std::uint32_t>({into + 40, 4}, hashes.length);
  store_be<std::uint32_t>({into + 44, 4}, hashes.proof_layers);
}

void load_fields(MessageHeader& header, ByteView fields) {
  switch (header.type) {
    case MessageType::have:
    case MessageType::suggest:
    case MessageType::allowed_fast:
      header.piece = PieceIndex{load_be<std::uint32_t>(fields)};
      return;
    case MessageType::request:
    case MessageType::cancel:
    case MessageType::reject:
      header.block = {PieceIndex{load_be<std::uint32_t>(fields)},
                      load_be<std::uint32_t>(fields.subspan(4)),
                      load_be<std::uint32_t>(fields.subspan(8))};
      return;
    case MessageType::piece:
      header.block = {PieceIndex{load_be<std::uint32_t>(fields)},
                      load_be<std::uint32_t>(fields.subspan(4)), header.payload_bytes};
      return;
    case MessageType::port:
      header.port = load_be<std::uint16_t>(fields);
      return;
    case MessageType::extended:
      header.extended_id = fields[0];
      return;
    case MessageType::hash_request:
    case MessageType::hashes:
    case MessageType::hash_reject:
      header.hashes = load_hash_request(fields);
      return;
    default:
      return;
  }
}

Result<void> check_piece(PieceIndex piece, MessageLimits const& limits) {
  std::uint64_t const end =
      limits.piece_count.value_or(static_cast<std::uint32_t>(Metainfo::kPiecesMax));
  if (piece.value >= end)
    return fail(Fault::corrupt, fmt::format("piece {} of a torrent of {}", piece.value, end));
  return {};
}

Result<void> check_block(BlockRange const& block, MessageLimits const& limits) {
  MUT_TRY(check_piece(block.piece, limits));
  if (block.length == 0 || block.length > limits.block_bytes_max)
    return fail(Fault::corrupt, fmt::format("a block of {} bytes, where at most {} are agreed",
                                            block.length, limits.block_bytes_max));
  if (block.begin > UINT32_MAX - block.length)
    return fail(Fault::corrupt, "a block that ends beyond 4 GiB");
  return {};
}

/// What the values may be; lengths have been checked.
Result<void> check_fields(MessageHeader const& header, MessageLimits const& limits) {
  switch (header.type) {
    case MessageType::have:
    case MessageType::suggest:
    case MessageType::allowed_fast:
      return check_piece(header.piece, limits);
    case MessageType::request:
    case MessageType::cancel:
    case MessageType::reject:
    case MessageType::piece:
      return check_block(header.block, limits);
    case MessageType::bitfield:
      if (limits.piece_count && header.payload_bytes != bitfield_bytes_max(limits))
        return fail(Fault::corrupt, fmt::format("a bitfield of {} bytes for {} pieces",
                                                header.payload_bytes, *limits.piece_count));
      return {};
    case MessageType::hashes:
      if (header.payload_bytes % sizeof(Sha256Digest) != 0)
        return fail(Fault::corrupt, "hashes that are not whole");
      return {};
    default:
      return {};
  }
}

}  // namespace

// ------------------------------------------------------------------------------------- handshake

Result<Handshake> parse_handshake(std::span<std::uint8_t const, kHandshakeBytes> bytes) {
  ByteView const all = bytes;
  if (base::text_of(all.first(kProtocol.size())) != kProtocol)
    return fail(Fault::unsupported,
                "the other side does not speak the BitTorrent protocol, or encrypts it",
                "this program speaks plain BitTorrent only");
  Handshake handshake;
  std::uint8_t const byte5 = all[kReservedAt + 5];
  std::uint8_t const byte7 = all[kReservedAt + 7];
  handshake.extended = byte5 & kExtendedBit;
  handshake.fast = byte7 & kFastBit;
  handshake.v2 = byte7 & kV2Bit;
  handshake.dht = byte7 & kDhtBit;
  std::ranges::copy(all.subspan(kInfoHashAt, 20), handshake.info_hash.begin());
  std::ranges::copy(all.subspan(kPeerIdAt, 20), handshake.peer_id.begin());
  return handshake;
}

void write_handshake(std::span<std::uint8_t, kHandshakeBytes> into,
                     Handshake const& handshake) noexcept {
  std::ranges::fill(into, std::uint8_t{0});
  std::ranges::copy(base::view_of(kProtocol), into.begin());
  if (handshake.extended) into[kReservedAt + 5] |= kExtendedBit;
  if (handshake.fast) into[kReservedAt + 7] |= kFastBit;
  if (handshake.v2) into[kReservedAt + 7] |= kV2Bit;
  if (handshake.dht) into[kReservedAt + 7] |= kDhtBit;
  std::ranges::copy(handshake.info_hash, into.begin() + kInfoHashAt);
  std::ranges::copy(handshake.peer_id, into.begin() + kPeerIdAt);
}

// -------------------------------------------------------------------------------------- messages

bool HashRequest::well_formed() const noexcept {
  return std::has_single_bit(length) && length >= 2 && index % length == 0 &&
         base_layer <= kTreeHeightMax && proof_layers <= kTreeHeightMax;
}

Result<std::optional<MessageHeader>> parse_message_header(ByteView stream,
                                                          MessageLimits const& limits) {
  if (stream.size() < 4) return std::nullopt;
  auto const length = load_be<std::uint32_t>(stream);
  MessageHeader header;
  header.header_bytes = 4;
  if (length == 0) return header;
  if (stream.size() < 5) return std::nullopt;

  header.type = type_of(stream[4]);
  Shape const shape = shape_of(header.type, limits);
  std::uint32_t const body = length - 1;
  // The type's own limit, before waiting for anything of it to arrive.
  if (body < shape.fixed || body - shape.fixed > shape.payload_max)
    return fail(Fault::corrupt, fmt::format("message {} with a length of {}", stream[4], length));
  if (stream.size() < 5 + shape.fixed) return std::nullopt;

  header.header_bytes = static_cast<std::uint8_t>(5 + shape.fixed);
  header.payload_bytes = body - shape.fixed;
  load_fields(header, stream.subspan(5, shape.fixed));
  MUT_TRY(check_fields(header, limits));
  return header;
}

std::uint8_t* MessageWriter::begin(std::size_t head, std::uint64_t length,
                                   MessageType type) noexcept {
  MUT_ASSERT(length <= UINT32_MAX);
  if (room() < head) return nullptr;
  std::uint8_t* const at = buffer_.data() + used_;
  store_be<std::uint32_t>({at, 4}, static_cast<std::uint32_t>(length));
  if (length > 0) at[4] = static_cast<std::uint8_t>(type);
  used_ += head;
  return at + 5;
}

bool MessageWriter::keep_alive() noexcept {
  return begin(4, 0, MessageType::keep_alive) != nullptr;
}

bool MessageWriter::plain(MessageType type) noexcept {
  MUT_ASSERT(type <= MessageType::not_interested || type == MessageType::have_all ||
             type == MessageType::have_none);
  return begin(5, 1, type) != nullptr;
}

bool MessageWriter::about_piece(MessageType type, PieceIndex piece) noexcept {
  MUT_ASSERT(type == MessageType::have || type == MessageType::suggest ||
             type == MessageType::allowed_fast);
  std::uint8_t* const fields = begin(9, 5, type);
  if (!fields) return false;
  store_be<std::uint32_t>({fields, 4}, piece.value);
  return true;
}

bool MessageWriter::about_block(MessageType type, BlockRange const& block) noexcept {
  MUT_ASSERT(type == MessageType::request || type == MessageType::cancel ||
             type == MessageType::reject);
  std::uint8_t* const fields = begin(17, 13, type);
  if (!fields) return false;
  store_be<std::uint32_t>({fields, 4}, block.piece.value);
  store_be<std::uint32_t>({fields + 4, 4}, block.begin);
  store_be<std::uint32_t>({fields + 8, 4}, block.length);
  return true;
}

bool MessageWriter::piece_header(BlockRange const& block) noexcept {
  std::uint8_t* const fields =
      begin(kPieceHeaderBytes, 9 + std::uint64_t{block.length}, MessageType::piece);
  if (!fields) return false;
  store_be<std::uint32_t>({fields, 4}, block.piece.value);
  store_be<std::uint32_t>({fields + 4, 4}, block.begin);
  return true;
}

bool MessageWriter::bitfield(ByteView wire) noexcept {
  std::uint8_t* const fields = begin(5 + wire.size(), 1 + wire.size(), MessageType::bitfield);
  if (!fields) return false;
  std::ranges::copy(wire, fields);
  return true;
}

bool MessageWriter::port(std::uint16_t port) noexcept {
  std::uint8_t* const fields = begin(7, 3, MessageType::port);
  if (!fields) return false;
  store_be<std::uint16_t>({fields, 2}, port);
  return true;
}

bool MessageWriter::extended_header(std::uint8_t extended_id, std::size_t payload_bytes) noexcept {
  std::uint8_t* const fields = begin(6, 2 + payload_bytes, MessageType::extended);
  if (!fields) return false;
  *fields = extended_id;
  return true;
}

bool MessageWriter::extended(std::uint8_t extended_id, ByteView payload) noexcept {
  if (room() < 6 + payload.size()) return false;
  bool const begun = extended_header(extended_id, payload.size());
  MUT_ASSERT(begun);
  std::ranges::copy(payload, buffer_.data() + used_);
  used_ += payload.size();
  return true;
}

bool MessageWriter::about_hashes(MessageType type, HashRequest const& hashes) noexcept {
  MUT_ASSERT(type == MessageType::hash_request || type == MessageType::hash_reject);
  std::uint8_t* const fields = begin(5 + kHashFieldBytes, 1 + kHashFieldBytes, type);
  if (!fields) return false;
  store_hash_request(fields, hashes);
  return true;
}

bool MessageWriter::hashes_header(HashRequest const& hashes, std::size_t digests) noexcept {
  std::uint64_t const length = 1 + kHashFieldBytes + std::uint64_t{digests} * sizeof(Sha256Digest);
  std::uint8_t* const fields = begin(5 + kHashFieldBytes, length, MessageType::hashes);
  if (!fields) return false;
  store_hash_request(fields, hashes);
  return true;
}

}  // namespace mutirao::swarm
