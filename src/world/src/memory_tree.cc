#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "mutirao/threads/mutex.h"
#include "mutirao/world/file_tree.h"

namespace mutirao::world {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

std::unexpected<ErrorNumber> refused(int number) { return std::unexpected{ErrorNumber{number}}; }

struct MemoryInode;
using MemoryRef = std::shared_ptr<MemoryInode>;

/// The tree, of which every node holds a share. One lock: this is for tests.
struct MemoryTree {
  threads::mutex mutex;
  std::uint64_t next_inode = 1;
};

struct MemoryInode {
  NodeInfo info;
  Bytes content;
  std::string target;
  std::map<std::string, MemoryRef, std::less<>> entries;
  std::map<std::string, Bytes, std::less<>> attributes;

  [[nodiscard]] bool is(std::uint32_t kind) const { return (info.mode & S_IFMT) == kind; }
  void resize(std::size_t size) {
    content.resize(size);
    info.size = size;
    info.blocks = (size + 511) / 512;
  }
};

class MemoryFile final : public TreeFile {
 public:
  MemoryFile(std::shared_ptr<MemoryTree> tree, MemoryRef inode, TreeOpen options)
      : tree_{std::move(tree)}, inode_{std::move(inode)}, options_{options} {}

  TreeResult<std::size_t> read(std::uint64_t offset, MutableBytes into) override {
    std::lock_guard const lock{tree_->mutex};
    if (!options_.read) return refused(EBADF);
    if (inode_->is(S_IFDIR)) return refused(EISDIR);
    Bytes const& content = inode_->content;
    if (offset >= content.size()) return 0;
    std::size_t const size = std::min<std::size_t>(into.size(), content.size() - offset);
    std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), size, into.begin());
    return size;
  }
  TreeResult<std::size_t> write(std::uint64_t offset, ByteView bytes) override {
    std::lock_guard const lock{tree_->mutex};
    return write_locked(offset, bytes);
  }
  TreeResult<void> sync(bool) override { return {}; }
  TreeResult<void> flush() override { return {}; }
  TreeResult<void> resize(std::uint64_t size) override {
    std::lock_guard const lock{tree_->mutex};
    if (!options_.write) return refused(EINVAL);
    if (size > kFileBytesMax) return refused(EFBIG);
    inode_->resize(size);
    return {};
  }
  TreeResult<void> allocate(std::uint32_t mode, std::uint64_t offset, std::uint64_t size) override {
    std::lock_guard const lock{tree_->mutex};
    if (!options_.write) return refused(EBADF);
    if (mode != 0) return refused(EOPNOTSUPP);
    if (size == 0) return refused(EINVAL);
    if (offset > kFileBytesMax || size > kFileBytesMax - offset) return refused(EFBIG);
    inode_->resize(std::max<std::size_t>(inode_->content.size(), offset + size));
    return {};
  }
  TreeResult<std::uint64_t> seek(std::uint64_t offset, int whence) override {
    std::lock_guard const lock{tree_->mutex};
    if (whence != SEEK_DATA && whence != SEEK_HOLE) return refused(EINVAL);
    if (offset >= inode_->content.size()) return refused(ENXIO);
    return whence == SEEK_DATA ? offset : inode_->content.size();
  }
  TreeResult<std::size_t> copy(std::uint64_t offset, TreeFile& to, std::uint64_t to_offset,
                               std::size_t size) override {
    std::lock_guard const lock{tree_->mutex};
    if (!options_.read) return refused(EBADF);
    if (offset >= inode_->content.size()) return 0;
    auto const from = inode_->content.begin() + static_cast<std::ptrdiff_t>(offset);
    Bytes const bytes(from, from + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                       size, inode_->content.size() - offset)));
    return static_cast<MemoryFile&>(to).write_locked(to_offset, bytes);
  }
  TreeResult<std::vector<TreeEntry>> list(std::uint64_t offset) override {
    std::lock_guard const lock{tree_->mutex};
    if (!inode_->is(S_IFDIR)) return refused(ENOTDIR);
    constexpr std::size_t kAtOnce = 16;
    std::vector<TreeEntry> all{{".", inode_->info.inode, kFolderKind, 1},
                               {"..", inode_->info.inode, kFolderKind, 2}};
    for (auto const& [name, inode] : inode_->entries)
      all.push_back({name, inode->info.inode, (inode->info.mode & S_IFMT) >> 12, all.size() + 1});
    if (offset >= all.size()) return std::vector<TreeEntry>{};
    auto const begin = all.begin() + static_cast<std::ptrdiff_t>(offset);
    auto const count = std::min<std::size_t>(kAtOnce, all.size() - offset);
    return std::vector<TreeEntry>(begin, begin + static_cast<std::ptrdiff_t>(count));
  }

 private:
  static constexpr std::uint32_t kFolderKind = S_IFDIR >> 12;

  TreeResult<std::size_t> write_locked(std::uint64_t offset, ByteView bytes) {
    if (!options_.write) return refused(EBADF);
    if (options_.append) offset = inode_->content.size();
    if (offset > kFileBytesMax || bytes.size() > kFileBytesMax - offset) return refused(EFBIG);
    if (offset + bytes.size() > inode_->content.size()) inode_->resize(offset + bytes.size());
    std::ranges::copy(bytes, inode_->content.begin() + static_cast<std::ptrdiff_t>(offset));
    return bytes.size();
  }

  std::shared_ptr<MemoryTree> tree_;
  MemoryRef inode_;
  TreeOpen options_;
};

