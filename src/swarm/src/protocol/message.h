#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/swarm/ids.h"
#include "mutirao/world/address.h"

/// The peer wire protocol as bytes: BEP 3, 6 (fast), 10 (extended), 52 (v2 hashes). No I/O.
///
/// Most of what a peer sends is payload that belongs at one place of one buffer, and copying it
/// there from a message object would cost as much as receiving it. So a message is parsed only as
/// far as its *header*: length, id and the fields of fixed size (13 bytes for a piece). The reader
/// then receives the payload straight into its place. Nothing here allocates for a block.
///
/// All lengths come from a stranger: a header that announces more than its type can hold is refused
/// before a byte of payload is read.
namespace mutirao::swarm {

// ------------------------------------------------------------------------------------- handshake

inline constexpr std::size_t kHandshakeBytes = 68;

/// The first message of both sides (BEP 3).
struct Handshake {
  Sha1Digest info_hash{};  ///< of v1, or of v2 cut to 20 bytes
  PeerId peer_id{};
  bool extended = false;  ///< extension protocol: reserved byte 5, 0x10 (BEP 10)
  bool fast = false;      ///< fast extension: reserved byte 7, 0x04 (BEP 6)
  bool v2 = false;        ///< speaks v2: reserved byte 7, 0x10 (BEP 52)
  bool dht = false;       ///< has a DHT port: reserved byte 7, 0x01 (BEP 5)
  friend bool operator==(Handshake const&, Handshake const&) = default;
};

/// Fails with unsupported when it is not BitTorrent at all.
[[nodiscard]] Result<Handshake> parse_handshake(
    std::span<std::uint8_t const, kHandshakeBytes> bytes);
void write_handshake(std::span<std::uint8_t, kHandshakeBytes> into,
                     Handshake const& handshake) noexcept;

// -------------------------------------------------------------------------------------- messages

enum class MessageType : std::uint8_t {
  choke = 0,
  unchoke = 1,
  interested = 2,
  not_interested = 3,
  have = 4,
  bitfield = 5,
  request = 6,
  piece = 7,
  cancel = 8,
  port = 9,           // BEP 5
  suggest = 13,       // BEP 6
  have_all = 14,      // BEP 6
  have_none = 15,     // BEP 6
  reject = 16,        // BEP 6
  allowed_fast = 17,  // BEP 6
  extended = 20,      // BEP 10
  hash_request = 21,  // BEP 52
  hashes = 22,        // BEP 52
  hash_reject = 23,   // BEP 52
  keep_alive = 254,   // a length of zero; has no id on the wire
  unknown = 255,      // an id that this program does not know: skip its payload
};

/// Which hashes of a file's tree: the fixed fields of messages 21, 22 and 23 (BEP 52).
struct HashRequest {
  Sha256Digest pieces_root{};
  std::uint32_t base_layer = 0;    ///< 0: the 16 KiB leaves
  std::uint32_t index = 0;         ///< of the first hash in that layer; a multiple of `length`
  std::uint32_t length = 0;        ///< hashes; a power of two, at least 2
  std::uint32_t proof_layers = 0;  ///< ancestor layers wanted above the base layer
  /// What BEP 52 demands of a request; one that is not is answered by a hash reject.
  [[nodiscard]] bool well_formed() const noexcept;
  friend bool operator==(HashRequest const&, HashRequest const&) = default;
};

/// A message without its payload. Only the fields of its type mean anything.
struct MessageHeader {
  MessageType type = MessageType::keep_alive;
  std::uint8_t extended_id = 0;   ///< extended
  std::uint8_t header_bytes = 0;  ///< of the stream that this header took
  std::uint16_t port = 0;         ///< port
  std::uint32_t payload_bytes =
      0;               ///< that follow the header: bitfield, piece, extended, hashes, unknown
  PieceIndex piece;    ///< have, suggest, allowed_fast
  BlockRange block;    ///< request, piece, cancel, reject
  HashRequest hashes;  ///< hash_request, hashes, hash_reject
};

/// Longest header: the length, the id and a HashRequest.
inline constexpr std::size_t kMessageHeaderBytesMax = 4 + 1 + 48;
/// Header of a piece message; its payload follows.
inline constexpr std::size_t kPieceHeaderBytes = 13;

/// What is accepted from a peer.
struct MessageLimits {
  /// Pieces of the torrent: indices are below it, a bitfield has exactly its length. Absent while
  /// the metadata of a magnet is not here yet.
  std::optional<std::uint32_t> piece_count{};
  std::uint32_t block_bytes_max = kBlockBytes;  ///< in a request or a piece
  std::uint32_t extended_bytes_max = 1024 * 1024;
  std::uint32_t hashes_max = 512;  ///< in a hash request (BEP 52 asks for no more)
  std::uint32_t unknown_bytes_max = 64 * 1024;
};

/// The header at the front of `stream`; empty while it is not whole. At most kMessageHeaderBytesMax
/// bytes are looked at. Fails with corrupt for what no honest peer sends: the connection is then
/// over.
[[nodiscard]] Result<std::optional<MessageHeader>> parse_message_header(
    ByteView stream, MessageLimits const& limits);

/// Appends messages to a buffer of fixed size. A message that has no room is not begun: false.
class MessageWriter {
 public:
  explicit MessageWriter(MutableBytes buffer) noexcept : buffer_{buffer} {}

  [[nodiscard]] ByteView written() const noexcept { return buffer_.first(used_); }
  [[nodiscard]] std::size_t room() const noexcept { return buffer_.size() - used_; }
  void clear() noexcept { used_ = 0; }

  bool keep_alive() noexcept;
  /// choke, unchoke, interested, not_interested, have_all, have_none.
  bool plain(MessageType type) noexcept;
  /// have, suggest, allowed_fast.
  bool about_piece(MessageType type, PieceIndex piece) noexcept;
  /// request, cancel, reject.
  bool about_block(MessageType type, BlockRange const& block) noexcept;
  /// The 13 bytes in front of `block.length` bytes of payload.
  bool piece_header(BlockRange const& block) noexcept;
  /// `wire` is Bitfield::to_wire().
  bool bitfield(ByteView wire) noexcept;
  bool port(std::uint16_t port) noexcept;
  /// In front of `payload_bytes` of an extension message.
  bool extended_header(std::uint8_t extended_id, std::size_t payload_bytes) noexcept;
  bool extended(std::uint8_t extended_id, ByteView payload) noexcept;
  /// hash_request, hash_reject.
  bool about_hashes(MessageType type, HashRequest const& hashes) noexcept;
  /// In front of `digests` digests of 32 bytes.
  bool hashes_header(HashRequest const& hashes, std::size_t digests) noexcept;

 private:
  /// Room for `head` bytes of a message that is `length` long on the wire, its length and id
  /// written; null when there is none. What follows the id is filled in by the caller.
  [[nodiscard]] std::uint8_t* begin(std::size_t head, std::uint64_t length,
                                    MessageType type) noexcept;
  MutableBytes buffer_;
  std::size_t used_ = 0;
};

// ------------------------------------------------------------------------------------------ BEP 6

/// The pieces that a peer at `address` may fetch while choked: the same on both sides, so that a
/// peer can't get another set by reconnecting (BEP 6, "Allowed Fast Set"). At most `count` and at
/// most `piece_count` of them. BEP 6 defines IPv4 only; of IPv6 the network half (/64) is used.
[[nodiscard]] std::vector<PieceIndex> allowed_fast_set(world::IpAddress const& address,
                                                       Sha1Digest const& info_hash,
                                                       std::uint32_t piece_count,
                                                       std::size_t count = 10);

}  // namespace mutirao::swarm
