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

/// By how much the calls of a disk take longer than its latencies say: a drive that spins up,
/// remaps sectors or collects garbage, a neighbour on the same machine.
struct DiskSlowness {
  double factor = 1;        ///< of each latency
  Duration jitter{0};       ///< up to that much more, drawn for each call
  double stall_chance = 0;  ///< that a call takes up to `stall_max` more
  Duration stall_max = 5s;
};

struct DiskOptions {
  std::uint64_t capacity_bytes = 64_GiB;
  /// When false, creations, renames and removals survive a crash without Directory::sync(), as on a
  /// file system with a synchronous journal.
  bool directory_sync_needed = true;
  Duration read_latency = 50us;
  Duration write_latency = 10us;  ///< into the cache
  Duration sync_latency = 2ms;
  DiskSlowness slowness{};
  bool syncs_lie = false;  ///< see DiskControl::set_lying_syncs
  double rot_chance = 0;   ///< see DiskControl::set_rot_chance
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
  /// Full, and free again after that.
  virtual void fill_for(Duration duration) = 0;
  [[nodiscard]] virtual std::uint64_t used_bytes() const = 0;

  /// The next `count` calls of that kind fail with Fault::io and do nothing.
  virtual void fail_next_reads(std::size_t count) = 0;
  virtual void fail_next_writes(std::size_t count) = 0;
  virtual void fail_next_syncs(std::size_t count) = 0;
  /// Each call of that kind fails with Fault::io by chance.
  virtual void set_error_chance(double reads, double writes, double syncs) = 0;

  /// Every call fails with Fault::io until then; a loose cable, a controller that resets.
  virtual void fail_for(Duration duration) = 0;

  virtual void set_slowness(DiskSlowness slowness) = 0;
  /// sync() says that it succeeded, and nothing is safe: a drive that acknowledges from its cache.
  virtual void set_lying_syncs(bool lie) = 0;

  /// Chance that a read finds one of its bits inverted on the platter, where it stays so.
  virtual void set_rot_chance(double of_a_read) = 0;
  /// Inverts that many bits, drawn over all pages of all files; how many there were to invert.
  virtual std::size_t rot(std::size_t bits) = 0;
  /// By chance, rot() and flip_bit(), since the beginning.
  [[nodiscard]] virtual std::uint64_t bits_inverted() const = 0;
  /// Silent corruption: inverts one bit of a file. The path is absolute. Fails with not_found when
  /// there is no such file or nothing is written there.
  virtual Result<void> flip_bit(std::string_view path, std::uint64_t offset, unsigned bit = 0) = 0;

  /// For checkers: what a program would read there now, whether the host is up or not. Takes no
  /// time and leaves no trace. Short at the end of the file.
  [[nodiscard]] virtual Result<std::size_t> peek(std::string_view path, std::uint64_t offset,
                                                 MutableBytes into) const = 0;
  /// For checkers: the absolute paths of all files, sorted.
  [[nodiscard]] virtual std::vector<std::string> files() const = 0;

  /// Ends every fault that can end: full, failing, slow, lying, rotting. Damage that is done stays.
  virtual void recover() = 0;

  /// Bytes of files that a crash would put at risk now, counted in whole pages.
  [[nodiscard]] virtual std::uint64_t unsynced_bytes() const = 0;
};

}  // namespace mutirao::sim
