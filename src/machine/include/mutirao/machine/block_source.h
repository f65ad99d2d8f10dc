#pragma once

#include <cstdint>
#include <memory>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/world/disk.h"

namespace mutirao::machine {

/// Why bytes are wanted: a source that has to fetch them serves the more urgent first.
enum class BlockPriority : std::uint8_t {
  guest,       ///< a guest waits for them
  read_ahead,  ///< it will, soon
  background,  ///< so that they are there some day
};

/// What a disk of a guest is made of: a file, something laid over another, or something that is
/// still on its way from elsewhere.
///
/// A read waits for what is not there yet, by parking its user thread; several are under way at
/// once, from several threads. What was written is what is read from then on; it is safe from a
/// crash after `flush`. Ranges lie within `size`, or the source fails with Fault::invalid.
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  /// Bytes; whole sectors of 512.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  [[nodiscard]] virtual bool writable() const = 0;
  [[nodiscard]] virtual Result<void> read(std::uint64_t offset, MutableBytes into,
                                          BlockPriority priority, Deadline deadline) = 0;
  [[nodiscard]] virtual Result<void> write(std::uint64_t offset, ByteView bytes,
                                           Deadline deadline) = 0;
  [[nodiscard]] virtual Result<void> flush(Deadline deadline) = 0;
  /// As a write of so many zeros, which is what it is unless the source knows better.
  [[nodiscard]] virtual Result<void> write_zeroes(std::uint64_t offset, std::uint64_t size,
                                                  Deadline deadline);
  /// Nobody needs these bytes any more: what is read there is anything, until they are written
  /// again. A hint, that a source may ignore, as this one does.
  [[nodiscard]] virtual Result<void> discard(std::uint64_t offset, std::uint64_t size,
                                             Deadline deadline);
};

/// A raw image in a file: the sector at the start of the disk is that at the start of the file.
/// Fault::invalid for a file that is no whole number of sectors.
[[nodiscard]] Result<std::unique_ptr<BlockSource>> open_block_file(
    std::unique_ptr<world::File> file, bool writable);

}  // namespace mutirao::machine
