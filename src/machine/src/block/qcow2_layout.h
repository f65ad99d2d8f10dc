#pragma once

#include <cstdint>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

namespace mutirao::machine {

/// What the header of a qcow2 image says, judged: sizes that follow from it overflow nowhere.
struct Qcow2Layout {
  static constexpr std::size_t kHeaderBytes = 112;  // as far as it is read
  static constexpr std::uint32_t kMagic = 0x514649FB;
  static constexpr std::uint64_t kL1BytesMax = 32 << 20;

  enum class Compression : std::uint8_t { deflate, zstd };

  std::uint64_t disk_bytes = 0;
  unsigned cluster_bits = 16;
  std::uint64_t l1_at = 0;
  std::uint32_t l1_entries = 0;  ///< as many as the disk needs
  Compression compression = Compression::deflate;
  bool zero_clusters = false;  ///< of version 3: an entry may say that there are only zeros

  [[nodiscard]] std::uint64_t cluster_bytes() const { return 1ull << cluster_bits; }
  [[nodiscard]] std::uint64_t l2_entries() const { return cluster_bytes() / 8; }
};

/// `header` is the begin of the file, kHeaderBytes of it or what there is.
[[nodiscard]] Result<Qcow2Layout> read_qcow2_header(ByteView header);

/// Where a cluster is.
struct Qcow2Cluster {
  enum class Kind : std::uint8_t { absent, zero, plain, compressed };
  Kind kind = Kind::absent;
  std::uint64_t at = 0;     ///< in the file
  std::uint64_t bytes = 0;  ///< that a compressed one has at most
};
/// What an entry of the second table means.
[[nodiscard]] Result<Qcow2Cluster> read_qcow2_entry(Qcow2Layout const& layout, std::uint64_t entry);

/// A compressed cluster; what stands behind its end is ignored.
[[nodiscard]] Result<Bytes> decompressed_cluster(Qcow2Layout const& layout, ByteView compressed);

}  // namespace mutirao::machine
