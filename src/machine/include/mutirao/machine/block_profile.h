#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "mutirao/base/units.h"
#include "mutirao/machine/block_source.h"
#include "mutirao/threads/mutex.h"

namespace mutirao::machine {

/// Remembers in which order the parts of a source were first read for a guest.
///
/// A system that boots reads a tenth of its disk, and each time the same tenth in about the same
/// order. Who knows it can fetch that part of an image first, before anybody asks.
///
/// Put below whatever keeps what the guest writes, so that only what must be fetched is counted.
/// Reads that failed, and those of other priorities, leave no mark. Threads: as any source.
class BlockProfile final : public BlockSource {
 public:
  /// The grain: what BitTorrent v2 verifies apart from other data (BEP 52, "merkle tree leaves").
  static constexpr std::uint64_t kPart = 16_KiB;
  /// Of parts that are remembered: the first 16 GiB that a guest touches.
  static constexpr std::size_t kPartsMax = 1 << 20;

  explicit BlockProfile(std::unique_ptr<BlockSource> source);

  /// The parts that were read so far, the first one first: part `n` begins at `n * kPart`.
  [[nodiscard]] std::vector<std::uint64_t> first_touches() const;

  [[nodiscard]] std::uint64_t size() const override { return source_->size(); }
  [[nodiscard]] bool writable() const override { return source_->writable(); }
  [[nodiscard]] Result<void> read(std::uint64_t offset, MutableBytes into, BlockPriority priority,
                                  Deadline deadline) override;
  [[nodiscard]] Result<void> write(std::uint64_t offset, ByteView bytes,
                                   Deadline deadline) override {
    return source_->write(offset, bytes, deadline);
  }
  [[nodiscard]] Result<void> flush(Deadline deadline) override { return source_->flush(deadline); }
  [[nodiscard]] Result<void> write_zeroes(std::uint64_t offset, std::uint64_t size,
                                          Deadline deadline) override {
    return source_->write_zeroes(offset, size, deadline);
  }
  [[nodiscard]] Result<void> discard(std::uint64_t offset, std::uint64_t size,
                                     Deadline deadline) override {
    return source_->discard(offset, size, deadline);
  }

 private:
  std::unique_ptr<BlockSource> source_;
  mutable threads::mutex mutex_;
  std::vector<bool> touched_;
  std::vector<std::uint64_t> order_;
};

}  // namespace mutirao::machine
