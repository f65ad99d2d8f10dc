#include "mutirao/machine/block_source.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/units.h"

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

class BlockFile final : public BlockSource {
 public:
  BlockFile(std::unique_ptr<world::File> file, std::uint64_t size, bool writable)
      : file_{std::move(file)}, size_{size}, writable_{writable} {}

  std::uint64_t size() const override { return size_; }
  bool writable() const override { return writable_; }

  Result<void> read(std::uint64_t offset, MutableBytes into, BlockPriority, Deadline) override {
    MUT_TRY(check(offset, into.size()));
    return file_->read_exactly(offset, into);
  }
  Result<void> write(std::uint64_t offset, ByteView bytes, Deadline) override {
    MUT_TRY(check(offset, bytes.size()));
    if (!writable_)
      return fail(Fault::refused, "the disk is for reading only", "open it for writing");
    return file_->write_at(offset, bytes);
  }
  Result<void> flush(Deadline) override {
    if (!writable_) return {};
    return file_->sync();
  }

 private:
  [[nodiscard]] Result<void> check(std::uint64_t offset, std::uint64_t size) const {
    if (offset <= size_ && size <= size_ - offset) return {};
    return fail(Fault::invalid, fmt::format("{} bytes at {} of a disk of {}", size, offset, size_));
  }

  std::unique_ptr<world::File> file_;
  std::uint64_t size_;
  bool writable_;
};

}  // namespace

Result<void> BlockSource::write_zeroes(std::uint64_t offset, std::uint64_t size,
                                       Deadline deadline) {
  Bytes const zeroes(std::min(size, 256_KiB));
  for (std::uint64_t done = 0; done < size; done += zeroes.size()) {
    auto const piece = std::min<std::uint64_t>(size - done, zeroes.size());
    MUT_TRY(write(offset + done, ByteView{zeroes}.first(piece), deadline));
  }
  return {};
}

Result<void> BlockSource::discard(std::uint64_t, std::uint64_t, Deadline) { return {}; }

Result<std::unique_ptr<BlockSource>> open_block_file(std::unique_ptr<world::File> file,
                                                     bool writable) {
  auto const info = MUT_TRY(file->info());
  if (info.size == 0 || info.size % kSectorBytes != 0)
    return fail(Fault::invalid, fmt::format("a disk image of {} bytes", info.size),
                "give one of whole sectors of 512 bytes");
  return std::make_unique<BlockFile>(std::move(file), info.size, writable);
}

}  // namespace mutirao::machine
