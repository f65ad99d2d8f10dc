#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mutirao/swarm/metainfo.h"

namespace mutirao::swarm {

/// Where a run of content lies in the torrent's space.
struct Extent {
  std::uint64_t offset;  ///< in the space
  std::uint64_t length;
  FileIndex file;
  [[nodiscard]] std::uint64_t end() const noexcept { return offset + length; }
};

/// The arithmetic of blocks, pieces and files of one torrent. Immutable.
///
/// Blocks are 16 KiB cuts of each piece; the last of a piece may be shorter. Some of them hold no
/// content at all: padding between files. They count as verified from the beginning.
class StoreLayout {
 public:
  explicit StoreLayout(Metainfo const& metainfo);

  [[nodiscard]] std::uint64_t block_count() const noexcept { return block_count_; }
  [[nodiscard]] std::uint64_t blocks_per_piece() const noexcept { return blocks_per_piece_; }
  [[nodiscard]] std::uint32_t piece_count() const noexcept { return piece_count_; }
  [[nodiscard]] std::uint32_t piece_length() const noexcept { return piece_length_; }
  [[nodiscard]] std::uint64_t space_size() const noexcept { return space_size_; }

  [[nodiscard]] std::uint64_t block_of(std::uint64_t offset) const noexcept;
  /// Begin and end of a block in the space; empty for one that lies beyond its end.
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };
  [[nodiscard]] Range range_of_block(std::uint64_t block) const noexcept;

  /// Files with content, by offset.
  [[nodiscard]] std::span<Extent const> extents() const noexcept { return extents_; }
  /// The first extent that ends beyond `offset`.
  [[nodiscard]] std::size_t extent_after(std::uint64_t offset) const noexcept;
  /// Bytes of content in [begin, end).
  [[nodiscard]] std::uint64_t content_in(std::uint64_t begin, std::uint64_t end) const noexcept;
  [[nodiscard]] std::uint64_t content_of_block(std::uint64_t block) const noexcept;

 private:
  std::uint64_t space_size_;
  std::uint32_t piece_length_;
  std::uint32_t piece_count_;
  std::uint64_t blocks_per_piece_;
  std::uint64_t block_count_;
  std::vector<Extent> extents_;
  bool dense_;  // no padding: content is where space is
};

}  // namespace mutirao::swarm
