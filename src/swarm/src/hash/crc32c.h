#pragma once

#include <cstdint>

#include "mutirao/base/bytes.h"

namespace mutirao::swarm {

/// CRC-32C (Castagnoli), as iSCSI has it (RFC 3720, B.4): finds torn and rotten records of the map
/// and ranks peers (BEP 40). By the processor's instruction where it has one. `seed` is the CRC of
/// what came before: crc32c(b, crc32c(a)) is the CRC of a followed by b.
[[nodiscard]] std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0) noexcept;
/// The same without the instruction.
[[nodiscard]] std::uint32_t crc32c_plain(ByteView bytes, std::uint32_t seed = 0) noexcept;

}  // namespace mutirao::swarm
