#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/units.h"

#include "store/store_state.h"

namespace mutirao::swarm {
namespace {

/// A file that we were writing when the process died may be this much younger than the last mark. A
/// change by others within that time is taken for ours; the hash of what is served finds it.
constexpr std::int64_t kGraceNs = 60'000'000'000;

/// All of a file, or nothing when it is missing, too long, or can't be read: then it says nothing.
Bytes read_all(world::Directory& folder, std::string const& name, std::uint64_t bytes_max) {
  auto const file = folder.open(name, {});
  if (!file) return {};
  auto const info = (*file)->info();
  if (!info || info->size > bytes_max) return {};
  Bytes bytes(info->size);
  auto const read = (*file)->read_at(0, bytes);
  if (!read) return {};
  bytes.resize(*read);
  return bytes;
}

bool is_as_recorded(FileRecord const& record, world::FileInfo const& info,
                    std::int64_t marked_at_ns) {
  if (info.kind != world::FileKind::regular || info.inode != record.inode ||
      info.size != record.size)
    return false;
  switch (record.state) {
    case FileRecord::State::settled:
      return info.modified_ns == record.modified_ns;
    case FileRecord::State::writing:
      return info.modified_ns <= marked_at_ns + kGraceNs;
    case FileRecord::State::unknown:
      return false;
  }
  return false;
}

}  // namespace

/// Takes back all claims on the file, here and in the map.
void Store::State::distrust(Extent const& extent) {
  std::uint64_t const first = layout.block_of(extent.offset);
  std::uint64_t const end = layout.block_of(extent.end() - 1) + 1;
  for (std::uint64_t block = first; block < end; ++block) unclaim_block(block);
  map.apply(MapRecord::unclaim(first, end - first));
  changed.push_back(extent.file);
}

void Store::State::find_changed_files(
    bool map_found, std::vector<std::pair<std::uint64_t, std::uint64_t>> const& lost) {
  auto const touches_lost = [&](Extent const& extent) {
    std::uint64_t const first = layout.block_of(extent.offset);
    std::uint64_t const last = layout.block_of(extent.end() - 1);
    return std::ranges::any_of(
        lost, [&](auto const& run) { return first < run.first + run.second && last >= run.first; });
  };
  auto const any_claimed = [&](Extent const& extent) {
    std::uint64_t const last = layout.block_of(extent.end() - 1);
    for (std::uint64_t block = layout.block_of(extent.offset); block <= last; ++block)
      if (map.blocks().test(block)) return true;
    return false;
  };
  for (Extent const& extent : layout.extents()) {
    FileRecord const& record = map.files()[extent.file.value];
    auto const info = files.info(extent.file);
    bool const exists = info && info->kind == world::FileKind::regular && info->size > 0;
    if (!map_found) {
      if (exists) changed.push_back(extent.file);
      continue;
    }
    if (any_claimed(extent) && !(info && is_as_recorded(record, *info, map.marked_at_ns())))
      distrust(extent);
    else if (exists && touches_lost(extent))
      changed.push_back(extent.file);
  }
}

/// The map that is written next claims them for good.
Result<void> Store::State::sync_claims(std::span<StoreMap::Recovered::Run const> unsynced) {
  std::vector<MapRecord> claims;
  for (auto const& [first, count] : unsynced) claims.push_back(MapRecord::claim(first, count));
  for (FileIndex const file : files_of(claims)) {
    files.note_unsynced(file);
    files.note_new(file);
  }
  auto synced = sync_unsynced();
  if (!synced) return std::unexpected{std::move(synced).error()};
  return {};
}

Result<void> Store::State::recover() {
  MapKey const& key = map.key();
  Bytes const map_bytes = read_all(*map_folder, map_name, StoreMap::map_bytes(key));
  Bytes const journal_bytes = read_all(*map_folder, journal_name, 64_MiB);
  StoreMap::Recovered recovered = StoreMap::decode(key, map_bytes, journal_bytes, lifetime);
  map = std::move(recovered.map);
  if (!recovered.found) map.begin_generations(world.entropy().next());
  for (std::uint64_t block = 0; block < key.blocks; ++block)
    if (map.blocks().test(block)) claim_block(block);
  find_changed_files(recovered.found, recovered.lost);
  MUT_TRY(sync_claims(recovered.unsynced));
  for (FileIndex const file : changed)
    world.log().info("swarm", "{}: {} is not as it was left and needs a recheck", name,
                     files.path(file));

  // What is not whole will be written to: its date moves on from here.
  std::int64_t const now_ns = civil_ns(world);
  map.apply(MapRecord::mark(now_ns));
  for (Extent const& extent : layout.extents()) {
    std::uint32_t const i = extent.file.value;
    if (map.files()[i].state == FileRecord::State::settled && !file_is_complete(extent.file)) {
      FileRecord record = map.files()[i];
      record.state = FileRecord::State::writing;
      map.apply(MapRecord::of_file(i, record));
    }
  }
  map_behind = true;
  auto written = checkpoint();
  // A full disk keeps the old map and journal, which say the same; anything else must be mended
  // now.
  if (!written && written.error().fault == Fault::exhausted) return {};
  return written;
}

}  // namespace mutirao::swarm
