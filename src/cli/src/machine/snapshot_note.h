#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/codec.h"

#include "options.h"

namespace mutirao::cli {

/// A disk, as it was when a snapshot was made: one that was written since holds something that its
/// guest does not expect, and would be destroyed by it.
struct DiskNote {
  std::string path;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  bool writable = false;
};

/// What a machine was started with, kept in its folder and in its snapshots: so it is restored with
/// the same folders, disks and network, and starts anew from the same kernel when its guest
/// reboots. All paths are absolute.
///
/// It is written where there are walls between the guest and whoever writes: a monitor that its
/// guest has taken over can't ask for more when it is restored.
struct SnapshotNote {
  std::uint32_t version = kVersion;
  std::string name{};
  std::string kernel{}, initrd{}, firmware{}, append{};
  std::string engine{};
  std::string isolation{};
  std::vector<DiskNote> disks{};
  std::vector<std::string> shares{};  ///< FOLDER:TAG[:ro]
  std::string network{};
  std::vector<std::string> allowed{}, published{};
  bool deterministic = false;
  std::uint64_t seed = 0;
  std::uint32_t cpus = 0, memory_mb = 0;

  static constexpr std::uint32_t kVersion = 1;
};

/// Of a machine that is started so.
[[nodiscard]] SnapshotNote note_of(Options const& options, std::string const& working_folder);
/// What the machine of a snapshot is started with: what the note says, unless `given` says
/// something else.
[[nodiscard]] Options options_of(SnapshotNote const& note, Options given);

/// Fault::refused when a disk is not as it was.
[[nodiscard]] Result<void> check_disk(DiskNote const& then, DiskNote const& now);

[[nodiscard]] std::string to_text(SnapshotNote const& note);
/// Fails with corrupt when it is no note, or unsupported when a newer release wrote it.
[[nodiscard]] Result<SnapshotNote> parse_snapshot_note(std::string_view text);

}  // namespace mutirao::cli

namespace mutirao::middleware {

template <>
inline constexpr auto record_of<cli::DiskNote> = record(
    "DiskNote", field(1, "path", &cli::DiskNote::path), field(2, "size", &cli::DiskNote::size),
    field(3, "modified_ns", &cli::DiskNote::modified_ns),
    field(4, "writable", &cli::DiskNote::writable));

template <>
inline constexpr auto record_of<cli::SnapshotNote> = record(
    "SnapshotNote", field(1, "version", &cli::SnapshotNote::version),
    field(2, "name", &cli::SnapshotNote::name), field(3, "kernel", &cli::SnapshotNote::kernel),
    field(4, "initrd", &cli::SnapshotNote::initrd),
    field(5, "firmware", &cli::SnapshotNote::firmware),
    field(6, "append", &cli::SnapshotNote::append), field(7, "engine", &cli::SnapshotNote::engine),
    field(8, "isolation", &cli::SnapshotNote::isolation),
    field(9, "disks", &cli::SnapshotNote::disks), field(10, "shares", &cli::SnapshotNote::shares),
    field(11, "network", &cli::SnapshotNote::network),
    field(12, "allowed", &cli::SnapshotNote::allowed),
    field(13, "published", &cli::SnapshotNote::published),
    field(14, "deterministic", &cli::SnapshotNote::deterministic),
    field(15, "seed", &cli::SnapshotNote::seed), field(16, "cpus", &cli::SnapshotNote::cpus),
    field(17, "memory_mb", &cli::SnapshotNote::memory_mb));

}  // namespace mutirao::middleware
