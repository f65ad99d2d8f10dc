#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/swarm/tracker.h"

#include "site/site_source.h"

namespace mutirao::swarm {

/// One shared torrent as the page and the live figures show it.
struct SiteItem {
  TorrentStatus status;
  std::shared_ptr<Metainfo const> metainfo;  ///< absent while a magnet waits for it
  std::uint32_t seeds = 0;
  std::uint32_t leeches = 0;
  std::string map;  ///< data of an SVG path in a box of `map_width` by kMapHeight
  unsigned map_width = 1;
};

inline constexpr unsigned kMapHeight = 8;
inline constexpr unsigned kMapWidthMax = 160;

/// Where the swarm of a torrent and its torrents are; both outlive the call.
[[nodiscard]] std::vector<SiteItem> site_items(SiteSource const& source, Tracker const& tracker);

/// The map of pieces: as many columns as pieces, up to kMapWidthMax; a column that stands for
/// several is as high as the share of them that is here. Height is the sign, so that colour need
/// not be.
struct PiecesMap {
  std::string path;
  unsigned width;
};
[[nodiscard]] PiecesMap draw_pieces_map(Bitfield const& pieces);

/// Whole percent, rounded down: 100 only when nothing is missing.
[[nodiscard]] unsigned whole_percent(std::uint64_t part, std::uint64_t whole) noexcept;

/// First path segment below /files/ for each torrent is its name; this is the address of a file.
[[nodiscard]] std::string site_file_path(SiteItem const& item, TorrentFile const& file,
                                         bool name_is_shared);
/// True for the names that more than one of the torrents has.
[[nodiscard]] bool name_is_shared(std::vector<SiteItem> const& items, SiteItem const& item);

}  // namespace mutirao::swarm
