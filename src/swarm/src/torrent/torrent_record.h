#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/swarm/metainfo.h"
#include "mutirao/world/world.h"

namespace mutirao::swarm {

/// What is kept of a torrent between two runs of the program, next to its .torrent.
struct TorrentRecord {
  InfoHash info_hash;
  std::string folder;
  std::string magnet;                 ///< while the metadata is unknown, else empty
  std::vector<std::string> trackers;  ///< named by the user
  bool paused = false;
  bool on_demand = false;      ///< fetches what is read and nothing else
  std::uint64_t uploaded = 0;  ///< bytes of payload, over all runs
  std::uint64_t downloaded = 0;
};

[[nodiscard]] Bytes to_bencode(TorrentRecord const& record);
[[nodiscard]] Result<TorrentRecord> parse_torrent_record(ByteView bytes);

/// The .torrent and the record of every torrent of a node, as `ID.torrent` and `ID.state` in one
/// folder. Each file is replaced as a whole: after a crash it is the old one or the new one.
class RecordFolder {
 public:
  struct Found {
    std::string id;
    Result<TorrentRecord> record;
    std::shared_ptr<Metainfo const> metainfo;  ///< null: unknown, or unreadable
  };
  RecordFolder(world::World& world, std::string path) : world_{world}, path_{std::move(path)} {}

  Result<void> save(std::string const& id, TorrentRecord const& record);
  Result<void> save_metainfo(std::string const& id, Metainfo const& metainfo);
  Result<void> remove(std::string const& id);
  [[nodiscard]] Result<std::vector<Found>> load();

 private:
  [[nodiscard]] Result<std::unique_ptr<world::Directory>> open();
  Result<void> replace(std::string const& name, ByteView content);
  world::World& world_;
  std::string path_;
  bool made_ = false;
};

}  // namespace mutirao::swarm
