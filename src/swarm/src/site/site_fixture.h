#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mutirao/wire/bencode.h"

#include "site/site_source.h"

/// Shared torrents without a swarm, for tests of what stands before it.
namespace mutirao::swarm {

struct FixtureFile {
  std::string path;  ///< below the torrent's name; empty: the torrent is this one file
  std::uint64_t length;
  bool pad = false;
};

/// A v1 torrent whose piece hashes are of no content at all.
inline std::shared_ptr<Metainfo const> fixture_metainfo(std::string const& name,
                                                        std::vector<FixtureFile> const& files,
                                                        std::uint32_t piece_length = 256 << 10) {
  std::uint64_t total = 0;
  for (auto const& file : files) total += file.length;
  auto const pieces = (total + piece_length - 1) / piece_length;
  wire::BencodeWriter writer;
  writer.begin_dictionary().key("info").begin_dictionary();
  if (files.size() == 1 && files[0].path.empty()) {
    writer.key("length").integer(static_cast<std::int64_t>(total));
  } else {
    writer.key("files").begin_list();
    for (auto const& file : files) {
      writer.begin_dictionary();
      if (file.pad) writer.key("attr").string("p");
      writer.key("length").integer(static_cast<std::int64_t>(file.length)).key("path").begin_list();
      for (std::string_view rest = file.path; !rest.empty();) {
        auto const slash = std::min(rest.find('/'), rest.size());
        writer.string(rest.substr(0, slash));
        rest = rest.substr(std::min(slash + 1, rest.size()));
      }
      writer.end().end();
    }
    writer.end();
  }
  writer.key("name")
      .string(name)
      .key("piece length")
      .integer(piece_length)
      .key("pieces")
      .string(std::string(pieces * 20, 'h'));
  writer.end().end();
  auto const torrent = std::move(writer).finish();
  return Metainfo::parse(torrent).value();
}

/// The content of every fixture: byte i of the torrent's space.
inline std::uint8_t fixture_byte(std::uint64_t offset) {
  return static_cast<std::uint8_t>(offset * 7 + (offset >> 8));
}

class FixtureSource final : public SiteSource {
 public:
  TorrentStatus& add(std::shared_ptr<Metainfo const> metainfo, TorrentPhase phase,
                     std::size_t pieces_here) {
    TorrentStatus status;
    status.id = metainfo->info_hash().id();
    status.name = metainfo->name();
    status.phase = phase;
    status.bytes_total = metainfo->total_size();
    status.pieces_total = metainfo->piece_count();
    Bitfield pieces{metainfo->piece_count()};
    // Here and there, as in a real download.
    for (std::size_t i = 0; pieces.count() < std::min<std::size_t>(pieces_here, pieces.size());
         i = (i + 37) % pieces.size())
      if (!pieces.set(i)) i = (i + 1) % pieces.size();
    status.pieces_verified = static_cast<std::uint32_t>(pieces.count());
    status.bytes_verified =
        pieces.all()
            ? status.bytes_total
            : std::min<std::uint64_t>(status.bytes_total,
                                      pieces.count() * std::uint64_t{metainfo->piece_length()});
    pieces_[status.id] = std::move(pieces);
    metainfos_[status.id] = std::move(metainfo);
    torrents_.push_back(std::move(status));
    return torrents_.back();
  }
  TorrentStatus& add_magnet(std::string id, std::string name) {
    TorrentStatus status;
    status.id = std::move(id);
    status.name = std::move(name);
    torrents_.push_back(std::move(status));
    return torrents_.back();
  }

  [[nodiscard]] std::vector<TorrentStatus> list() const override { return torrents_; }
  [[nodiscard]] Result<std::shared_ptr<Metainfo const>> metainfo(
      TorrentId const& id) const override {
    auto const found = metainfos_.find(id);
    if (found == metainfos_.end()) return fail(Fault::not_found, "no such torrent");
    return found->second;
  }
  [[nodiscard]] Result<Bitfield> pieces(TorrentId const& id) const override {
    auto const found = pieces_.find(id);
    if (found == pieces_.end()) return fail(Fault::not_found, "no such torrent");
    return found->second;
  }
  Result<void> read(TorrentId const& id, FileIndex file, std::uint64_t offset, MutableBytes into,
                    Deadline) override {
    ++reads;
    auto const begin = metainfos_.at(id)->files()[file.value].offset + offset;
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = fixture_byte(begin + i);
    return {};
  }

  unsigned reads = 0;

 private:
  std::vector<TorrentStatus> torrents_;
  std::map<TorrentId, std::shared_ptr<Metainfo const>> metainfos_;
  std::map<TorrentId, Bitfield> pieces_;
};

}  // namespace mutirao::swarm
