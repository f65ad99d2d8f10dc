#pragma once

#include <cstdint>
#include <optional>

#include "mutirao/base/bytes.h"

namespace mutirao::machine::nat {

/// One Ethernet frame, or several in one: a TCP segment of up to 64 KiB that whoever needs small
/// ones would cut.
struct Frame {
  /// A checksum that is not there yet: that of all bytes from `begin` on, to be put at `begin` +
  /// `offset`, where that of the pseudo-header stands.
  struct MissingChecksum {
    std::uint16_t begin = 0;
    std::uint16_t offset = 0;
  };
  Bytes bytes;
  std::optional<MissingChecksum> missing_checksum{};
  std::uint16_t segment_bytes = 0;  ///< payload of each segment; 0: it is one
};

/// Ethernet header and the largest IPv4 packet.
inline constexpr std::size_t kFrameBytesMax = 14 + 65535;

}  // namespace mutirao::machine::nat
