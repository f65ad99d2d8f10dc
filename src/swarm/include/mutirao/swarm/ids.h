#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "mutirao/base/bytes.h"
#include "mutirao/base/strong.h"

namespace mutirao::swarm {

/// What is requested and answered at once, and the leaf of v2 hash trees (BEP 3, BEP 52).
inline constexpr std::uint32_t kBlockBytes = 16 * 1024;

using PieceIndex = base::Strong<struct PieceIndexTag, std::uint32_t>;
using FileIndex = base::Strong<struct FileIndexTag, std::uint32_t>;

using Sha1Digest = std::array<std::uint8_t, 20>;
using Sha256Digest = std::array<std::uint8_t, 32>;
using PeerId = std::array<std::uint8_t, 20>;

/// The hashes of an info dictionary: v1, v2, or both for a hybrid torrent. At least one is present.
struct InfoHash {
  std::optional<Sha1Digest> v1;
  std::optional<Sha256Digest> v2;

  /// What handshakes and trackers carry for v2: its first 20 bytes (BEP 52).
  [[nodiscard]] std::optional<Sha1Digest> v2_truncated() const noexcept;
  /// True when `wire`, from a handshake or an announce, names this torrent.
  [[nodiscard]] bool matches(Sha1Digest const& wire) const noexcept;
  /// The name of the torrent in the program: hex of v2 where there is one, else of v1.
  [[nodiscard]] std::string id() const;
  friend auto operator<=>(InfoHash const&, InfoHash const&) = default;
};

/// A run of bytes of one piece.
struct BlockRange {
  PieceIndex piece;
  std::uint32_t begin = 0;
  std::uint32_t length = 0;
  friend auto operator<=>(BlockRange const&, BlockRange const&) = default;
};

}  // namespace mutirao::swarm
