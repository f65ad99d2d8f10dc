#include "directory.h"

#include <cerrno>
#include <limits>
#include <utility>

namespace mutirao::sim {

namespace {
constexpr auto kFileBytesMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

world::FileInfo info_of(Inode const& inode) {
  return {.kind = inode.directory ? world::FileKind::directory : world::FileKind::regular,
          .size = inode.content.size(),
          .allocated = inode.content.allocated_bytes(),
          .modified_ns = inode.modified_ns,
          .inode = inode.number};
}
}  // namespace

Result<InodeRef> SimulatedDirectory::find(std::string_view path) const {
  if (life_->over) return crashed_host();
  return disk_.tree().find(inode_, MUT_TRY(DiskTree::split(path)));
}

Result<std::unique_ptr<world::File>> SimulatedDirectory::open(std::string_view path,
                                                              world::OpenOptions options) {
  if (life_->over) return crashed_host();
  auto parts = MUT_TRY(DiskTree::split(path));
  if (parts.empty() || path.ends_with('/')) return system_failure(EISDIR, path);
  auto const name = std::move(parts.back());
  parts.pop_back();
  auto const parent = MUT_TRY(disk_.tree().find_directory(inode_, parts, options.create));
  auto const found = parent->entries.find(name);
  InodeRef inode;
  if (found != parent->entries.end()) {
    if (options.create && options.exclusive) return system_failure(EEXIST, path);
    inode = found->second;
    if (inode->directory) return system_failure(EISDIR, path);
  } else {
    if (!options.create) return system_failure(ENOENT, path);
    inode = disk_.tree().create(parent, name, false);
    inode->modified_ns = disk_.civil_ns();
  }
  if (options.truncate && options.writable) inode->content.resize(0);
  disk_.note(TraceEvent::opened, inode->number);
  return std::make_unique<SimulatedFile>(disk_, life_, std::move(inode), options.writable);
}

Result<std::unique_ptr<world::Directory>> SimulatedDirectory::open_directory(std::string_view path,
                                                                             bool create) {
  if (life_->over) return crashed_host();
  auto inode = MUT_TRY(disk_.tree().find_directory(inode_, MUT_TRY(DiskTree::split(path)), create));
  return std::make_unique<SimulatedDirectory>(disk_, life_, std::move(inode));
}

Result<world::FileInfo> SimulatedDirectory::info(std::string_view path) {
  return info_of(*MUT_TRY(find(path)));
}

Result<std::vector<world::DirectoryEntry>> SimulatedDirectory::list(std::string_view path) {
  auto const inode = MUT_TRY(find(path));
  if (!inode->directory) return system_failure(ENOTDIR, path);
  disk_.note(TraceEvent::listed, inode->number);
  std::vector<world::DirectoryEntry> entries;
  entries.reserve(inode->entries.size());
  for (auto const& [name, entry] : inode->entries) entries.push_back({name, info_of(*entry)});
  return entries;
}

Result<void> SimulatedDirectory::remove(std::string_view path) {
  if (life_->over) return crashed_host();
  MUT_TRY(disk_.tree().remove(inode_, path));
  disk_.note(TraceEvent::removed, hash_of(path));
  return {};
}

Result<void> SimulatedDirectory::rename(std::string_view from, std::string_view to) {
  if (life_->over) return crashed_host();
  MUT_TRY(disk_.tree().rename(inode_, from, to));
  disk_.note(TraceEvent::renamed, hash_of(to));
  return {};
}

Result<void> SimulatedDirectory::sync() {
  MUT_TRY(disk_.begin(SimulatedDisk::Call::sync, *life_));
  if (!disk_.syncs_lie()) disk_.tree().sync_directory(*inode_);
  disk_.note(TraceEvent::synced, inode_->number);
  return {};
}

Result<world::DiskSpace> SimulatedDirectory::space() {
  if (life_->over) return crashed_host();
  auto const& budget = disk_.tree().budget();
  auto const free_pages =
      budget.full || budget.used >= budget.capacity ? 0 : budget.capacity - budget.used;
  return world::DiskSpace{free_pages * FileContent::kPageBytes,
                          budget.capacity * FileContent::kPageBytes};
}

Result<std::size_t> SimulatedFile::read_at(std::uint64_t offset, MutableBytes into) {
  MUT_TRY(disk_.begin(SimulatedDisk::Call::read, *life_));
  disk_.rot_before_read(inode_->content, offset, into.size());
  auto const count = inode_->content.read(offset, into);
  disk_.note(TraceEvent::read, mix(offset) + count);
  return count;
}

Result<void> SimulatedFile::begin_write() {
  MUT_TRY(disk_.begin(SimulatedDisk::Call::write, *life_));
  if (!writable_) return system_failure(EBADF, "the file was opened for reading");
  return {};
}

Result<void> SimulatedFile::write_at(std::uint64_t offset, std::span<ByteView const> from) {
  MUT_TRY(begin_write());
  for (auto const& buffer : from) {
    if (offset > kFileBytesMax || buffer.size() > kFileBytesMax - offset)
      return system_failure(EFBIG, "write");
    auto const written = inode_->content.write(offset, buffer);
    disk_.note(TraceEvent::wrote, mix(offset) + written);
    disk_.note_content(buffer.first(written));
    if (written < buffer.size()) return system_failure(ENOSPC, "write");
    offset += written;
  }
  inode_->modified_ns = disk_.civil_ns();
  return {};
}

Result<void> SimulatedFile::sync() {
  MUT_TRY(disk_.begin(SimulatedDisk::Call::sync, *life_));
  if (!disk_.syncs_lie()) inode_->content.sync();
  disk_.note(TraceEvent::synced, inode_->number);
  return {};
}

Result<void> SimulatedFile::resize(std::uint64_t size) {
  MUT_TRY(begin_write());
  if (size > kFileBytesMax) return system_failure(EFBIG, "resize");
  inode_->content.resize(size);
  inode_->modified_ns = disk_.civil_ns();
  disk_.note(TraceEvent::resized, size);
  return {};
}

Result<world::FileInfo> SimulatedFile::info() {
  if (life_->over) return crashed_host();
  return info_of(*inode_);
}

}  // namespace mutirao::sim