class MemoryNode final : public TreeNode {
 public:
  MemoryNode(std::shared_ptr<MemoryTree> tree, MemoryRef inode)
      : tree_{std::move(tree)}, inode_{std::move(inode)} {}

  static MemoryRef make_inode(MemoryTree& tree, std::uint32_t mode, NodeOwner owner) {
    auto inode = std::make_shared<MemoryInode>();
    inode->info.inode = tree.next_inode++;
    inode->info.mode = mode;
    inode->info.links = (mode & S_IFMT) == S_IFDIR ? 2 : 1;
    inode->info.owner = owner.owner;
    inode->info.group = owner.group;
    return inode;
  }

  TreeResult<NodeInfo> info() override {
    std::lock_guard const lock{tree_->mutex};
    return inode_->info;
  }
  TreeResult<void> change(NodeChange const& wanted) override {
    std::lock_guard const lock{tree_->mutex};
    if (wanted.size) {
      if (!inode_->is(S_IFREG)) return refused(inode_->is(S_IFDIR) ? EISDIR : EINVAL);
      if (*wanted.size > kFileBytesMax) return refused(EFBIG);
      inode_->resize(*wanted.size);
    }
    NodeInfo& info = inode_->info;
    if (wanted.mode) info.mode = (info.mode & S_IFMT) | (*wanted.mode & ALLPERMS);
    info.owner = wanted.owner.value_or(info.owner);
    info.group = wanted.group.value_or(info.group);
    info.accessed = wanted.accessed.value_or(info.accessed);
    info.modified = wanted.modified.value_or(info.modified);
    return {};
  }
  TreeResult<std::unique_ptr<TreeFile>> open(TreeOpen options) override {
    std::lock_guard const lock{tree_->mutex};
    if (!inode_->is(S_IFREG) && !inode_->is(S_IFDIR)) return refused(ENXIO);
    if (inode_->is(S_IFDIR) && options.write) return refused(EISDIR);
    if (options.truncate && options.write) inode_->resize(0);
    return std::make_unique<MemoryFile>(tree_, inode_, options);
  }
  TreeResult<std::string> target() override {
    std::lock_guard const lock{tree_->mutex};
    if (!inode_->is(S_IFLNK)) return refused(EINVAL);
    return inode_->target;
  }
  TreeResult<std::unique_ptr<TreeNode>> find(std::string_view name) override {
    if (auto const good = check_tree_name(name); !good) return std::unexpected{good.error()};
    std::lock_guard const lock{tree_->mutex};
    if (!inode_->is(S_IFDIR)) return refused(ENOTDIR);
    auto const found = inode_->entries.find(name);
    if (found == inode_->entries.end()) return refused(ENOENT);
    return std::make_unique<MemoryNode>(tree_, found->second);
  }
  TreeResult<Created> create(std::string_view name, std::uint32_t mode, TreeOpen options,
                             NodeOwner owner) override {
    auto node = make(name, S_IFREG | (mode & ALLPERMS), owner);
    if (!node && node.error() == ErrorNumber{EEXIST} && !options.exclusive) node = find(name);
    if (!node) return std::unexpected{node.error()};
    auto file = (*node)->open(options);
    if (!file) return std::unexpected{file.error()};
    return Created{std::move(*node), std::move(*file)};
  }
  TreeResult<std::unique_ptr<TreeNode>> make(std::string_view name, std::uint32_t mode,
                                             NodeOwner owner) override {
    auto const kind = mode & S_IFMT;
    if (kind == S_IFCHR || kind == S_IFBLK) return refused(EPERM);
    if (kind != S_IFREG && kind != S_IFDIR && kind != S_IFIFO && kind != S_IFSOCK)
      return refused(EINVAL);
    return add(name, mode & (S_IFMT | ALLPERMS), owner, {});
  }
  TreeResult<std::unique_ptr<TreeNode>> make_symlink(std::string_view name, std::string_view target,
                                                     NodeOwner owner) override {
    if (target.empty()) return refused(ENOENT);
    return add(name, S_IFLNK | 0777, owner, target);
  }
  TreeResult<void> link(TreeNode& existing, std::string_view name) override {
    if (auto const good = check_tree_name(name); !good) return good;
    std::lock_guard const lock{tree_->mutex};
    MemoryRef const& inode = static_cast<MemoryNode&>(existing).inode_;
    if (inode->is(S_IFDIR)) return refused(EPERM);
    if (!inode_->is(S_IFDIR)) return refused(ENOTDIR);
    if (inode->info.links == 0 || inode_->info.links == 0) return refused(ENOENT);
    if (!inode_->entries.try_emplace(std::string{name}, inode).second) return refused(EEXIST);
    ++inode->info.links;
    return {};
  }
  TreeResult<void> remove(std::string_view name, bool folder) override {
    if (auto const good = check_tree_name(name); !good) return good;
    std::lock_guard const lock{tree_->mutex};
    if (!inode_->is(S_IFDIR)) return refused(ENOTDIR);
    auto const found = inode_->entries.find(name);
    if (found == inode_->entries.end()) return refused(ENOENT);
    if (auto const gone = let_go(*found->second, folder); !gone) return gone;
    inode_->entries.erase(found);
    return {};
  }
  TreeResult<void> rename(std::string_view name, TreeNode& to, std::string_view to_name,
                          std::uint32_t flags) override;

