#pragma once

#include <list>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/world/world.h"

#include "store/store_layout.h"

namespace mutirao::swarm {

[[nodiscard]] inline std::uint64_t total_of(std::span<ByteView const> runs) {
  std::uint64_t total = 0;
  for (ByteView const run : runs) total += run.size();
  return total;
}

/// The files of a torrent as one space of bytes, and what of them is not synced yet.
///
/// A torrent may have a hundred thousand files and a process a thousand descriptors: the files used
/// last are kept open, up to kOpenMax. A file and the folders above it are made when the first byte
/// of it is written, at its full length and sparse. Any thread; no lock is held while the disk
/// works.
class StoreFiles {
 public:
  static constexpr std::size_t kOpenMax = 256;

  StoreFiles(std::unique_ptr<world::Directory> folder, std::string folder_path,
             StoreLayout const& layout, std::span<TorrentFile const> files);

  /// Padding in the range is dropped. What was written is listed by take_unsynced() from then on.
  Result<void> write(std::uint64_t offset, std::span<ByteView const> runs);
  /// Padding reads as zeros; a missing or short file is an error.
  Result<void> read(std::uint64_t offset, MutableBytes into);

  /// Makes a file as the torrent wants it, without content.
  Result<void> create(FileIndex file);
  [[nodiscard]] Result<world::FileInfo> info(FileIndex file);
  [[nodiscard]] std::string const& path(FileIndex file) const noexcept {
    return files_[file.value].path;
  }
  [[nodiscard]] world::Directory& folder() noexcept { return *folder_; }
  [[nodiscard]] std::string const& folder_path() const noexcept { return folder_path_; }

  /// Counts `file` as written: its content must reach the disk before it is claimed.
  void note_unsynced(FileIndex file);
  /// The file, or a folder above it, may be new: they are synced with the next ones.
  void note_new(FileIndex file);
  [[nodiscard]] bool any_unsynced();
  /// Hands over the list; sync_all() of it makes every write that had returned before safe.
  [[nodiscard]] std::vector<FileIndex> take_unsynced();
  /// Also the new folders. On failure all stay unsynced.
  Result<void> sync_all(std::vector<FileIndex> const& files);

  /// Closes all; removes the files and the folders that are empty then.
  Result<void> remove_all();

 private:
  using Handle = std::shared_ptr<world::File>;
  struct Open {
    Handle file;
    bool writable;
    std::list<std::uint32_t>::iterator recent;
  };

  Result<Handle> handle(FileIndex file, bool writable);
  [[nodiscard]] Handle cached(FileIndex file, bool writable);
  void keep(FileIndex file, Handle handle, bool writable);
  Result<Handle> open_for_writing(FileIndex file);
  [[nodiscard]] Error explain(FileIndex file, Error error);
  Result<void> write_file(Extent const& extent, std::uint64_t offset,
                          std::span<ByteView const> runs);

  std::unique_ptr<world::Directory> folder_;
  std::string folder_path_;
  StoreLayout const& layout_;
  std::vector<TorrentFile> files_;

  threads::mutex mutex_;  // guards what follows
  std::unordered_map<std::uint32_t, Open> open_;
  std::list<std::uint32_t> recent_;  // front: used last
  std::vector<FileIndex> unsynced_;
  std::vector<bool> is_unsynced_;
  std::set<std::string, std::less<>> new_folders_;
};

}  // namespace mutirao::swarm
