#include "real_disk.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/io.h"

#include "beneath.h"
#include "real_tree.h"
#include "system_errors.h"

namespace mutirao::world {

namespace {
class RealDirectory final : public Directory {
 public:
  RealDirectory(Descriptor folder, std::string name)
      : folder_{std::move(folder)}, name_{std::move(name)} {}

  Result<std::unique_ptr<File>> open(std::string_view path, OpenOptions options) override;
  Result<std::unique_ptr<Directory>> open_directory(std::string_view path, bool create) override;
  Result<FileInfo> info(std::string_view path) override;
  Result<std::vector<DirectoryEntry>> list(std::string_view path) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> sync() override;
  Result<DiskSpace> space() override;
  std::uint64_t lifetime() override;

 private:
  /// The last part of a path and the open folder that holds it.
  struct Place {
    Descriptor folder;
    int descriptor;  // of that folder; this directory's own when the path has one part
    std::string leaf;
  };
  Result<Place> find(std::string_view path, bool create, std::string_view step) const;
  [[nodiscard]] std::string full(std::string_view path) const {
    return path.empty() ? name_ : fmt::format("{}/{}", name_, path);
  }

  Descriptor folder_;
  std::string name_;
};

Result<RealDirectory::Place> RealDirectory::find(std::string_view path, bool create,
                                                 std::string_view step) const {
  auto parts = MUT_TRY(split_path(path));
  if (parts.empty()) return fail(Fault::invalid, fmt::format("{}: the path is empty", step));
  auto leaf = std::move(parts.back());
  parts.pop_back();
  if (parts.empty()) return Place{Descriptor{}, folder_.get(), std::move(leaf)};
  int const opened = open_folder_beneath(folder_.get(), parts, create, false);
  if (opened < 0) return system_failure(-opened, step);
  return Place{Descriptor{opened}, opened, std::move(leaf)};
}

Result<std::unique_ptr<File>> RealDirectory::open(std::string_view path, OpenOptions options) {
  threads::blocking_section const may_wait_for_the_device;
  auto const step = fmt::format("open {}", full(path));
  auto const place = MUT_TRY(find(path, options.create, step));
  // Non-blocking, or a FIFO of that name would hold us up.
  int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (options.writable ? O_RDWR : O_RDONLY);
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  if (options.truncate) flags |= O_TRUNC;
  Descriptor file{
      ::openat(place.descriptor, place.leaf.c_str(), flags, options.owner_only ? 0600 : 0666)};
  if (!file) return system_failure(step);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return system_failure(step);
  if (!S_ISREG(info.st_mode))
    return fail(Fault::invalid, fmt::format("{}: it is not a regular file", step));
  if (options.owner_only && (info.st_mode & 0777) != 0600 && ::fchmod(file.get(), 0600) != 0)
    return system_failure(step);
  return make_real_file(std::move(file), full(path));
}

Result<std::unique_ptr<Directory>> RealDirectory::open_directory(std::string_view path,
                                                                 bool create) {
  threads::blocking_section const may_wait_for_the_device;
  auto const parts = MUT_TRY(split_path(path));
  int const opened = open_folder_beneath(folder_.get(), parts, create, true);
  if (opened < 0) return system_failure(-opened, fmt::format("open folder {}", full(path)));
  return std::make_unique<RealDirectory>(Descriptor{opened}, full(path));
}

Result<FileInfo> RealDirectory::info(std::string_view path) {
  threads::blocking_section const may_wait_for_the_device;
  auto const step = fmt::format("look at {}", full(path));
  struct stat info{};
  if (path.empty()) {
    if (::fstat(folder_.get(), &info) != 0) return system_failure(step);
    return file_info_of(info);
  }
  auto const place = MUT_TRY(find(path, false, step));
  if (::fstatat(place.descriptor, place.leaf.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return system_failure(step);
  return file_info_of(info);
}

Result<std::vector<DirectoryEntry>> RealDirectory::list(std::string_view path) {
  threads::blocking_section const may_wait_for_the_device;
  auto const step = fmt::format("list {}", full(path));
  auto const parts = MUT_TRY(split_path(path));
  int const opened = open_folder_beneath(folder_.get(), parts, false, true);
  if (opened < 0) return system_failure(-opened, step);
  auto const close_stream = [](DIR* stream) { ::closedir(stream); };
  std::unique_ptr<DIR, decltype(close_stream)> const stream{::fdopendir(opened), close_stream};
  if (!stream) return system_failure(step);
  std::vector<DirectoryEntry> entries;
  while (auto const* const each = ::readdir(stream.get())) {
    std::string_view const name{each->d_name};
    struct stat info{};
    if (name == "." || name == "..") continue;
    // Gone again since readdir saw it.
    if (::fstatat(opened, each->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    entries.push_back({std::string{name}, file_info_of(info)});
  }
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<void> RealDirectory::remove(std::string_view path) {
  threads::blocking_section const may_wait_for_the_device;
  auto const step = fmt::format("remove {}", full(path));
  auto const place = MUT_TRY(find(path, false, step));
  if (::unlinkat(place.descriptor, place.leaf.c_str(), 0) == 0) return {};
  if (threads::last_error_number() != EISDIR) return system_failure(step);
  if (::unlinkat(place.descriptor, place.leaf.c_str(), AT_REMOVEDIR) == 0) return {};
  return system_failure(step);
}

Result<void> RealDirectory::rename(std::string_view from, std::string_view to) {
  threads::blocking_section const may_wait_for_the_device;
  auto const step = fmt::format("rename {} to {}", full(from), full(to));
  auto const source = MUT_TRY(find(from, false, step));
  auto const target = MUT_TRY(find(to, true, step));
  if (::renameat(source.descriptor, source.leaf.c_str(), target.descriptor, target.leaf.c_str()) ==
      0)
    return {};
  return system_failure(step);
}

Result<void> RealDirectory::sync() {
  if (threads::blocking([&] { return ::fsync(folder_.get()); }) == 0) return {};
  return system_failure(fmt::format("sync folder {}", name_));
}

Result<DiskSpace> RealDirectory::space() {
  struct statvfs info{};
  if (threads::blocking([&] { return ::fstatvfs(folder_.get(), &info); }) != 0) {
    return system_failure(fmt::format("look at the disk of {}", name_));
  }
  // What is free for us: the file system keeps some back for root.
  return DiskSpace{info.f_bavail * info.f_frsize, info.f_blocks * info.f_frsize};
}

std::uint64_t RealDirectory::lifetime() {
  threads::blocking_section const may_wait_for_the_device;
  Descriptor const boot{::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)};
  std::array<char, 36> id{};
  if (!boot || ::read(boot.get(), id.data(), id.size()) != static_cast<ssize_t>(id.size()))
    return 0;
  struct statx mount{};
  if (::statx(folder_.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &mount) != 0) return 0;
  if ((mount.stx_mask & STATX_MNT_ID) == 0) return 0;  // before Linux 5.8
  auto const text = fmt::format("{} {} {}:{}", std::string_view{id.data(), id.size()},
                                mount.stx_mnt_id, mount.stx_dev_major, mount.stx_dev_minor);
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (char const each : text) hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001b3;
  return hash;
}
}  // namespace

Result<std::unique_ptr<Directory>> RealDisk::open_directory(std::string_view path, bool create) {
  threads::blocking_section const may_wait_for_the_device;
  std::string name{path};
  auto const step = fmt::format("open folder {}", name);
  if (name.empty() || name.find('\0') != name.npos)
    return fail(Fault::invalid, fmt::format("{}: no such name", step));
  std::error_code error;
  if (create) std::filesystem::create_directories(name, error);
  if (error) return system_failure(error.value(), fmt::format("make folder {}", name));
  Descriptor folder{::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return system_failure(step);
  return std::make_unique<RealDirectory>(std::move(folder), std::move(name));
}

Result<std::unique_ptr<TreeNode>> RealDisk::open_tree(std::string_view path) {
  threads::blocking_section const may_wait_for_the_device;
  std::string const name{path};
  auto const step = fmt::format("open folder {}", name);
  if (name.find('\0') != name.npos)
    return fail(Fault::invalid, fmt::format("{}: no such name", step));
  Descriptor folder{::open(name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return system_failure(step);
  return make_real_tree(std::move(folder));
}

}  // namespace mutirao::world
