#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mutirao/node/config.h"
#include "mutirao/node/library.h"
#include "mutirao/swarm/swarm.h"
#include "mutirao/swarm/tracker.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/world/world.h"

#include "links.h"
#include "state_db.h"

namespace mutirao::node {

/// The library inside the node: joins what the swarm does with what the node remembers, and lets
/// the node's own tracker know every torrent that it serves.
class LocalLibrary final : public Library {
 public:
  /// All of them outlive it.
  LocalLibrary(world::World& world, swarm::Swarm& swarm, swarm::Tracker& tracker, StateDb& db,
               NodeConfig const& config, Contact contact);

  /// Continues what was there before; called once, before anybody else calls.
  Result<void> restore();
  /// Introduces to each torrent the peers that our tracker has met, and tells the tracker of
  /// torrents whose metadata has arrived since. Called every few seconds.
  void tend();

  Result<Shared> share(ShareRequest request, std::function<bool(swarm::MakeProgress)> progress,
                       Deadline deadline) override;
  Result<Shared> put(std::string name, ShareRequest request, middleware::Attachment const& content,
                     std::function<bool(swarm::MakeProgress)> progress, Deadline deadline) override;
  Result<Started> get(GetRequest request, Deadline deadline) override;
  Result<std::vector<Transfer>> list(Deadline deadline) override;
  Result<Transfer> show(std::string_view name, Deadline deadline) override;
  Result<Transfer> pause(std::string_view name, Deadline deadline) override;
  Result<Transfer> resume(std::string_view name, Deadline deadline) override;
  Result<Transfer> verify(std::string_view name, Deadline deadline) override;
  Result<Transfer> remove(std::string_view name, bool content, Deadline deadline) override;
  Result<void> watch(std::string_view name, Duration interval,
                     std::function<bool(std::vector<Transfer> const&)> see,
                     Deadline deadline) override;

 private:
  struct Entry {
    TorrentRecord record;
    swarm::InfoHash info_hash;
    bool is_private = false;
    bool metadata_known = false;
    std::uint32_t files_total = 0;
    unsigned watchers = 0;
  };

  Result<swarm::TorrentId> add(swarm::AddRequest request, TorrentRecord record);
  void learn(Entry& entry, swarm::Metainfo const& metainfo);
  void restore_one(TorrentRecord const& record);
  [[nodiscard]] Transfer describe(swarm::TorrentStatus status) const;
  [[nodiscard]] Result<Transfer> describe(swarm::TorrentId const& id) const;
  [[nodiscard]] std::int64_t civil_seconds() const;

  world::World& world_;
  swarm::Swarm& swarm_;
  swarm::Tracker& tracker_;
  StateDb& db_;
  NodeConfig const& config_;
  Contact contact_;

  mutable threads::mutex mutex_;  // guards entries_; never held over a call that parks
  std::map<swarm::TorrentId, Entry> entries_;
};

/// What `get` was given, understood.
struct Source {
  swarm::AddRequest request;  ///< `what`, peers and permitted trackers; no folder
  std::string name;
  swarm::InfoHash info_hash;
};

/// Reads a magnet link, a .torrent file, or the .torrent that a URL leads to.
[[nodiscard]] Result<Source> read_source(world::World& world, GetRequest const& request,
                                         Deadline deadline);

}  // namespace mutirao::node
