#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/swarm/ids.h"
#include "mutirao/world/address.h"

/// What travels inside `extended` messages: the extension handshake (BEP 10, 21) and the exchange
/// of metadata (BEP 9). Codec only; every length, count and number from the peer is limited here.
namespace mutirao::swarm {

/// Message 20 with this id is the handshake itself.
inline constexpr std::uint8_t kExtensionHandshakeId = 0;
/// What is cut into 16 KiB pieces by ut_metadata; more is refused, as Metainfo would refuse it.
inline constexpr std::uint32_t kMetadataBytesMax = 10 * 1024 * 1024;

struct ExtensionName {
  std::string name;     ///< "ut_metadata"
  std::uint8_t id = 0;  ///< what the sender of the handshake wants to receive; 0: no longer
  friend bool operator==(ExtensionName const&, ExtensionName const&) = default;
};

/// What a peer says of itself. A later handshake of the same peer changes only what it names:
/// apply().
struct ExtensionHandshake {
  static constexpr std::size_t kNamesMax = 64;
  static constexpr std::size_t kNameBytesMax = 64;
  static constexpr std::size_t kClientBytesMax = 64;

  std::vector<ExtensionName> extensions;       ///< `m`
  std::string client;                          ///< `v`: printable UTF-8, cut to kClientBytesMax
  std::optional<std::uint16_t> listen_port;    ///< `p`
  std::optional<std::uint32_t> requests_max;   ///< `reqq`: requests that it keeps; at least 1
  std::optional<std::uint32_t> metadata_size;  ///< bytes, 1 to kMetadataBytesMax
  std::optional<world::IpAddress> your_ip;     ///< how the peer sees us
  std::optional<bool> upload_only;             ///< BEP 21: it will request nothing

  /// The id under which the peer wants messages of that extension; 0 when it does not speak it.
  [[nodiscard]] std::uint8_t id_of(std::string_view name) const noexcept;
  void apply(ExtensionHandshake later);
  friend bool operator==(ExtensionHandshake const&, ExtensionHandshake const&) = default;
};

/// `payload` is what follows the extended id. Fields of a wrong kind or out of range are left out,
/// as clients differ; what is not a bencoded dictionary is refused.
[[nodiscard]] Result<ExtensionHandshake> parse_extension_handshake(ByteView payload);
/// The payload; the extended message header goes in front.
[[nodiscard]] Bytes to_payload(ExtensionHandshake const& handshake);

/// One message of ut_metadata (BEP 9).
struct MetadataMessage {
  enum class Kind : std::uint8_t { request = 0, data = 1, reject = 2 };
  Kind kind = Kind::request;
  std::uint32_t piece = 0;       ///< of 16 KiB of the info dictionary
  std::uint32_t total_size = 0;  ///< data: of the info dictionary, 1 to kMetadataBytesMax
  ByteView data;                 ///< data: points into the payload; exactly as long as the piece is
};

/// Empty for a kind that BEP 9 does not define: such are ignored. Refuses numbers out of range and
/// data of another length than its piece has.
[[nodiscard]] Result<std::optional<MetadataMessage>> parse_metadata_message(ByteView payload);
[[nodiscard]] Bytes to_payload(MetadataMessage const& message);

/// Bytes of piece `piece` of an info dictionary of `total_size`; 0 beyond its end.
[[nodiscard]] std::uint32_t metadata_piece_bytes(std::uint32_t total_size,
                                                 std::uint32_t piece) noexcept;

}  // namespace mutirao::swarm
