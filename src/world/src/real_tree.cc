#include "real_tree.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <mutex>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/mutex.h"

#include "system_errors.h"

namespace mutirao::world {
namespace {

using Section = threads::blocking_section;

std::unexpected<ErrorNumber> tree_error(int number) {
  // To a client the limit of this process is that of the whole system.
  return std::unexpected{ErrorNumber{number == EMFILE ? ENFILE : number}};
}
std::unexpected<ErrorNumber> tree_failure() { return tree_error(threads::last_error_number()); }

/// The value, or return its error number from the enclosing function.
#define TREE_TRY(...)                                              \
  (__extension__({                                                 \
    auto tree_result = (__VA_ARGS__);                              \
    if (!tree_result) return std::unexpected{tree_result.error()}; \
    base::detail::take(std::move(tree_result));                    \
  }))

TreeResult<void> done(int result) {
  if (result < 0) return tree_failure();
  return {};
}

NodeInfo node_info_of(struct stat const& info) {
  auto const time = [](timespec const& at) {
    return FileTime{at.tv_sec, static_cast<std::uint32_t>(at.tv_nsec)};
  };
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = static_cast<std::uint64_t>(info.st_size),
          .blocks = static_cast<std::uint64_t>(info.st_blocks),
          .block_size = static_cast<std::uint32_t>(info.st_blksize),
          .mode = info.st_mode,
          .links = static_cast<std::uint32_t>(info.st_nlink),
          .owner = info.st_uid,
          .group = info.st_gid,
          // The kernel's own encoding of 32 bits, which is what protocols carry.
          .special = (minor(info.st_rdev) & 0xFF) | major(info.st_rdev) << 8 |
                     (minor(info.st_rdev) & ~0xFFu) << 12,
          .accessed = time(info.st_atim),
          .modified = time(info.st_mtim),
          .changed = time(info.st_ctim)};
}

class RealTreeFile final : public TreeFile {
 public:
  explicit RealTreeFile(Descriptor file) : file_{std::move(file)} {}
  ~RealTreeFile() override {
    Section const may_wait_for_the_device;
    file_ = Descriptor{};
  }

  TreeResult<std::size_t> read(std::uint64_t offset, MutableBytes into) override {
    Section const may_wait_for_the_device;
    return counted(::pread(file_.get(), into.data(), into.size(), static_cast<off_t>(offset)));
  }
  TreeResult<std::size_t> write(std::uint64_t offset, ByteView bytes) override {
    Section const may_wait_for_the_device;
    return counted(::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)));
  }
  TreeResult<void> sync(bool data_only) override {
    Section const may_wait_for_the_device;
    return done(data_only ? ::fdatasync(file_.get()) : ::fsync(file_.get()));
  }
  TreeResult<void> flush() override {
    Section const may_wait_for_the_device;
    // Network file systems tell it in close.
    int const twin = ::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0);
    if (twin < 0) return tree_failure();
    return done(::close(twin));
  }
  TreeResult<void> resize(std::uint64_t size) override {
    Section const may_wait_for_the_device;
    return done(::ftruncate(file_.get(), static_cast<off_t>(size)));
  }
  TreeResult<void> allocate(std::uint32_t mode, std::uint64_t offset, std::uint64_t size) override {
    Section const may_wait_for_the_device;
    return done(::fallocate(file_.get(), static_cast<int>(mode), static_cast<off_t>(offset),
                            static_cast<off_t>(size)));
  }
  TreeResult<std::uint64_t> seek(std::uint64_t offset, int whence) override {
    Section const may_wait_for_the_device;
    if (whence != SEEK_DATA && whence != SEEK_HOLE) return tree_error(EINVAL);
    off_t const found = ::lseek(file_.get(), static_cast<off_t>(offset), whence);
    if (found < 0) return tree_failure();
    return static_cast<std::uint64_t>(found);
  }
  TreeResult<std::size_t> copy(std::uint64_t offset, TreeFile& to, std::uint64_t to_offset,
                               std::size_t size) override {
    Section const may_wait_for_the_device;
    auto from_at = static_cast<off_t>(offset), to_at = static_cast<off_t>(to_offset);
    int const target = static_cast<RealTreeFile&>(to).file_.get();
    return counted(::copy_file_range(file_.get(), &from_at, target, &to_at, size, 0));
  }
  TreeResult<std::vector<TreeEntry>> list(std::uint64_t offset) override {
    std::lock_guard const lock{list_mutex_};
    Section const may_wait_for_the_device;
    if (::lseek(file_.get(), static_cast<off_t>(offset), SEEK_SET) < 0) return tree_failure();
    constexpr std::size_t kBufferBytes = 32768;
    std::vector<std::uint64_t> buffer(kBufferBytes / sizeof(std::uint64_t));  // aligned as entries
    ssize_t const size = ::getdents64(file_.get(), buffer.data(), kBufferBytes);
    if (size < 0) return tree_failure();
    auto const* const bytes = reinterpret_cast<char const*>(buffer.data());
    std::vector<TreeEntry> entries;
    for (ssize_t at = 0; at < size;) {
      auto const* const each = reinterpret_cast<dirent64 const*>(bytes + at);
      entries.push_back({.name = each->d_name,
                         .inode = each->d_ino,
                         .kind = each->d_type,
                         .after = static_cast<std::uint64_t>(each->d_off)});
      at += each->d_reclen;
    }
    return entries;
  }

 private:
  static TreeResult<std::size_t> counted(ssize_t result) {
    if (result < 0) return tree_failure();
    return static_cast<std::size_t>(result);
  }

  Descriptor file_;
  threads::mutex list_mutex_;  // lists share the position of the descriptor
};

