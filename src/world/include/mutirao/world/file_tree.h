#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"

namespace mutirao::world {

/// An error number of Linux. A file server hands it on as it is, to clients that know no others.
enum class ErrorNumber : int {};
template <class T>
using TreeResult = std::expected<T, ErrorNumber>;

struct FileTime {
  std::int64_t seconds = 0;  ///< since 1970
  std::uint32_t nanoseconds = 0;
  auto operator<=>(FileTime const&) const = default;
};

struct NodeInfo {
  std::uint64_t device = 0;  ///< with the inode it tells nodes apart while one of them is held
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  ///< of 512 bytes
  std::uint32_t block_size = 4096;
  std::uint32_t mode = 0;  ///< kind and permissions, as in st_mode
  std::uint32_t links = 0;
  std::uint32_t owner = 0, group = 0;
  std::uint32_t special = 0;  ///< of a device node: its number, as in st_rdev
  FileTime accessed, modified, changed;
};

/// What is to be different about a node.
struct NodeChange {
  std::optional<std::uint32_t> mode{};  ///< permissions
  std::optional<std::uint32_t> owner{}, group{};
  std::optional<std::uint64_t> size{};
  std::optional<FileTime> accessed{}, modified{};
  bool accessed_now = false, modified_now = false;
};

struct NodeOwner {
  std::uint32_t owner = 0, group = 0;
};

struct TreeOpen {
  bool read = true;
  bool write = false;
  bool append = false;
  bool truncate = false;
  bool exclusive = false;  ///< where it is created: refuse what exists
  bool synchronous = false;
};

struct TreeEntry {
  std::string name;
  std::uint64_t inode = 0;
  std::uint32_t kind = 0;   ///< as in d_type
  std::uint64_t after = 0;  ///< where the list goes on behind it
};

/// As in statvfs.
struct TreeSpace {
  std::uint64_t blocks = 0, free = 0, available = 0, files = 0, files_free = 0;
  std::uint32_t block_size = 4096, fragment_size = 4096, name_max = 255;
};

/// A file or folder that was opened. Any number of threads may use one at the same time.
class TreeFile {
 public:
  virtual ~TreeFile() = default;
  /// Short at the end of the file.
  virtual TreeResult<std::size_t> read(std::uint64_t offset, MutableBytes into) = 0;
  /// At the end, where it was opened to append.
  virtual TreeResult<std::size_t> write(std::uint64_t offset, ByteView bytes) = 0;
  virtual TreeResult<void> sync(bool data_only) = 0;
  /// What the system could not write earlier, told when somebody closes the file.
  virtual TreeResult<void> flush() = 0;
  virtual TreeResult<void> resize(std::uint64_t size) = 0;
  /// `mode` as of fallocate(2).
  virtual TreeResult<void> allocate(std::uint32_t mode, std::uint64_t offset,
                                    std::uint64_t size) = 0;
  /// The next byte of data or hole (`whence` as of lseek(2): SEEK_DATA or SEEK_HOLE).
  virtual TreeResult<std::uint64_t> seek(std::uint64_t offset, int whence) = 0;
  /// `to` is of the same tree. May copy less.
  virtual TreeResult<std::size_t> copy(std::uint64_t offset, TreeFile& to, std::uint64_t to_offset,
                                       std::size_t size) = 0;
  /// Of a folder: some of its entries from `offset` on, "." and ".." too; none at its end. 0 is its
  /// begin, others are those that entries name.
  virtual TreeResult<std::vector<TreeEntry>> list(std::uint64_t offset) = 0;
};

/// Something in a tree: it stays the same when it is renamed, and is held when it was removed.
///
/// Names are single ones: what is empty, ".", "..", too long, or has a '/' or NUL in it is refused
/// (EINVAL, ENAMETOOLONG), and no symbolic link is ever followed. So nothing outside the tree can
/// be reached, whatever is renamed meanwhile.
class TreeNode {
 public:
  virtual ~TreeNode() = default;
  virtual TreeResult<NodeInfo> info() = 0;
  virtual TreeResult<void> change(NodeChange const& wanted) = 0;
  /// A regular file or a folder; of anything else ENXIO, for a device of the host is none of a
  /// client's.
  virtual TreeResult<std::unique_ptr<TreeFile>> open(TreeOpen options) = 0;
  /// Of a symbolic link.
  virtual TreeResult<std::string> target() = 0;

  virtual TreeResult<std::unique_ptr<TreeNode>> find(std::string_view name) = 0;
  struct Created {
    std::unique_ptr<TreeNode> node;
    std::unique_ptr<TreeFile> file;
  };
  /// What is made belongs to `owner` where this process may give files away, else to the process;
  /// its permissions are those of `mode`, whatever the umask of the process.
  virtual TreeResult<Created> create(std::string_view name, std::uint32_t mode, TreeOpen options,
                                     NodeOwner owner) = 0;
  /// Without opening it: a regular file, FIFO or socket, or a folder, as `mode` says. Device nodes
  /// are refused with EPERM.
  virtual TreeResult<std::unique_ptr<TreeNode>> make(std::string_view name, std::uint32_t mode,
                                                     NodeOwner owner) = 0;
  virtual TreeResult<std::unique_ptr<TreeNode>> make_symlink(std::string_view name,
                                                             std::string_view target,
                                                             NodeOwner owner) = 0;
  /// `existing`, `to` and this are of one tree.
  virtual TreeResult<void> link(TreeNode& existing, std::string_view name) = 0;
  virtual TreeResult<void> remove(std::string_view name, bool folder) = 0;
  /// `flags` as of renameat2(2).
  virtual TreeResult<void> rename(std::string_view name, TreeNode& to, std::string_view to_name,
                                  std::uint32_t flags) = 0;

  /// Extended attributes, of files and folders.
  virtual TreeResult<Bytes> attribute(std::string const& name) = 0;
  /// Each name ends with a NUL.
  virtual TreeResult<Bytes> attributes() = 0;
  /// `flags` as of setxattr(2).
  virtual TreeResult<void> set_attribute(std::string const& name, ByteView value, int flags) = 0;
  virtual TreeResult<void> remove_attribute(std::string const& name) = 0;

  virtual TreeResult<TreeSpace> space() = 0;
  /// Everything that was written to its file system.
  virtual TreeResult<void> sync_all() = 0;
};

/// Whether `name` can be one in a folder; else what is wrong with it.
[[nodiscard]] TreeResult<void> check_tree_name(std::string_view name);

/// A tree in memory: for simulated hosts and tests. Its root.
[[nodiscard]] std::unique_ptr<TreeNode> make_memory_tree();

}  // namespace mutirao::world
