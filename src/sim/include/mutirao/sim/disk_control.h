#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/base/units.h"

namespace mutirao::sim {

struct DiskOptions {
  std::uint64_t capacity_bytes = 64_GiB;
  /// When false, creations, renames and removals survive a crash without Directory::sync(), as on a
  /// file system with a synchronous journal.
  bool directory_sync_needed = true;
  Duration read_latency = 50us;
  Duration write_latency = 10us;  ///< into the cache
  Duration sync_latency = 2ms;
};

/// The faults of one simulated disk, for tests.
///
/// Whatever was not synced when its host crashes is at risk: each page of 4 KiB on its own is kept,
/// lost, or torn at 512 bytes; the length of a file is the old or the new one; each creation,
/// rename and removal happened or did not, but never one that depends on another that did not. All
/// of it is drawn from the seed.
class DiskControl {
 public:
  virtual ~DiskControl() = default;

  /// Of the whole disk; below what is in use it is full at once.
  virtual void set_capacity(std::uint64_t bytes) = 0;
  /// A full disk refuses every write that needs a new page, whatever its capacity.
  virtual void set_full(bool full) = 0;
  [[nodiscard]] virtual std::uint64_t used_bytes() const = 0;

  /// The next `count` calls of that kind fail with Fault::io and do nothing.
  virtual void fail_next_reads(std::size_t count) = 0;
  virtual void fail_next_writes(std::size_t count) = 0;
  virtual void fail_next_syncs(std::size_t count) = 0;
  /// Each call of that kind fails with Fault::io by chance.
  virtual void set_error_chance(double reads, double writes, double syncs) = 0;
  /// Every call takes so many times its latency.
  virtual void set_slowness(double factor) = 0;

  /// Silent corruption: inverts one bit of a file. The path is absolute. Fails with not_found when
  /// there is no such file or nothing is written there.
  virtual Result<void> flip_bit(std::string_view path, std::uint64_t offset, unsigned bit = 0) = 0;

  /// For checkers: what a program would read there now, whether the host is up or not. Takes no
  /// time and leaves no trace. Short at the end of the file.
  [[nodiscard]] virtual Result<std::size_t> peek(std::string_view path, std::uint64_t offset,
                                                 MutableBytes into) const = 0;
  /// For checkers: the absolute paths of all files, sorted.
  [[nodiscard]] virtual std::vector<std::string> files() const = 0;

  /// Bytes of files that a crash would put at risk now, counted in whole pages.
  [[nodiscard]] virtual std::uint64_t unsynced_bytes() const = 0;
};

}  // namespace mutirao::sim
