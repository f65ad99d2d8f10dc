#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/threads/this_thread.h"

#include "store/store_state.h"

namespace mutirao::swarm {
namespace {

/// A longer journal is folded into a new map.
constexpr std::uint64_t kJournalRecordsMax = 32 * 1024;

/// Marks a span of time as that of the one thread that records, or that flushes.
class Turn {
 public:
  Turn(threads::mutex& mutex, threads::condition_variable& changed, bool& taken)
      : mutex_{mutex}, changed_{changed}, taken_{taken} {}
  Result<void> take() {
    std::unique_lock lock{mutex_};
    MUT_TRY(changed_.wait(lock, [&] { return !taken_; }));
    mine_ = taken_ = true;
    return {};
  }
  ~Turn() {
    if (!mine_) return;
    {
      std::lock_guard const lock{mutex_};
      taken_ = false;
    }
    changed_.notify_one();
  }
  Turn(Turn const&) = delete;
  Turn& operator=(Turn const&) = delete;

 private:
  threads::mutex& mutex_;
  threads::condition_variable& changed_;
  bool& taken_;
  bool mine_ = false;
};

}  // namespace

Result<void> Store::State::record() {
  // Without a lifetime nobody could tell later whether the data is still there.
  if (lifetime == 0) return flush();
  {
    Turn turn{mutex, recorded, recording};
    MUT_TRY(turn.take());
    if (journal_has_room()) {
      auto done = record_pending();
      if (!done)
        return std::unexpected{std::move(done).error().during("save the state of " + name)};
      return done;
    }
  }
  return flush();
}

Result<void> Store::State::flush() {
  Turn turn{mutex, flushed, flushing};
  MUT_TRY(turn.take());
  auto done = flush_now();
  if (!done) return std::unexpected{std::move(done).error().during("save the state of " + name)};
  return done;
}

/// Writers, claims and records go on while the disk syncs: what they add belongs to the next flush.
Result<void> Store::State::flush_now() {
  std::uint64_t recorded_here = 0;
  {
    Turn turn{mutex, recorded, recording};
    MUT_TRY(turn.take());
    // A journal that can't be written is no trouble yet: there will be a new map.
    static_cast<void>(record_pending());
    if (claims_recorded <= claims_synced && !map_behind && !files.any_unsynced()) return {};
    recorded_here = journal_records;
  }
  std::vector<FileIndex> const synced = MUT_TRY(sync_unsynced());
  {
    Turn turn{mutex, recorded, recording};
    MUT_TRY(turn.take());
    if (map_behind || !journal_has_room()) return checkpoint_synced(synced);
    MUT_TRY(record_files(synced, {MapRecord::synced(recorded_here)}));
  }
  if (auto done = journal->sync(); !done) {
    Turn turn{mutex, recorded, recording};
    MUT_TRY(turn.take());
    journal_usable = false;
    map_behind = true;
    return std::unexpected{std::move(done).error().during("sync " + journal_name)};
  }
  claims_synced = recorded_here;
  return {};
}

/// A map claims only what is synced: so what was recorded since the last sync is synced first,
/// which is little, and nothing more is recorded until the map is written.
Result<void> Store::State::checkpoint_synced(std::vector<FileIndex> const& synced) {
  static_cast<void>(record_pending());
  std::vector<FileIndex> const rest = MUT_TRY(sync_unsynced());
  for (auto const& files_of_both : {synced, rest})
    for (MapRecord const& record : file_records(files_of_both)) map.apply(record);
  return checkpoint();
}

Result<std::vector<FileIndex>> Store::State::sync_unsynced() {
  std::vector<FileIndex> unsynced = files.take_unsynced();
  MUT_TRY(files.sync_all(unsynced));
  return unsynced;
}

/// Puts what is pending into the map and the journal. What can't be written is in the map at least,
/// and the next flush writes that.
Result<void> Store::State::record_pending() {
  std::vector<MapRecord> claims;
  {
    std::lock_guard const lock{mutex};
    claims.swap(pending);
    unrecorded_since.reset();
  }
  unrecorded_bytes.store(0, std::memory_order_relaxed);
  if (claims.empty()) return {};

  // Those of the claims too, though they may be no writes of ours: what a recheck found may be a
  // copy that somebody made a moment ago and that is in memory only, with the folder that it is in.
  std::vector<FileIndex> touched = files_of(claims);
  std::ranges::sort(touched);
  auto const repeated = std::ranges::unique(touched);
  touched.erase(repeated.begin(), repeated.end());
  for (FileIndex const file : touched) {
    files.note_unsynced(file);
    if (map.files()[file.value].state == FileRecord::State::unknown) files.note_new(file);
  }

  auto done = record_files(touched, claims);
  claims_recorded = journal_records;
  return done;
}

/// Files first: when only the front of the batch survives a crash, its claims have their files.
Result<void> Store::State::record_files(std::vector<FileIndex> const& touched,
                                        std::vector<MapRecord> const& more) {
  std::vector<MapRecord> records = file_records(touched);
  records.insert(records.end(), more.begin(), more.end());
  records.push_back(MapRecord::mark(civil_ns(world)));
  for (MapRecord const& record : records) map.apply(record);
  map_behind = true;
  return journal_has_room() ? append(records) : Result<void>{};
}

bool Store::State::journal_has_room() const noexcept {
  return journal_usable && journal_records < kJournalRecordsMax;
}

Result<void> Store::State::append(std::vector<MapRecord> const& records) {
  Bytes batch;
  batch.reserve(records.size() * StoreMap::kRecordBytes);
  std::uint64_t sequence = journal_records;
  for (MapRecord const& record : records) map.encode_record(batch, record, sequence++);
  auto written = journal->write_at(
      StoreMap::kJournalHeaderBytes + journal_records * StoreMap::kRecordBytes, batch);
  if (!written) {
    // Some of it may be there, so nothing may be appended behind: a new map makes it void. What it
    // claims is true in any case, its data is written.
    journal_usable = false;
    return std::unexpected{std::move(written).error().during("append to " + journal_name)};
  }
  journal_records = sequence;
  map_behind = false;
  return {};
}

/// Replaces the map by one that says all, and empties the journal. A crash between any two steps
/// leaves the old pair, or the new map beside a journal that names another generation.
Result<void> Store::State::checkpoint() {
  journal_usable = false;
  map.next_generation();
  std::string const fresh = map_name + ".new";
  auto const write_map = [&]() -> Result<void> {
    auto const file =
        MUT_TRY(map_folder->open(fresh, {.writable = true, .create = true, .truncate = true}));
    MUT_TRY(file->write_at(0, map.encode_map()));
    MUT_TRY(file->sync());
    MUT_TRY(map_folder->rename(fresh, map_name));
    return map_folder->sync();
  };
  if (auto written = write_map(); !written) {
    static_cast<void>(map_folder->remove(fresh));  // half a map on a full disk helps nobody
    return std::unexpected{std::move(written).error().during("write " + map_name)};
  }
  map_behind = false;

  auto const begin_journal = [&]() -> Result<void> {
    if (!journal)
      journal = MUT_TRY(map_folder->open(journal_name, {.writable = true, .create = true}));
    MUT_TRY(journal->resize(0));
    MUT_TRY(journal->write_at(0, map.encode_journal_header(lifetime)));
    MUT_TRY(journal->sync());
    return map_folder->sync();
  };
  journal_records = 0;
  claims_recorded = 0;
  claims_synced = 0;
  if (begin_journal()) journal_usable = true;
  // Else the next flush writes a whole map again: dearer, not wrong.
  return {};
}

// --------------------------------------------------------------------------------------------
// files

std::vector<FileIndex> Store::State::files_of(std::vector<MapRecord> const& claims) const {
  std::vector<FileIndex> touched;
  for (MapRecord const& claim : claims) {
    std::uint64_t const begin = layout.range_of_block(claim.first).begin;
    std::uint64_t const end = layout.range_of_block(claim.first + claim.count - 1).end;
    std::span<Extent const> const extents = layout.extents();
    for (std::size_t i = layout.extent_after(begin); i < extents.size() && extents[i].offset < end;
         ++i)
      touched.push_back(extents[i].file);
  }
  return touched;
}

FileRecord Store::State::seen(FileIndex file, FileRecord::State state) {
  auto const info = files.info(file);
  if (!info || info->kind != world::FileKind::regular) return {};
  return {state, info->size, info->modified_ns, info->inode};
}

std::vector<MapRecord> Store::State::file_records(std::vector<FileIndex> const& touched) {
  std::vector<MapRecord> records;
  for (FileIndex const file : touched) {
    bool complete;
    {
      std::lock_guard const lock{mutex};
      complete = file_is_complete(file);
    }
    FileRecord const record =
        seen(file, complete ? FileRecord::State::settled : FileRecord::State::writing);
    if (record != map.files()[file.value])
      records.push_back(MapRecord::of_file(file.value, record));
  }
  return records;
}

/// The end of a session: nobody writes from now on, so each date can be held against its file.
void Store::State::settle() {
  auto done = flush();
  if (done) {
    bool any = journal_records > 0;
    for (std::uint32_t i = 0; i < map.files().size(); ++i) {
      if (map.files()[i].state != FileRecord::State::writing) continue;
      map.apply(MapRecord::of_file(i, seen(FileIndex{i}, FileRecord::State::settled)));
      any = true;
    }
    if (any) done = checkpoint();
  }
  if (!done) world.log().warning("swarm", "{}", done.error().what);
}

}  // namespace mutirao::swarm
