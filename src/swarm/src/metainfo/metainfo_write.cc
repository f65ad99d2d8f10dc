#include <map>

#include <fmt/format.h>

#include "mutirao/base/bytes.h"

#include "metainfo/metainfo_parts.h"

namespace mutirao::swarm {
namespace {

using wire::BencodeWriter;

void write_tiers(BencodeWriter& writer, std::vector<std::vector<std::string>> const& tiers) {
  if (tiers.empty()) return;
  writer.key("announce").string(tiers.front().front());
  if (tiers.size() == 1 && tiers.front().size() == 1) return;
  writer.key("announce-list").begin_list();
  for (auto const& tier : tiers) {
    writer.begin_list();
    for (std::string const& url : tier) writer.string(url);
    writer.end();
  }
  writer.end();
}

void write_layers(BencodeWriter& writer, Metainfo const& metainfo) {
  // Sorted as bencode wants it; files of equal content share one.
  std::map<std::string_view, std::span<Sha256Digest const>> layers;
  for (std::uint32_t i = 0; i < metainfo.files().size(); ++i)
    if (auto const layer = metainfo.piece_layer(FileIndex{i}); !layer.empty())
      layers.emplace(base::text_of(*metainfo.files()[i].pieces_root), layer);
  writer.key("piece layers").begin_dictionary();
  for (auto const& [root, layer] : layers)
    writer.key(root).bytes({layer.front().data(), layer.size() * sizeof(Sha256Digest)});
  writer.end();
}

}  // namespace

Bytes Metainfo::to_torrent() const {
  BencodeWriter writer;
  writer.begin_dictionary();
  write_tiers(writer, tracker_tiers());
  if (!comment().empty()) writer.key("comment").string(comment());
  writer.key("info").raw(info());
  if (has_v2()) write_layers(writer, *this);
  if (!web_seeds().empty()) {
    writer.key("url-list").begin_list();
    for (std::string const& url : web_seeds()) writer.string(url);
    writer.end();
  }
  writer.end();
  return std::move(writer).finish();
}

}  // namespace mutirao::swarm