/// Holds its file by O_PATH, which opens nothing: no device answers, no FIFO waits, and the name
/// may change. What needs more goes through the link that /proc/self/fd has for the descriptor.
class RealNode final : public TreeNode {
 public:
  using Links = std::shared_ptr<Descriptor const>;
  RealNode(Descriptor path, std::uint32_t mode, Links links)
      : path_{std::move(path)}, kind_{mode & S_IFMT}, links_{std::move(links)} {}

  static TreeResult<std::unique_ptr<RealNode>> hold(Descriptor path, Links const& links) {
    struct stat info{};
    if (::fstat(path.get(), &info) != 0) return tree_failure();
    return std::make_unique<RealNode>(std::move(path), info.st_mode, links);
  }

  TreeResult<NodeInfo> info() override;
  TreeResult<void> change(NodeChange const& wanted) override;
  TreeResult<std::unique_ptr<TreeFile>> open(TreeOpen options) override;
  TreeResult<std::string> target() override;
  TreeResult<std::unique_ptr<TreeNode>> find(std::string_view name) override;
  TreeResult<Created> create(std::string_view name, std::uint32_t mode, TreeOpen options,
                             NodeOwner owner) override;
  TreeResult<std::unique_ptr<TreeNode>> make(std::string_view name, std::uint32_t mode,
                                             NodeOwner owner) override;
  TreeResult<std::unique_ptr<TreeNode>> make_symlink(std::string_view name, std::string_view target,
                                                     NodeOwner owner) override;
  TreeResult<void> link(TreeNode& existing, std::string_view name) override;
  TreeResult<void> remove(std::string_view name, bool folder) override;
  TreeResult<void> rename(std::string_view name, TreeNode& to, std::string_view to_name,
                          std::uint32_t flags) override;
  TreeResult<Bytes> attribute(std::string const& name) override;
  TreeResult<Bytes> attributes() override;
  TreeResult<void> set_attribute(std::string const& name, ByteView value, int flags) override;
  TreeResult<void> remove_attribute(std::string const& name) override;
  TreeResult<TreeSpace> space() override;
  TreeResult<void> sync_all() override;