  TreeResult<Bytes> attribute(std::string const& name) override {
    std::lock_guard const lock{tree_->mutex};
    auto const found = inode_->attributes.find(name);
    if (found == inode_->attributes.end()) return refused(ENODATA);
    return found->second;
  }
  TreeResult<Bytes> attributes() override {
    std::lock_guard const lock{tree_->mutex};
    Bytes names;
    for (auto const& [name, value] : inode_->attributes)
      names.insert(names.end(), name.c_str(), name.c_str() + name.size() + 1);
    return names;
  }
  TreeResult<void> set_attribute(std::string const& name, ByteView value, int flags) override {
    std::lock_guard const lock{tree_->mutex};
    constexpr std::size_t kAttributesMax = 64;
    bool const there = inode_->attributes.contains(name);
    if (flags == XATTR_CREATE && there) return refused(EEXIST);
    if (flags == XATTR_REPLACE && !there) return refused(ENODATA);
    if (!there && inode_->attributes.size() == kAttributesMax) return refused(ENOSPC);
    inode_->attributes[name] = Bytes{value.begin(), value.end()};
    return {};
  }
  TreeResult<void> remove_attribute(std::string const& name) override {
    std::lock_guard const lock{tree_->mutex};
    if (inode_->attributes.erase(name) == 0) return refused(ENODATA);
    return {};
  }
  TreeResult<TreeSpace> space() override { return TreeSpace{.blocks = 1000, .free = 500}; }
  TreeResult<void> sync_all() override { return {}; }

