#pragma once

#include <memory>
#include <vector>

#include "mutirao/swarm/swarm.h"

namespace mutirao::swarm {

/// What the site needs of a Swarm: so that it can be shown and tested without one.
class SiteSource {
 public:
  virtual ~SiteSource() = default;
  [[nodiscard]] virtual std::vector<TorrentStatus> list() const = 0;
  /// What is known now; fails while the metadata of a magnet has not arrived.
  [[nodiscard]] virtual Result<std::shared_ptr<Metainfo const>> metainfo(
      TorrentId const& id) const = 0;
  [[nodiscard]] virtual Result<Bitfield> pieces(TorrentId const& id) const = 0;
  virtual Result<void> read(TorrentId const& id, FileIndex file, std::uint64_t offset,
                            MutableBytes into, Deadline deadline) = 0;
};

}  // namespace mutirao::swarm
