#pragma once

#include <cstdint>
#include <optional>

#include "mutirao/base/bytes.h"

namespace mutirao::machine::vsock {

inline constexpr std::uint64_t kHostCid = 2, kGuestCid = 3;
inline constexpr std::size_t kHeaderBytes = 44;
/// Of one packet, in either direction.
inline constexpr std::size_t kPayloadMax = 64 << 10;

/// What goes over virtio sockets (Virtio 1.2, 5.10.6), of streams. Views point into what was
/// parsed.
struct Packet {
  enum Operation : std::uint16_t {
    request = 1,
    response = 2,
    reset = 3,
    shutdown = 4,
    data = 5,
    credit_update = 6,
    credit_request = 7,
  };
  static constexpr std::uint16_t kStream = 1;
  static constexpr std::uint32_t kTakesNoMore = 1, kSendsNoMore = 2;  // flags of a shutdown

  std::uint64_t source_cid = kHostCid, destination_cid = kGuestCid;
  std::uint32_t source_port = 0, destination_port = 0;
  std::uint16_t type = kStream;
  std::uint16_t operation = 0;
  std::uint32_t flags = 0;
  std::uint32_t room = 0;   ///< of the sender's buffer, all of it
  std::uint32_t taken = 0;  ///< bytes that went through it, modulo 2^32
  ByteView payload{};
};

[[nodiscard]] std::optional<Packet> parse_packet(ByteView bytes);
[[nodiscard]] Bytes to_bytes(Packet const& packet);

}  // namespace mutirao::machine::vsock