 private:
  TreeResult<std::unique_ptr<TreeNode>> add(std::string_view name, std::uint32_t mode,
                                            NodeOwner owner, std::string_view target) {
    if (auto const good = check_tree_name(name); !good) return std::unexpected{good.error()};
    std::lock_guard const lock{tree_->mutex};
    if (!inode_->is(S_IFDIR)) return refused(ENOTDIR);
    if (inode_->info.links == 0) return refused(ENOENT);
    if (inode_->entries.contains(name)) return refused(EEXIST);
    auto inode = make_inode(*tree_, mode, owner);
    inode->target = target;
    inode_->entries.emplace(name, inode);
    return std::make_unique<MemoryNode>(tree_, std::move(inode));
  }
  /// A name of `inode` goes.
  static TreeResult<void> let_go(MemoryInode& inode, bool folder) {
    if (folder != inode.is(S_IFDIR)) return refused(folder ? ENOTDIR : EISDIR);
    if (!inode.entries.empty()) return refused(ENOTEMPTY);
    inode.info.links -= folder ? 2 : 1;
    return {};
  }
  [[nodiscard]] static bool holds(MemoryInode const& folder, MemoryInode const* sought) {
    return &folder == sought || std::ranges::any_of(folder.entries, [&](auto const& entry) {
      return entry.second->is(S_IFDIR) && holds(*entry.second, sought);
    });
  }

  std::shared_ptr<MemoryTree> tree_;
  MemoryRef inode_;
};

TreeResult<void> MemoryNode::rename(std::string_view name, TreeNode& to, std::string_view to_name,
                                    std::uint32_t flags) {
  for (auto const each : {name, to_name})
    if (auto const good = check_tree_name(each); !good) return good;
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) return refused(EINVAL);
  std::lock_guard const lock{tree_->mutex};
  MemoryInode& target = *static_cast<MemoryNode&>(to).inode_;
  if (!inode_->is(S_IFDIR) || !target.is(S_IFDIR)) return refused(ENOTDIR);
  if (target.info.links == 0) return refused(ENOENT);
  auto const from = inode_->entries.find(name);
  if (from == inode_->entries.end()) return refused(ENOENT);
  if (holds(*from->second, &target)) return refused(EINVAL);
  auto const there = target.entries.find(to_name);
  bool const taken = there != target.entries.end();
  if ((flags & RENAME_EXCHANGE) != 0) {
    if (!taken) return refused(ENOENT);
    if (holds(*there->second, inode_.get())) return refused(EINVAL);
    std::swap(from->second, there->second);
    return {};
  }
  if (taken && (flags & RENAME_NOREPLACE) != 0) return refused(EEXIST);
  if (taken && there->second == from->second) return {};
  if (taken) {
    if (auto const gone = let_go(*there->second, from->second->is(S_IFDIR)); !gone) return gone;
  }
  MemoryRef moved = from->second;
  inode_->entries.erase(from);
  target.entries.insert_or_assign(std::string{to_name}, std::move(moved));
  return {};
}

}  // namespace

std::unique_ptr<TreeNode> make_memory_tree() {
  auto tree = std::make_shared<MemoryTree>();
  auto root = MemoryNode::make_inode(*tree, S_IFDIR | 0755, {});
  return std::make_unique<MemoryNode>(std::move(tree), std::move(root));
}

}  // namespace mutirao::world
