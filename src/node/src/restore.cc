#include <algorithm>
#include <mutex>

#include "mutirao/swarm/magnet.h"
#include "mutirao/threads/this_thread.h"

#include "local_library.h"

namespace mutirao::node {

// The swarm keeps metainfo and maps of its own. What it has, we describe; what only our record has,
// because a crash came between, is begun again from the user's words.
Result<void> LocalLibrary::restore() {
  auto const records = MUT_TRY(db_.torrents());
  MUT_TRY(swarm_.restore());
  for (auto const& record : records) restore_one(record);
  return {};
}

void LocalLibrary::restore_one(TorrentRecord const& record) {
  Entry entry;
  entry.record = record;
  if (!swarm_.find(record.id)) {
    auto source =
        read_source(world_, {.what = record.source, .folder = record.folder}, threads::within(10s));
    if (!source) {
      world_.log().warning("node", "{}: can't be continued: {}", record.name, source.error().what);
      return;
    }
    source->request.folder = record.folder;
    source->request.trackers = record.trackers;
    if (auto added = swarm_.add(std::move(source->request)); !added) {
      world_.log().warning("node", "{}: can't be continued: {}", record.name, added.error().what);
      return;
    }
    entry.info_hash = source->info_hash;
  }
  if (auto const metainfo = swarm_.metainfo(record.id, threads::within(0s)))
    learn(entry, **metainfo);
  else if (auto const magnet = swarm::Magnet::parse(record.source))
    entry.info_hash = magnet->info_hash;
  if (entry.info_hash.v1 || entry.info_hash.v2) tracker_.admit(entry.info_hash);
  std::lock_guard const lock{mutex_};
  entries_.insert_or_assign(record.id, std::move(entry));
}

void LocalLibrary::tend() {
  std::vector<std::pair<swarm::TorrentId, Entry>> now;
  {
    std::lock_guard const lock{mutex_};
    now.assign(entries_.begin(), entries_.end());
  }
  for (auto& [id, entry] : now) {
    if (!entry.metadata_known) {
      auto const metainfo = swarm_.metainfo(id, threads::within(0s));
      if (!metainfo) continue;
      learn(entry, **metainfo);
      tracker_.admit(entry.info_hash);
      std::lock_guard const lock{mutex_};
      if (auto const found = entries_.find(id); found != entries_.end()) {
        unsigned const watchers = found->second.watchers;
        found->second = entry;
        found->second.watchers = watchers;
      }
    }
    for (auto const& peer : tracker_.peers(entry.info_hash)) swarm_.suggest_peer(id, peer);
  }
}

}  // namespace mutirao::node
