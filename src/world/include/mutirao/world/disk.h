#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/world/file_tree.h"

namespace mutirao::world {

enum class FileKind : std::uint8_t { regular, directory, symlink, other };

struct FileInfo {
  FileKind kind = FileKind::regular;
  std::uint64_t size = 0;        ///< bytes
  std::uint64_t allocated = 0;   ///< bytes on disk: less than size for a sparse file
  std::int64_t modified_ns = 0;  ///< since 1970
  std::uint64_t inode = 0;
  bool executable = false;
};

/// An open file. Positioned calls; any number of threads may use one at the same time.
class File {
 public:
  virtual ~File() = default;
  /// Short only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) = 0;
  /// Writes all; a full disk is Fault::exhausted. What is written is visible at once and safe from
  /// a crash only after sync().
  virtual Result<void> write_at(std::uint64_t offset, std::span<ByteView const> from) = 0;
  virtual Result<void> sync() = 0;
  /// Grows sparsely or cuts.
  virtual Result<void> resize(std::uint64_t size) = 0;
  virtual Result<FileInfo> info() = 0;
  /// Memory shows the file from `offset` on, in place of what was there; all are whole pages, and
  /// the memory is mapped, not allocated. What is written to it stays there. A page is read when it
  /// is first touched; so the file may be removed or replaced afterwards, but neither written to
  /// nor cut.
  virtual Result<void> map_copy(std::uint64_t offset, MutableBytes memory) {
    return read_exactly(offset, memory);
  }
  /// Nobody needs these bytes any more: their place goes back to the disk where that can be. What
  /// is read there is zeros or what it was, until it is written again.
  virtual Result<void> discard(std::uint64_t offset, std::uint64_t size) {
    static_cast<void>(offset), static_cast<void>(size);
    return {};
  }

  Result<void> write_at(std::uint64_t offset, ByteView from);
  /// Fails with corrupt when the file ends first.
  Result<void> read_exactly(std::uint64_t offset, MutableBytes into);
};

struct OpenOptions {
  bool writable = false;
  bool create = false;     ///< when missing, with its parent folders
  bool exclusive = false;  ///< with create: refuse what exists
  bool truncate = false;
  /// Nobody but its owner may read or write it (mode 0600), also when it was there before. Of a
  /// writable file.
  bool owner_only = false;
};

struct DirectoryEntry {
  std::string name;
  FileInfo info;
};

struct DiskSpace {
  std::uint64_t free_bytes;
  std::uint64_t total_bytes;
};

/// A folder and what is below it. Paths are relative, separated by '/', and can't leave the folder:
/// absolute paths and ".." are refused, and no symbolic link is followed.
class Directory {
 public:
  virtual ~Directory() = default;
  virtual Result<std::unique_ptr<File>> open(std::string_view path, OpenOptions options) = 0;
  virtual Result<std::unique_ptr<Directory>> open_directory(std::string_view path, bool create) = 0;
  virtual Result<FileInfo> info(std::string_view path) = 0;
  /// Sorted by name; "" is the folder itself.
  virtual Result<std::vector<DirectoryEntry>> list(std::string_view path) = 0;
  /// A file, or an empty folder.
  virtual Result<void> remove(std::string_view path) = 0;
  /// Atomic; replaces `to`, and makes its parent folders.
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;
  /// Makes creations, renames and removals in this folder itself survive a crash.
  virtual Result<void> sync() = 0;
  virtual Result<DiskSpace> space() = 0;
  /// Names the time during which nothing that was written in this folder was lost, synced or not:
  /// the same number means that it is all still there, another that the machine was started anew or
  /// the file system mounted anew since. 0 when the system can't tell.
  virtual std::uint64_t lifetime() = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  /// `path` is absolute or relative to the process; links in it are followed.
  virtual Result<std::unique_ptr<Directory>> open_directory(std::string_view path, bool create) = 0;
  /// A folder as file servers need it; about `path` as above. Simulated hosts have empty ones, in
  /// memory, anew each time.
  virtual Result<std::unique_ptr<TreeNode>> open_tree(std::string_view path) = 0;
};

}  // namespace mutirao::world
