#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/machine/snapshot.h"
#include "mutirao/world/disk.h"

#include "memory/guest_memory.h"

namespace mutirao::machine {

/// How a snapshot lies in its file: a header, the guest's RAM as it is, and the state of everything
/// else in sections. Numbers are little-endian.
///
///   0   8  "MUTISNAP"
///   8   4  version, 1
///   12  4  CRC-32 of the RAM's bytes, pages of zeros left out
///   16  8  bytes of RAM, which begin at 2 MiB: whole pages, so that they can be mapped
///   24  8  bytes of state, which come behind them
///   32  4  CRC-32 of the 32 bytes before
///
/// At 4096, if those are not zeros: the number of a note's bytes (4), their CRC-32 (4), and the
/// bytes. It is no part of the machine's: who carries the snapshot into the file puts it there.
///
/// Pages of zeros are holes, and take no space.
struct SnapshotLayout {
  static constexpr std::size_t kHeaderBytes = 36;
  static constexpr std::uint64_t kNoteAt = 4096;
  static constexpr std::uint64_t kMemoryAt = 2 << 20;

  std::uint64_t memory_bytes = 0;
  std::uint64_t state_bytes = 0;
  std::uint32_t memory_checksum = 0;

  [[nodiscard]] std::uint64_t state_at() const noexcept { return kMemoryAt + memory_bytes; }
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return state_at() + state_bytes; }
};

[[nodiscard]] Bytes write_snapshot_header(SnapshotLayout const& layout);
/// `bytes` are the first of a file, which may be fewer.
[[nodiscard]] Result<SnapshotLayout> read_snapshot_header(ByteView bytes);

/// Fault::exhausted when there is more state than a snapshot may have.
[[nodiscard]] Result<void> write_snapshot(SnapshotSink const& sink, GuestMemory const& memory,
                                          ByteView state);

/// A snapshot that was opened: its state is here, its RAM still in the file.
struct Snapshot {
  std::unique_ptr<world::File> file;
  SnapshotLayout layout;
  Bytes state;

  /// Gives a machine its RAM, which has this size: page by page, as it is touched. With `check` all
  /// of it is read and compared with its checksum, which takes its time.
  [[nodiscard]] Result<void> fill(GuestMemory& memory, bool check) const;
};
[[nodiscard]] Result<Snapshot> open_snapshot(std::unique_ptr<world::File> file);

[[nodiscard]] Bytes write_note(std::string_view note);
/// `bytes` are those from SnapshotLayout::kNoteAt on, which may be more or fewer.
[[nodiscard]] Result<std::string> read_note(ByteView bytes);

}  // namespace mutirao::machine
