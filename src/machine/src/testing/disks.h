#pragma once

#include <algorithm>
#include <memory>

#include "mutirao/machine/block_source.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::machine {

/// A disk in memory.
class MemoryDisk final : public BlockSource {
 public:
  explicit MemoryDisk(Bytes content, bool writable = false)
      : content_{std::move(content)}, writable_{writable} {}
  std::uint64_t size() const override { return content_.size(); }
  bool writable() const override { return writable_; }
  Result<void> read(std::uint64_t offset, MutableBytes into, BlockPriority, Deadline) override {
    if (offset > size() || into.size() > size() - offset) return fail(Fault::invalid, "beyond");
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }
  Result<void> write(std::uint64_t offset, ByteView bytes, Deadline) override {
    if (!writable_) return fail(Fault::refused, "for reading only");
    if (offset > size() || bytes.size() > size() - offset) return fail(Fault::invalid, "beyond");
    std::ranges::copy(bytes, content_.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<void> flush(Deadline) override { return {}; }

 private:
  Bytes content_;
  bool writable_;
};

/// A source in trouble, on purpose: slow, or failing, or both.
class TroubledSource final : public BlockSource {
 public:
  struct Trouble {
    Duration latency{0};  ///< of each call; one that would last beyond its deadline fails at it
    std::size_t failures = 0;  ///< so many calls of any kind fail next
    Fault fault = Fault::io;   ///< with that
  };
  TroubledSource(std::unique_ptr<BlockSource> below, Trouble trouble)
      : below_{std::move(below)}, trouble_{trouble} {}

  void set(Trouble trouble) { trouble_ = trouble; }
  [[nodiscard]] std::size_t calls() const { return calls_; }

  std::uint64_t size() const override { return below_->size(); }
  bool writable() const override { return below_->writable(); }
  Result<void> read(std::uint64_t offset, MutableBytes into, BlockPriority priority,
                    Deadline deadline) override {
    MUT_TRY(suffer(deadline));
    return below_->read(offset, into, priority, deadline);
  }
  Result<void> write(std::uint64_t offset, ByteView bytes, Deadline deadline) override {
    MUT_TRY(suffer(deadline));
    return below_->write(offset, bytes, deadline);
  }
  Result<void> flush(Deadline deadline) override {
    MUT_TRY(suffer(deadline));
    return below_->flush(deadline);
  }

 private:
  Result<void> suffer(Deadline deadline) {
    ++calls_;
    if (trouble_.latency != Duration{0}) {
      auto const end = Deadline::at(threads::now() + trouble_.latency);
      MUT_TRY(threads::sleep_until(earlier(end, deadline).when()));
      if (deadline < end) return fail(Fault::timed_out, "the disk took too long");
    }
    if (trouble_.failures == 0) return {};
    --trouble_.failures;
    return fail(trouble_.fault, "the disk is broken on purpose");
  }

  std::unique_ptr<BlockSource> below_;
  Trouble trouble_;
  std::size_t calls_ = 0;
};

}  // namespace mutirao::machine