 private:
  /// Below /proc, whose "self" is whoever asks: the process may have forked since.
  [[nodiscard]] static std::string link_of(int descriptor) {
    return "self/fd/" + std::to_string(descriptor);
  }
  /// The same file, opened with other flags. Only of what is safe to open.
  [[nodiscard]] TreeResult<Descriptor> reopen(int flags) const {
    if (kind_ != S_IFREG && kind_ != S_IFDIR) return tree_error(ENXIO);
    Descriptor file{::openat(links_->get(), link_of(path_.get()).c_str(), flags | O_CLOEXEC)};
    if (!file) return tree_failure();
    return file;
  }
  [[nodiscard]] TreeResult<std::unique_ptr<RealNode>> find_here(std::string const& name) const {
    Descriptor path{::openat(path_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    if (!path) return tree_failure();
    return hold(std::move(path), links_);
  }
  /// Of something that was just made, with what the process and the folder made of it.
  TreeResult<void> give(std::uint32_t mode, NodeOwner owner);
  TreeResult<std::unique_ptr<TreeNode>> made(std::string const& name, std::uint32_t mode,
                                             NodeOwner owner);

  Descriptor path_;
  std::uint32_t kind_;
  Links links_;
};

int flags_of(TreeOpen options) {
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  flags |= options.write ? (options.read ? O_RDWR : O_WRONLY) : O_RDONLY;
  if (options.append) flags |= O_APPEND;
  if (options.truncate) flags |= O_TRUNC;
  if (options.synchronous) flags |= O_SYNC;
  return flags;
}

TreeResult<NodeInfo> RealNode::info() {
  Section const may_wait_for_the_device;
  struct stat info{};
  if (::fstat(path_.get(), &info) != 0) return tree_failure();
  return node_info_of(info);
}

TreeResult<void> RealNode::change(NodeChange const& wanted) {
  Section const may_wait_for_the_device;
  if (wanted.size) {
    if (kind_ != S_IFREG) return tree_error(kind_ == S_IFDIR ? EISDIR : EINVAL);
    auto const file = TREE_TRY(reopen(O_WRONLY | O_NONBLOCK));
    TREE_TRY(done(::ftruncate(file.get(), static_cast<off_t>(*wanted.size))));
  }
  if (wanted.owner || wanted.group) {
    constexpr auto kSame = static_cast<std::uint32_t>(-1);
    TREE_TRY(done(::fchownat(path_.get(), "", wanted.owner.value_or(kSame),
                             wanted.group.value_or(kSame), AT_EMPTY_PATH)));
  }
  // After the owner, whose change takes bits away.
  if (wanted.mode) {
    if (kind_ == S_IFLNK) return tree_error(EOPNOTSUPP);
    TREE_TRY(
        done(::fchmodat(links_->get(), link_of(path_.get()).c_str(), *wanted.mode & ALLPERMS, 0)));
  }
  auto const time = [](std::optional<FileTime> const& at, bool now) {
    if (now) return timespec{0, UTIME_NOW};
    if (!at) return timespec{0, UTIME_OMIT};
    return timespec{at->seconds, static_cast<long>(at->nanoseconds % 1'000'000'000)};
  };
  std::array const times{time(wanted.accessed, wanted.accessed_now),
                         time(wanted.modified, wanted.modified_now)};
  if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) return {};
  return done(::utimensat(links_->get(), link_of(path_.get()).c_str(), times.data(), 0));
}

TreeResult<std::unique_ptr<TreeFile>> RealNode::open(TreeOpen options) {
  Section const may_wait_for_the_device;
  return std::make_unique<RealTreeFile>(TREE_TRY(reopen(flags_of(options))));
}

TreeResult<std::string> RealNode::target() {
  Section const may_wait_for_the_device;
  std::string text(PATH_MAX, '\0');
  ssize_t const size = ::readlinkat(path_.get(), "", text.data(), text.size());
  if (size < 0) return tree_error(kind_ == S_IFLNK ? threads::last_error_number() : EINVAL);
  text.resize(static_cast<std::size_t>(size));
  return text;
}

TreeResult<std::unique_ptr<TreeNode>> RealNode::find(std::string_view name) {
  Section const may_wait_for_the_device;
  TREE_TRY(check_tree_name(name));
  return find_here(std::string{name});
}

TreeResult<void> RealNode::give(std::uint32_t mode, NodeOwner owner) {
  struct stat info{};
  if (::fstat(path_.get(), &info) != 0) return tree_failure();
  uid_t const us = ::geteuid();
  // Somebody else's: it was put there since.
  if (info.st_uid != us) return {};
  // A folder may give its group to what is made in it.
  bool const group_is_ours = info.st_gid == ::getegid();
  bool const to_other =
      us == 0 && (owner.owner != info.st_uid || (group_is_ours && owner.group != info.st_gid));
  if (to_other) {
    gid_t const group = group_is_ours ? owner.group : info.st_gid;
    int const given = ::fchownat(path_.get(), "", owner.owner, group, AT_EMPTY_PATH);
    // A root that has given up its rights, or has none of those users, keeps what it makes.
    int const number = given == 0 ? 0 : threads::last_error_number();
    if (number != 0 && number != EPERM && number != EINVAL) return tree_error(number);
  }
  if (kind_ == S_IFLNK) return {};
  auto const wanted = (mode & ALLPERMS) | (kind_ == S_IFDIR ? info.st_mode & S_ISGID : 0u);
  // Who gives a program away takes its powers.
  bool const lost = to_other && (wanted & (S_ISUID | S_ISGID)) != 0;
  if ((info.st_mode & ALLPERMS) == wanted && !lost) return {};
  return done(::fchmodat(links_->get(), link_of(path_.get()).c_str(), wanted, 0));
}

TreeResult<RealNode::Created> RealNode::create(std::string_view name, std::uint32_t mode,
                                               TreeOpen options, NodeOwner owner) {
  Section const may_wait_for_the_device;
  TREE_TRY(check_tree_name(name));
  std::string const leaf{name};
  // Only a file that is made here is opened by its name: another may be a device.
  Descriptor file{
      ::openat(path_.get(), leaf.c_str(), flags_of(options) | O_CREAT | O_EXCL, mode & ALLPERMS)};
  if (!file) {
    if (threads::last_error_number() != EEXIST || options.exclusive) return tree_failure();
    auto node = TREE_TRY(find_here(leaf));
    if (node->kind_ == S_IFLNK) return tree_error(ELOOP);
    Descriptor opened = TREE_TRY(node->reopen(flags_of(options)));
    return Created{std::move(node), std::make_unique<RealTreeFile>(std::move(opened))};
  }
  Descriptor path{::openat(links_->get(), link_of(file.get()).c_str(), O_PATH | O_CLOEXEC)};
  if (!path) return tree_failure();
  auto node = TREE_TRY(hold(std::move(path), links_));
  TREE_TRY(node->give(mode, owner));
  return Created{std::move(node), std::make_unique<RealTreeFile>(std::move(file))};
}

TreeResult<std::unique_ptr<TreeNode>> RealNode::made(std::string const& name, std::uint32_t mode,
                                                     NodeOwner owner) {
  auto node = TREE_TRY(find_here(name));
  if (node->kind_ == (mode & S_IFMT)) TREE_TRY(node->give(mode, owner));
  return node;
}

TreeResult<std::unique_ptr<TreeNode>> RealNode::make(std::string_view name, std::uint32_t mode,
                                                     NodeOwner owner) {
  Section const may_wait_for_the_device;
  TREE_TRY(check_tree_name(name));
  std::string const leaf{name};
  switch (mode & S_IFMT) {
    case S_IFDIR:
      TREE_TRY(done(::mkdirat(path_.get(), leaf.c_str(), mode & ALLPERMS)));
      break;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
      TREE_TRY(done(::mknodat(path_.get(), leaf.c_str(), mode & (S_IFMT | ALLPERMS), 0)));
      break;
    case S_IFCHR:
    case S_IFBLK:
      return tree_error(EPERM);
    default:
      return tree_error(EINVAL);
  }
  return made(leaf, mode, owner);
}

TreeResult<std::unique_ptr<TreeNode>> RealNode::make_symlink(std::string_view name,
                                                             std::string_view target,
                                                             NodeOwner owner) {
  Section const may_wait_for_the_device;
  TREE_TRY(check_tree_name(name));
  std::string const leaf{name};
  TREE_TRY(done(::symlinkat(std::string{target}.c_str(), path_.get(), leaf.c_str())));
  return made(leaf, S_IFLNK, owner);
}

TreeResult<void> RealNode::link(TreeNode& existing, std::string_view name) {
  Section const may_wait_for_the_device;
  TREE_TRY(check_tree_name(name));
  int const source = static_cast<RealNode&>(existing).path_.get();
  return done(::linkat(links_->get(), link_of(source).c_str(), path_.get(),
                       std::string{name}.c_str(), AT_SYMLINK_FOLLOW));
}

TreeResult<void> RealNode::remove(std::string_view name, bool folder) {
  Section const may_wait_for_the_device;
  TREE_TRY(check_tree_name(name));
  return done(::unlinkat(path_.get(), std::string{name}.c_str(), folder ? AT_REMOVEDIR : 0));
}

TreeResult<void> RealNode::rename(std::string_view name, TreeNode& to, std::string_view to_name,
                                  std::uint32_t flags) {
  Section const may_wait_for_the_device;
  TREE_TRY(check_tree_name(name));
  TREE_TRY(check_tree_name(to_name));
  // A whiteout would be a device node.
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) return tree_error(EINVAL);
  return done(::renameat2(path_.get(), std::string{name}.c_str(),
                          static_cast<RealNode&>(to).path_.get(), std::string{to_name}.c_str(),
                          flags));
}

TreeResult<Bytes> RealNode::attribute(std::string const& name) {
  Section const may_wait_for_the_device;
  if (kind_ != S_IFREG && kind_ != S_IFDIR) return tree_error(ENODATA);
  auto const file = TREE_TRY(reopen(O_RDONLY | O_NONBLOCK));
  Bytes value(XATTR_SIZE_MAX);
  ssize_t const size = ::fgetxattr(file.get(), name.c_str(), value.data(), value.size());
  if (size < 0) return tree_failure();
  value.resize(static_cast<std::size_t>(size));
  return value;
}

TreeResult<Bytes> RealNode::attributes() {
  Section const may_wait_for_the_device;
  if (kind_ != S_IFREG && kind_ != S_IFDIR) return Bytes{};
  auto const file = TREE_TRY(reopen(O_RDONLY | O_NONBLOCK));
  Bytes names(XATTR_LIST_MAX);
  ssize_t const size =
      ::flistxattr(file.get(), reinterpret_cast<char*>(names.data()), names.size());
  if (size < 0) return tree_failure();
  names.resize(static_cast<std::size_t>(size));
  return names;
}

TreeResult<void> RealNode::set_attribute(std::string const& name, ByteView value, int flags) {
  Section const may_wait_for_the_device;
  if (kind_ != S_IFREG && kind_ != S_IFDIR) return tree_error(EPERM);
  auto const file = TREE_TRY(reopen(O_RDONLY | O_NONBLOCK));
  return done(::fsetxattr(file.get(), name.c_str(), value.data(), value.size(), flags));
}

TreeResult<void> RealNode::remove_attribute(std::string const& name) {
  Section const may_wait_for_the_device;
  if (kind_ != S_IFREG && kind_ != S_IFDIR) return tree_error(EPERM);
  auto const file = TREE_TRY(reopen(O_RDONLY | O_NONBLOCK));
  return done(::fremovexattr(file.get(), name.c_str()));
}

TreeResult<TreeSpace> RealNode::space() {
  Section const may_wait_for_the_device;
  struct statvfs info{};
  if (::fstatvfs(path_.get(), &info) != 0) return tree_failure();
  return TreeSpace{.blocks = info.f_blocks,
                   .free = info.f_bfree,
                   .available = info.f_bavail,
                   .files = info.f_files,
                   .files_free = info.f_ffree,
                   .block_size = static_cast<std::uint32_t>(info.f_bsize),
                   .fragment_size = static_cast<std::uint32_t>(info.f_frsize),
                   .name_max = static_cast<std::uint32_t>(info.f_namemax)};
}

TreeResult<void> RealNode::sync_all() {
  Section const may_wait_for_the_device;
  auto const file = TREE_TRY(reopen(O_RDONLY | O_NONBLOCK));
  return done(::syncfs(file.get()));
}

}  // namespace

Result<std::unique_ptr<TreeNode>> make_real_tree(Descriptor folder) {
  // Kept open: links of descriptors are found also when /proc is out of reach later.
  Descriptor links{::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!links) {
    auto failure = system_failure("open /proc");
    failure.error().mend = "mount /proc";
    return failure;
  }
  return std::make_unique<RealNode>(std::move(folder), S_IFDIR,
                                    std::make_shared<Descriptor const>(std::move(links)));
}

#undef TREE_TRY

}  // namespace mutirao::world
