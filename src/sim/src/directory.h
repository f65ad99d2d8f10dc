#pragma once

#include <memory>

#include "disk.h"

namespace mutirao::sim {

class SimulatedDirectory final : public world::Directory {
 public:
  SimulatedDirectory(SimulatedDisk& disk, LifeRef life, InodeRef inode) noexcept
      : disk_{disk}, life_{std::move(life)}, inode_{std::move(inode)} {}

  Result<std::unique_ptr<world::File>> open(std::string_view path,
                                            world::OpenOptions options) override;
  Result<std::unique_ptr<world::Directory>> open_directory(std::string_view path,
                                                           bool create) override;
  Result<world::FileInfo> info(std::string_view path) override;
  Result<std::vector<world::DirectoryEntry>> list(std::string_view path) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> sync() override;
  Result<world::DiskSpace> space() override;
  std::uint64_t lifetime() override { return disk_.lifetime(); }

 private:
  Result<InodeRef> find(std::string_view path) const;

  SimulatedDisk& disk_;
  LifeRef life_;
  InodeRef inode_;
};

class SimulatedFile final : public world::File {
 public:
  SimulatedFile(SimulatedDisk& disk, LifeRef life, InodeRef inode, bool writable) noexcept
      : disk_{disk}, life_{std::move(life)}, inode_{std::move(inode)}, writable_{writable} {}

  using File::write_at;
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) override;
  Result<void> write_at(std::uint64_t offset, std::span<ByteView const> from) override;
  Result<void> sync() override;
  Result<void> resize(std::uint64_t size) override;
  Result<world::FileInfo> info() override;

 private:
  Result<void> begin_write();

  SimulatedDisk& disk_;
  LifeRef life_;
  InodeRef inode_;
  bool writable_;
};

}  // namespace mutirao::sim
