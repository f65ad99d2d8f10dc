#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/swarm/metainfo.h"
#include "mutirao/world/world.h"

namespace mutirao::swarm {

enum class TorrentFormat : std::uint8_t { v1, v2, hybrid };

struct MakeOptions {
  TorrentFormat format = TorrentFormat::hybrid;
  std::uint32_t piece_length = 0;  ///< bytes, a power of two of at least 16 KiB; 0: by size, 256
                                   ///< KiB to 16 MiB, less for small files
  std::vector<std::vector<std::string>> tracker_tiers{};
  std::vector<std::string> web_seeds{};
  bool is_private = false;
  std::string comment{};
};

/// Told on the threads that hash, one call at a time.
struct MakeProgress {
  std::uint64_t bytes_done;
  std::uint64_t bytes_total;
};

/// Hashes a file or a folder on disk, on all processors, and describes it. Fails when a file
/// changes while it is read. Names that could not be stored safely elsewhere are refused with a
/// mend; symbolic links and special files are skipped and listed in `skipped`. The same input gives
/// the same bytes.
struct MadeTorrent {
  std::shared_ptr<Metainfo const> metainfo;
  std::vector<std::string> skipped;
};
[[nodiscard]] Result<MadeTorrent> make_torrent(world::World& world, std::string const& path,
                                               MakeOptions options,
                                               std::function<void(MakeProgress)> progress = {});

}  // namespace mutirao::swarm
