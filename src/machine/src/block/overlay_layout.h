#pragma once

#include <cstdint>
#include <optional>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

namespace mutirao::machine {

/// How an overlay lies in its file: header, bitmap, blocks; each begins at a whole block. Numbers
/// are little-endian.
///
///   0   8  "MUTIOVER"
///   8   4  version, 2
///   12  4  bytes of a block, 4096
///   16  8  bytes of the disk
///   24  8  when what it was made over was changed last, in nanoseconds since 1970; 0: unknown
///   32  4  CRC-32 of the 32 bytes before
///
/// The bitmap begins at 4096: bit `n % 8` of byte `n / 8` says that block `n` is in the file. The
/// header is written last when a file is made, and is no larger than a sector, which no crash
/// tears.
struct OverlayLayout {
  static constexpr std::uint64_t kBlock = 4096;
  static constexpr std::size_t kHeaderBytes = 36;

  std::uint64_t disk_bytes;
  std::int64_t base_modified_ns = 0;

  [[nodiscard]] std::uint64_t blocks() const noexcept { return (disk_bytes + kBlock - 1) / kBlock; }
  [[nodiscard]] static constexpr std::uint64_t bitmap_at() noexcept { return kBlock; }
  [[nodiscard]] std::uint64_t bitmap_bytes() const noexcept { return (blocks() + 7) / 8; }
  [[nodiscard]] std::uint64_t blocks_at() const noexcept {
    return bitmap_at() + (bitmap_bytes() + kBlock - 1) / kBlock * kBlock;
  }
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return blocks_at() + disk_bytes; }
};

[[nodiscard]] Bytes write_overlay_header(OverlayLayout const& layout);

/// The first bytes of a file, at least kHeaderBytes. Nothing when they are all zero: the file was
/// being made.
[[nodiscard]] Result<std::optional<OverlayLayout>> read_overlay_header(ByteView bytes);

}  // namespace mutirao::machine
