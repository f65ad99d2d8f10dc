#include "store/store_layout.h"

#include <algorithm>

namespace mutirao::swarm {

StoreLayout::StoreLayout(Metainfo const& metainfo)
    : space_size_{metainfo.space_size()},
      piece_length_{metainfo.piece_length()},
      piece_count_{metainfo.piece_count()},
      blocks_per_piece_{(std::uint64_t{piece_length_} + kBlockBytes - 1) / kBlockBytes},
      block_count_{blocks_per_piece_ * piece_count_},
      dense_{metainfo.total_size() == metainfo.space_size()} {
  std::span<TorrentFile const> const files = metainfo.files();
  for (std::uint32_t i = 0; i < files.size(); ++i)
    if (!files[i].pad && files[i].length > 0)
      extents_.push_back({files[i].offset, files[i].length, FileIndex{i}});
  std::ranges::sort(extents_, {}, &Extent::offset);
}

std::uint64_t StoreLayout::block_of(std::uint64_t offset) const noexcept {
  return offset / piece_length_ * blocks_per_piece_ + offset % piece_length_ / kBlockBytes;
}

StoreLayout::Range StoreLayout::range_of_block(std::uint64_t block) const noexcept {
  std::uint64_t const piece = block / blocks_per_piece_ * piece_length_;
  std::uint64_t const piece_end = std::min<std::uint64_t>(piece + piece_length_, space_size_);
  std::uint64_t const begin = std::min(piece + block % blocks_per_piece_ * kBlockBytes, piece_end);
  return {begin, std::min(begin + kBlockBytes, piece_end)};
}

std::size_t StoreLayout::extent_after(std::uint64_t offset) const noexcept {
  auto const found = std::ranges::upper_bound(extents_, offset, {}, &Extent::end);
  return static_cast<std::size_t>(found - extents_.begin());
}

std::uint64_t StoreLayout::content_in(std::uint64_t begin, std::uint64_t end) const noexcept {
  end = std::min(end, space_size_);
  if (begin >= end) return 0;
  if (dense_) return end - begin;
  std::uint64_t content = 0;
  for (std::size_t i = extent_after(begin); i < extents_.size() && extents_[i].offset < end; ++i)
    content += std::min(end, extents_[i].end()) - std::max(begin, extents_[i].offset);
  return content;
}

std::uint64_t StoreLayout::content_of_block(std::uint64_t block) const noexcept {
  Range const range = range_of_block(block);
  return content_in(range.begin, range.end);
}

}  // namespace mutirao::swarm
