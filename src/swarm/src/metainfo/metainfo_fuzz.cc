#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "mutirao/swarm/metainfo.h"

/// What parses must be consistent with itself and survive being written and read again.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace mutirao::swarm;
  auto const require = [](bool holds) {
    if (!holds) std::abort();
  };
  mutirao::ByteView const input{data, size};
  auto const parsed = Metainfo::parse(input);
  if (!parsed) {
    require(!parsed.error().what.empty());
    return 0;
  }
  Metainfo const& metainfo = **parsed;
  std::uint64_t content = 0;
  for (TorrentFile const& file : metainfo.files()) {
    require(file.offset + file.length <= metainfo.space_size());
    require(!file.path.starts_with('/') && !file.path.empty());
    if (!file.pad) content += file.length;
  }
  require(content == metainfo.total_size());
  std::uint32_t const pieces = std::min(metainfo.piece_count(), 1000u);
  for (std::uint32_t i = 0; i < pieces; ++i) {
    PieceIndex const piece{i};
    require(metainfo.piece_size(piece) > 0 &&
            metainfo.piece_size(piece) <= metainfo.piece_length());
    require(metainfo.content_size(piece) <= metainfo.piece_size(piece));
    require(metainfo.v1_digest(piece).has_value() == metainfo.has_v1());
    require(metainfo.v2_digest(piece).has_value() == metainfo.has_v2());
    std::uint64_t covered = 0;
    for (FileSlice const& slice :
         slices(metainfo, std::uint64_t{i} * metainfo.piece_length(), metainfo.piece_size(piece)))
      covered += slice.length;
    require(covered == metainfo.piece_size(piece));
  }
  auto const again = Metainfo::parse(metainfo.to_torrent());
  // Only the limits can refuse what was accepted: the same text may be longer when written in
  // order.
  if (again) require((*again)->info_hash() == metainfo.info_hash());
  return 0;
}
