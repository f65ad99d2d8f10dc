#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mutirao/swarm/store.h"
#include "mutirao/threads/mutex.h"

#include "store/store_files.h"
#include "store/store_layout.h"
#include "store/store_map.h"

namespace mutirao::swarm {

/// Two pictures of the same thing: what is claimed now, for the callers, guarded by `mutex`; and
/// `map`, what the disk knows, touched only by the one thread that records. `pending` leads from
/// the second to the first. A flush takes long; it has a turn of its own, and takes the recorder's
/// only before and after it syncs.
struct Store::State {
  State(world::World& world, std::shared_ptr<Metainfo const> metainfo, Options options,
        std::unique_ptr<world::Directory> content, std::unique_ptr<world::Directory> map_folder);

  world::World& world;
  Options const options;
  std::string const name;
  StoreLayout const layout;
  StoreFiles files;
  std::uint64_t const lifetime;  // of what is written to the files
  std::unique_ptr<world::Directory> const map_folder;
  std::string const map_name;
  std::string const journal_name;

  mutable threads::mutex mutex;  // guards until the next blank line
  std::shared_ptr<Metainfo const> metainfo;
  Bitfield blocks;                     // claimed, or without content
  std::vector<std::uint32_t> missing;  // blocks of each piece
  Bitfield pieces;                     // those that miss none
  std::uint64_t verified_bytes = 0;
  std::vector<MapRecord> pending;  // claims and unclaims since the last record, in order
  std::vector<FileIndex> changed;  // needs_recheck()
  std::optional<TimePoint> unrecorded_since;
  bool recording = false;
  threads::condition_variable recorded;
  bool flushing = false;
  threads::condition_variable flushed;

  std::atomic<std::uint64_t> unrecorded_bytes{0};

  // Of the thread that records.
  StoreMap map;
  std::unique_ptr<world::File> journal;
  std::uint64_t journal_records = 0;
  std::uint64_t claims_recorded = 0;    // records up to the last claim
  std::uint64_t claims_synced = 0;      // records whose claims hold for good: their data is synced
  bool journal_usable = false;          // false: the next flush replaces the map instead
  std::atomic<bool> map_behind{false};  // `map` has what no file has yet
  bool removed = false;

  [[nodiscard]] std::shared_ptr<Metainfo const> described() const;

  // store_claims.cc: these demand the mutex.
  bool claim_block(std::uint64_t block);
  bool unclaim_block(std::uint64_t block);
  void push_pending(MapRecord const& record);
  [[nodiscard]] bool all_claimed(std::uint64_t offset, std::uint64_t length) const;
  [[nodiscard]] bool file_is_complete(FileIndex file) const;

  // store_recover.cc
  Result<void> recover();
  Result<void> sync_claims(std::span<StoreMap::Recovered::Run const> unsynced);
  void find_changed_files(bool map_found,
                          std::vector<std::pair<std::uint64_t, std::uint64_t>> const& lost);
  void distrust(Extent const& extent);

  // store_flush.cc; what puts something into the map or the journal demands the recorder's turn
  Result<void> record();
  Result<void> flush();
  Result<void> flush_now();
  Result<std::vector<FileIndex>> sync_unsynced();
  Result<void> record_pending();
  Result<void> record_files(std::vector<FileIndex> const& touched,
                            std::vector<MapRecord> const& more);
  Result<void> checkpoint_synced(std::vector<FileIndex> const& synced);
  Result<void> append(std::vector<MapRecord> const& records);
  Result<void> checkpoint();
  [[nodiscard]] bool journal_has_room() const noexcept;
  [[nodiscard]] std::vector<MapRecord> file_records(std::vector<FileIndex> const& touched);
  [[nodiscard]] std::vector<FileIndex> files_of(std::vector<MapRecord> const& claims) const;
  [[nodiscard]] FileRecord seen(FileIndex file, FileRecord::State state);
  void settle();
};

/// Nanoseconds since 1970, as files have them.
[[nodiscard]] std::int64_t civil_ns(world::World& world);

}  // namespace mutirao::swarm
