#include "site/site_item.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "web_seed/web_seed_url.h"

namespace mutirao::swarm {
namespace {

unsigned column_height(Bitfield const& pieces, std::size_t begin, std::size_t end) {
  std::size_t here = 0;
  for (auto i = begin; i < end; ++i) here += pieces.test(i);
  if (here == 0) return 0;
  if (here == end - begin) return kMapHeight;
  return 1 + static_cast<unsigned>((kMapHeight - 2) * here / (end - begin));
}

/// What other trackers say counts where ours does not track the torrent.
void count_peers(SiteItem& item, Tracker const& tracker) {
  if (!item.metainfo) return;
  auto const counts = tracker.counts(item.metainfo->info_hash());
  item.seeds = counts.seeds;
  item.leeches = counts.leeches;
  if (counts.seeds + counts.leeches > 0) return;
  for (auto const& other : item.status.trackers) {
    item.seeds = std::max(item.seeds, other.seeds.value_or(0));
    item.leeches = std::max(item.leeches, other.leeches.value_or(0));
  }
}

}  // namespace

PiecesMap draw_pieces_map(Bitfield const& pieces) {
  auto const width = static_cast<unsigned>(std::clamp<std::size_t>(pieces.size(), 1, kMapWidthMax));
  PiecesMap map{{}, width};
  if (pieces.size() == 0) return map;
  auto const height_at = [&](unsigned column) {
    return column_height(pieces, column * pieces.size() / width,
                         (column + 1) * pieces.size() / width);
  };
  for (unsigned begin = 0, height = height_at(0); begin < width;) {
    unsigned end = begin + 1;
    unsigned next = 0;
    while (end < width && (next = height_at(end)) == height) ++end;
    if (height > 0)
      fmt::format_to(std::back_inserter(map.path), "M{} {}V{}H{}V{}z", begin, kMapHeight,
                     kMapHeight - height, end, kMapHeight);
    begin = end;
    height = next;
  }
  return map;
}

unsigned whole_percent(std::uint64_t part, std::uint64_t whole) noexcept {
  if (part >= whole) return 100;
  return std::min(
      99u, static_cast<unsigned>(static_cast<double>(part) * 100 / static_cast<double>(whole)));
}

std::vector<SiteItem> site_items(SiteSource const& source, Tracker const& tracker) {
  std::vector<SiteItem> items;
  for (auto& status : source.list()) {
    SiteItem item;
    item.status = std::move(status);
    if (auto metainfo = source.metainfo(item.status.id)) item.metainfo = *std::move(metainfo);
    if (auto const pieces = source.pieces(item.status.id)) {
      auto map = draw_pieces_map(*pieces);
      item.map = std::move(map.path);
      item.map_width = map.width;
    }
    count_peers(item, tracker);
    items.push_back(std::move(item));
  }
  std::ranges::sort(
      items, {}, [](SiteItem const& item) { return std::tie(item.status.name, item.status.id); });
  return items;
}

bool name_is_shared(std::vector<SiteItem> const& items, SiteItem const& item) {
  return std::ranges::count_if(items, [&](SiteItem const& other) {
           return other.metainfo && item.metainfo &&
                  other.metainfo->name() == item.metainfo->name();
         }) > 1;
}

std::string site_file_path(SiteItem const& item, TorrentFile const& file, bool name_is_shared) {
  auto const path = percent_encode_path(file.path);
  return name_is_shared ? fmt::format("/files/{}/{}", item.status.id, path)
                        : fmt::format("/files/{}", path);
}

}  // namespace mutirao::swarm
