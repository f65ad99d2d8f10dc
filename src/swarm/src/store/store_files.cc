#include "store/store_files.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/base/units.h"

namespace mutirao::swarm {
namespace {

/// Takes bytes off the front of a list of runs without copying them.
class RunReader {
 public:
  static constexpr std::size_t kViewsMax = 64;
  explicit RunReader(std::span<ByteView const> runs) : runs_{runs} {}

  void skip(std::uint64_t bytes) {
    while (bytes > 0) bytes -= take_part(bytes).size();
  }
  /// Up to `bytes` in at most kViewsMax views; repeat for the rest.
  std::span<ByteView const> take(std::uint64_t bytes) {
    std::size_t count = 0;
    for (; bytes > 0 && count < kViewsMax; ++count)
      bytes -= (views_[count] = take_part(bytes)).size();
    return std::span{views_}.first(count);
  }

 private:
  ByteView take_part(std::uint64_t bytes) {
    while (runs_.front().size() == used_) {
      runs_ = runs_.subspan(1);
      used_ = 0;
    }
    ByteView const part =
        runs_.front().subspan(used_, std::min<std::uint64_t>(bytes, runs_.front().size() - used_));
    used_ += part.size();
    return part;
  }
  std::span<ByteView const> runs_;
  std::size_t used_ = 0;
  std::array<ByteView, kViewsMax> views_;
};

}  // namespace

StoreFiles::StoreFiles(std::unique_ptr<world::Directory> folder, std::string folder_path,
                       StoreLayout const& layout, std::span<TorrentFile const> files)
    : folder_{std::move(folder)},
      folder_path_{std::move(folder_path)},
      layout_{layout},
      files_{files.begin(), files.end()},
      is_unsynced_(files.size()) {}

// --------------------------------------------------------------------------------- reading,
// writing

Result<void> StoreFiles::write_file(Extent const& extent, std::uint64_t offset,
                                    std::span<ByteView const> runs) {
  Handle const file = MUT_TRY(handle(extent.file, true));
  auto written = file->write_at(offset - extent.offset, runs);
  // After the write, so that a sync under way can't be taken for one that had it; on failure too,
  // for some of it may be there.
  note_unsynced(extent.file);
  if (!written) return std::unexpected{explain(extent.file, std::move(written).error())};
  return {};
}

Result<void> StoreFiles::write(std::uint64_t offset, std::span<ByteView const> runs) {
  std::uint64_t const end = offset + total_of(runs);
  MUT_ASSERT(end >= offset && end <= layout_.space_size());
  std::span<Extent const> const extents = layout_.extents();
  std::size_t i = layout_.extent_after(offset);
  if (i < extents.size() && extents[i].offset <= offset && end <= extents[i].end())
    return write_file(extents[i], offset, runs);

  RunReader reader{runs};
  for (; offset < end && i < extents.size() && extents[i].offset < end; ++i) {
    if (extents[i].offset > offset) reader.skip(extents[i].offset - offset);
    offset = std::max(offset, extents[i].offset);
    std::uint64_t const part_end = std::min(end, extents[i].end());
    while (offset < part_end) {
      std::span<ByteView const> const part = reader.take(part_end - offset);
      MUT_TRY(write_file(extents[i], offset, part));
      offset += total_of(part);
    }
  }
  return {};
}

Result<void> StoreFiles::read(std::uint64_t offset, MutableBytes into) {
  std::uint64_t const end = offset + into.size();
  MUT_ASSERT(end >= offset && end <= layout_.space_size());
  std::span<Extent const> const extents = layout_.extents();
  std::uint64_t at = offset;
  for (std::size_t i = layout_.extent_after(offset); at < end; ++i) {
    std::uint64_t const content = i < extents.size() ? std::min(extents[i].offset, end) : end;
    if (content > at) std::ranges::fill(into.subspan(at - offset, content - at), std::uint8_t{0});
    at = std::max(at, content);
    if (at == end) break;
    std::uint64_t const part_end = std::min(end, extents[i].end());
    Handle const file = MUT_TRY(handle(extents[i].file, false));
    auto done =
        file->read_exactly(at - extents[i].offset, into.subspan(at - offset, part_end - at));
    if (!done)
      return std::unexpected{std::move(done).error().during("read " + path(extents[i].file))};
    at = part_end;
  }
  return {};
}

// ------------------------------------------------------------------------------------ opening
// files

StoreFiles::Handle StoreFiles::cached(FileIndex file, bool writable) {
  std::lock_guard const lock{mutex_};
  auto const found = open_.find(file.value);
  if (found == open_.end() || (writable && !found->second.writable)) return nullptr;
  if (found->second.recent != recent_.begin())
    recent_.splice(recent_.begin(), recent_, found->second.recent);
  return found->second.file;
}

void StoreFiles::keep(FileIndex file, Handle handle, bool writable) {
  std::vector<Handle> closed;  // by the destructor, after the lock
  std::lock_guard const lock{mutex_};
  if (auto const found = open_.find(file.value); found != open_.end()) {
    // Another thread was faster. Never give up a writable handle for one that only reads.
    if (found->second.writable && !writable) return;
    closed.push_back(std::exchange(found->second.file, std::move(handle)));
    found->second.writable = writable;
    return;
  }
  recent_.push_front(file.value);
  open_.emplace(file.value, Open{std::move(handle), writable, recent_.begin()});
  while (open_.size() > kOpenMax) {
    auto const oldest = open_.find(recent_.back());
    closed.push_back(std::move(oldest->second.file));
    open_.erase(oldest);
    recent_.pop_back();
  }
}

Result<StoreFiles::Handle> StoreFiles::handle(FileIndex file, bool writable) {
  if (Handle open = cached(file, writable)) return open;
  if (writable) {
    Handle open = MUT_TRY(open_for_writing(file));
    keep(file, open, true);
    return open;
  }
  auto opened = folder_->open(path(file), {});
  if (!opened) return std::unexpected{explain(file, std::move(opened).error())};
  Handle open = *std::move(opened);
  keep(file, open, false);
  return open;
}

Result<StoreFiles::Handle> StoreFiles::open_for_writing(FileIndex file) {
  bool const is_new = !folder_->info(path(file)).has_value();
  auto opened = folder_->open(path(file), {.writable = true, .create = true});
  if (!opened) return std::unexpected{explain(file, std::move(opened).error())};
  if (is_new) note_new(file);
  Handle open = *std::move(opened);
  // At its length from the beginning: a file that is longer or shorter later was changed by others.
  auto const info = open->info();
  if (info && info->size == files_[file.value].length) return open;
  auto resized = open->resize(files_[file.value].length);
  note_unsynced(file);
  if (!resized) return std::unexpected{explain(file, std::move(resized).error())};
  return open;
}

Result<void> StoreFiles::create(FileIndex file) {
  MUT_TRY(handle(file, true));
  return {};
}

Result<world::FileInfo> StoreFiles::info(FileIndex file) { return folder_->info(path(file)); }

Error StoreFiles::explain(FileIndex file, Error error) {
  std::string const& name = path(file);
  if (error.fault == Fault::exhausted) {
    auto const space = folder_->space();
    std::string const free = space ? base::format_bytes(space->free_bytes) : "an unknown amount";
    return Error{Fault::exhausted,
                 fmt::format("no room for {} ({}) below {}: {} free", name,
                             base::format_bytes(files_[file.value].length), folder_path_, free),
                 "make room on that disk; it goes on by itself then"};
  }
  // The deepest thing that is there tells what is in the way.
  for (std::size_t slash = name.find('/'); slash != std::string::npos;
       slash = name.find('/', slash + 1)) {
    auto const parent = folder_->info(name.substr(0, slash));
    if (!parent || parent->kind == world::FileKind::directory) continue;
    return Error{
        Fault::refused,
        fmt::format("{} needs the folder {}, but {} there", name, name.substr(0, slash),
                    parent->kind == world::FileKind::symlink ? "a symbolic link is" : "a file is"),
        fmt::format("move {}/{} away, or choose another folder", folder_path_,
                    name.substr(0, slash))};
  }
  if (auto const there = folder_->info(name); there && there->kind != world::FileKind::regular)
    return Error{Fault::refused,
                 fmt::format("{} can't be written: something else than a file is there", name),
                 fmt::format("move {}/{} away, or choose another folder", folder_path_, name)};
  Error told = std::move(error).during(name);
  if (told.fault == Fault::refused && told.mend.empty())
    told.mend = fmt::format("allow this user to write in {}", folder_path_);
  return told;
}

// ------------------------------------------------------------------------------------------
// syncing

void StoreFiles::note_unsynced(FileIndex file) {
  std::lock_guard const lock{mutex_};
  if (is_unsynced_[file.value]) return;
  is_unsynced_[file.value] = true;
  unsynced_.push_back(file);
}

bool StoreFiles::any_unsynced() {
  std::lock_guard const lock{mutex_};
  return !unsynced_.empty() || !new_folders_.empty();
}

std::vector<FileIndex> StoreFiles::take_unsynced() {
  std::lock_guard const lock{mutex_};
  for (FileIndex const file : unsynced_) is_unsynced_[file.value] = false;
  return std::exchange(unsynced_, {});
}

void StoreFiles::note_new(FileIndex file) {
  std::string const& name = path(file);
  std::lock_guard const lock{mutex_};
  new_folders_.emplace("");
  for (std::size_t slash = name.find('/'); slash != std::string::npos;
       slash = name.find('/', slash + 1))
    new_folders_.emplace(name.substr(0, slash));
}

Result<void> StoreFiles::sync_all(std::vector<FileIndex> const& files) {
  std::set<std::string, std::less<>> folders;
  {
    std::lock_guard const lock{mutex_};
    folders.swap(new_folders_);
  }
  auto const sync = [&]() -> Result<void> {
    for (FileIndex const file : files) {
      auto const open = handle(file, false);
      // A file that somebody removed has nothing to lose; its record will say so.
      if (!open && open.error().fault == Fault::not_found) continue;
      if (!open) return std::unexpected{open.error()};
      if (auto synced = (*open)->sync(); !synced)
        return std::unexpected{explain(file, std::move(synced).error())};
    }
    for (std::string const& path : folders) {
      if (path.empty()) {
        MUT_TRY(folder_->sync());
        continue;
      }
      auto const folder = folder_->open_directory(path, false);
      if (!folder && folder.error().fault == Fault::not_found) continue;
      if (!folder) return std::unexpected{folder.error()};
      MUT_TRY((*folder)->sync());
    }
    return {};
  };
  auto synced = sync();
  if (!synced) {
    for (FileIndex const file : files) note_unsynced(file);
    std::lock_guard const lock{mutex_};
    new_folders_.merge(folders);
  }
  return synced;
}

Result<void> StoreFiles::remove_all() {
  {
    std::lock_guard const lock{mutex_};
    open_.clear();
    recent_.clear();
    unsynced_.clear();
  }
  std::set<std::string, std::greater<>> folders;  // deeper ones first
  for (TorrentFile const& file : files_) {
    if (file.pad) continue;
    if (auto removed = folder_->remove(file.path);
        !removed && removed.error().fault != Fault::not_found)
      return std::unexpected{std::move(removed).error().during("remove " + file.path)};
    for (std::size_t slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1))
      folders.insert(file.path.substr(0, slash));
  }
  // One that still holds something of others stays, and so do those above it.
  for (std::string const& path : folders)
    if (auto const left = folder_->list(path); left && left->empty())
      MUT_TRY(folder_->remove(path));
  return {};
}

}  // namespace mutirao::swarm
