#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/codec.h"

#include "options.h"

namespace mutirao::cli {

/// A file of a disk, as it was when a snapshot was made: one that was written since holds something
/// that the guest does not expect, and would be destroyed by it.
struct FileNote {
  std::string path{};
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
};

struct DiskNote {
  FileNote image{};
  FileNote overlay{};  ///< takes what is written; no path: the image does
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
  std::string kernel{}, initrd{}, firmware{}, loader{}, append{};
  std::string engine{};
  std::string isolation{};
  std::vector<DiskNote> disks{};
  bool boots_from_disk = false;       ///< from the first one, which was given as the image
  std::vector<std::string> shares{};  ///< FOLDER:TAG[:ro]
  std::string network{};
  std::vector<std::string> allowed{}, published{};
  bool vsock = false;
  bool deterministic = false;
  std::uint64_t seed = 0;
  std::uint32_t cpus = 0, memory_mb = 0;

  static constexpr std::uint32_t kVersion = 1;
};

/// Of a machine that is started so; its disks are not told yet.
[[nodiscard]] SnapshotNote note_of(Options const& options, std::string const& working_folder);
/// What the machine of a snapshot is started with: what the note says, unless `given` says
/// something else.
[[nodiscard]] Options options_of(SnapshotNote const& note, Options given);

/// The files of a disk that a person names for one that a machine had: an overlay that lay beside
/// its image lies there still. Fails when it names none.
[[nodiscard]] Result<DiskNote> files_of_disk(std::string_view text, DiskNote const& then);
/// Fault::refused when a file is not as it was.
[[nodiscard]] Result<void> check_file(FileNote const& then, FileNote const& now);

[[nodiscard]] std::string to_text(SnapshotNote const& note);
/// Fails with corrupt when it is no note, or unsupported when a newer release wrote it.
[[nodiscard]] Result<SnapshotNote> parse_snapshot_note(std::string_view text);

}  // namespace mutirao::cli

namespace mutirao::middleware {

template <>
inline constexpr auto record_of<cli::FileNote> = record(
    "FileNote", field(1, "path", &cli::FileNote::path), field(2, "size", &cli::FileNote::size),
    field(3, "modified_ns", &cli::FileNote::modified_ns));

template <>
inline constexpr auto record_of<cli::DiskNote> =
    record("DiskNote", field(1, "image", &cli::DiskNote::image),
           field(2, "overlay", &cli::DiskNote::overlay));

template <>
inline constexpr auto record_of<cli::SnapshotNote> = record(
    "SnapshotNote", field(1, "version", &cli::SnapshotNote::version),
    field(2, "name", &cli::SnapshotNote::name), field(3, "kernel", &cli::SnapshotNote::kernel),
    field(4, "initrd", &cli::SnapshotNote::initrd),
    field(5, "firmware", &cli::SnapshotNote::firmware),
    field(6, "loader", &cli::SnapshotNote::loader), field(7, "append", &cli::SnapshotNote::append),
    field(8, "engine", &cli::SnapshotNote::engine),
    field(9, "isolation", &cli::SnapshotNote::isolation),
    field(10, "disks", &cli::SnapshotNote::disks),
    field(11, "boots_from_disk", &cli::SnapshotNote::boots_from_disk),
    field(12, "shares", &cli::SnapshotNote::shares),
    field(13, "network", &cli::SnapshotNote::network),
    field(14, "allowed", &cli::SnapshotNote::allowed),
    field(15, "published", &cli::SnapshotNote::published),
    field(16, "vsock", &cli::SnapshotNote::vsock),
    field(17, "deterministic", &cli::SnapshotNote::deterministic),
    field(18, "seed", &cli::SnapshotNote::seed), field(19, "cpus", &cli::SnapshotNote::cpus),
    field(20, "memory_mb", &cli::SnapshotNote::memory_mb));

}  // namespace mutirao::middleware
