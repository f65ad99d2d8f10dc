#include "mutirao/machine/block_overlay.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/mutex.h"

#include "block/overlay_layout.h"

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kBlock = OverlayLayout::kBlock;
// What of a bitmap is read and written at once: what a crash may lose of it is a subset of the new
// bits, and all of them are true.
constexpr std::uint64_t kBitmapPage = 4096;

/// Which blocks are in the file, as bytes of the bitmap.
class PresenceMap {
 public:
  explicit PresenceMap(Bytes bits) : bits_{std::move(bits)} {}
  [[nodiscard]] bool has(std::uint64_t block) const { return bits_[block / 8] >> block % 8 & 1; }
  void add(std::uint64_t block) {
    bits_[block / 8] = static_cast<std::uint8_t>(bits_[block / 8] | 1u << block % 8);
  }
  [[nodiscard]] ByteView page(std::uint64_t number) const {
    auto const begin = number * kBitmapPage;
    return ByteView{bits_}.subspan(begin, std::min(kBitmapPage, bits_.size() - begin));
  }

 private:
  Bytes bits_;
};

class BlockOverlay final : public BlockSource {
 public:
  BlockOverlay(std::unique_ptr<BlockSource> below, std::unique_ptr<world::File> file,
               OverlayLayout layout, Bytes bitmap)
      : below_{std::move(below)},
        file_{std::move(file)},
        layout_{layout},
        present_{bitmap},
        durable_{std::move(bitmap)} {}

  std::uint64_t size() const override { return layout_.disk_bytes; }
  bool writable() const override { return true; }
  Result<void> read(std::uint64_t offset, MutableBytes into, BlockPriority priority,
                    Deadline deadline) override;
  Result<void> write(std::uint64_t offset, ByteView bytes, Deadline deadline) override;
  Result<void> flush(Deadline deadline) override;
  Result<void> discard(std::uint64_t offset, std::uint64_t size, Deadline deadline) override;

 private:
  struct BlockRange {
    std::uint64_t first;
    std::uint64_t end;
    friend bool operator==(BlockRange, BlockRange) = default;
  };
  [[nodiscard]] Result<void> check(std::uint64_t offset, std::uint64_t size) const {
    if (offset <= size_bytes() && size <= size_bytes() - offset) return {};
    return fail(Fault::invalid,
                fmt::format("{} bytes at {} of a disk of {}", size, offset, size_bytes()));
  }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return layout_.disk_bytes; }
  [[nodiscard]] Result<void> check_sound() const {
    if (!lost_) return {};
    return fail(Fault::io, "an earlier flush of the overlay failed, and may have lost writes",
                "start the machine again from what is on the disk");
  }
  Result<void> begin_writing(BlockRange blocks, Deadline deadline);
  Result<void> write_blocks(BlockRange blocks, std::uint64_t offset, ByteView bytes,
                            Deadline deadline);
  Result<void> write_bitmap(std::vector<std::uint64_t> const& blocks);

  std::unique_ptr<BlockSource> const below_;
  std::unique_ptr<world::File> const file_;
  OverlayLayout const layout_;

  threads::mutex mutex_;
  PresenceMap present_;                // whose bytes are in the file
  std::vector<std::uint64_t> fresh_;   // of these, those that the file's bitmap does not know
  std::vector<BlockRange> writing_;    // under way
  threads::condition_variable wrote_;  // one of them no more
  bool lost_ = false;                  // a sync failed

  threads::mutex flushing_;
  PresenceMap durable_;  // the file's bitmap; for who holds `flushing_`
};

Result<void> BlockOverlay::read(std::uint64_t offset, MutableBytes into, BlockPriority priority,
                                Deadline deadline) {
  MUT_TRY(check(offset, into.size()));
  while (!into.empty()) {
    // As far as everything comes from the same place.
    bool here;
    std::uint64_t end = offset / kBlock;
    {
      std::lock_guard const lock{mutex_};
      here = present_.has(end);
      while (end * kBlock < offset + into.size() && present_.has(end) == here) ++end;
    }
    auto const size = std::min<std::uint64_t>(end * kBlock - offset, into.size());
    auto const part = into.first(size);
    if (here)
      MUT_TRY(file_->read_exactly(layout_.blocks_at() + offset, part));
    else
      MUT_TRY(below_->read(offset, part, priority, deadline));
    into = into.subspan(size);
    offset += size;
  }
  return {};
}

/// Two that fill up the same block from below would undo each other's part of it.
Result<void> BlockOverlay::begin_writing(BlockRange blocks, Deadline deadline) {
  std::unique_lock lock{mutex_};
  MUT_TRY(check_sound());
  auto const free = [&] {
    return std::ranges::none_of(writing_, [&](BlockRange other) {
      return other.first < blocks.end && blocks.first < other.end;
    });
  };
  MUT_TRY(wrote_.wait(lock, free, deadline));
  writing_.push_back(blocks);
  return {};
}

/// Blocks that are in the file stay in it, as holes: below is what they once were.
Result<void> BlockOverlay::discard(std::uint64_t offset, std::uint64_t size, Deadline deadline) {
  MUT_TRY(check(offset, size));
  BlockRange const blocks{(offset + kBlock - 1) / kBlock, (offset + size) / kBlock};
  if (blocks.first >= blocks.end) return {};
  MUT_TRY(begin_writing(blocks, deadline));
  auto const discarded = file_->discard(layout_.blocks_at() + blocks.first * kBlock,
                                        (blocks.end - blocks.first) * kBlock);
  std::lock_guard const lock{mutex_};
  writing_.erase(std::ranges::find(writing_, blocks));
  wrote_.notify_all();
  return discarded;
}

Result<void> BlockOverlay::write(std::uint64_t offset, ByteView bytes, Deadline deadline) {
  MUT_TRY(check(offset, bytes.size()));
  if (bytes.empty()) return {};
  BlockRange const blocks{offset / kBlock, (offset + bytes.size() + kBlock - 1) / kBlock};
  MUT_TRY(begin_writing(blocks, deadline));
  auto const written = write_blocks(blocks, offset, bytes, deadline);
  std::lock_guard const lock{mutex_};
  if (written) {
    for (auto block = blocks.first; block < blocks.end; ++block) {
      if (present_.has(block)) continue;
      present_.add(block);
      fresh_.push_back(block);
    }
  }
  writing_.erase(std::ranges::find(writing_, blocks));
  wrote_.notify_all();
  return written;
}

/// Writes the bytes, and around them what is missing of blocks that were not in the file.
Result<void> BlockOverlay::write_blocks(BlockRange blocks, std::uint64_t offset, ByteView bytes,
                                        Deadline deadline) {
  std::uint64_t const begin = blocks.first * kBlock;
  std::uint64_t const end = std::min(blocks.end * kBlock, size_bytes());
  std::uint64_t const bytes_end = offset + bytes.size();
  bool fill_before, fill_behind;
  {
    std::lock_guard const lock{mutex_};
    fill_before = begin != offset && !present_.has(blocks.first);
    fill_behind = end != bytes_end && !present_.has(blocks.end - 1);
  }
  if (!fill_before && !fill_behind) return file_->write_at(layout_.blocks_at() + offset, bytes);
  Bytes head(fill_before ? offset - begin : 0), tail(fill_behind ? end - bytes_end : 0);
  if (fill_before) MUT_TRY(below_->read(begin, head, BlockPriority::guest, deadline));
  if (fill_behind) MUT_TRY(below_->read(bytes_end, tail, BlockPriority::guest, deadline));
  std::array<ByteView, 3> const parts{head, bytes, tail};
  return file_->write_at(layout_.blocks_at() + offset - head.size(), parts);
}

Result<void> BlockOverlay::flush(Deadline) {
  std::lock_guard const turn{flushing_};
  std::vector<std::uint64_t> blocks;
  {
    std::lock_guard const lock{mutex_};
    MUT_TRY(check_sound());
    blocks.swap(fresh_);
  }
  // Only what was written before the first sync may be named by the bitmap.
  bool sync_failed = false;
  auto const flushed = [&]() -> Result<void> {
    auto synced = file_->sync();
    if (synced && !blocks.empty()) {
      MUT_TRY(write_bitmap(blocks));
      synced = file_->sync();
    }
    sync_failed = !synced && synced.error().fault != Fault::cancelled;
    return synced;
  }();
  if (!flushed) {
    // Unless it was the sync, nothing is lost: a disk that was full may have room at the next
    // flush.
    std::lock_guard const lock{mutex_};
    fresh_.insert(fresh_.end(), blocks.begin(), blocks.end());
    lost_ = lost_ || sync_failed;
  }
  return flushed;
}

Result<void> BlockOverlay::write_bitmap(std::vector<std::uint64_t> const& blocks) {
  std::vector<std::uint64_t> pages;
  for (std::uint64_t const block : blocks) {
    durable_.add(block);
    pages.push_back(block / 8 / kBitmapPage);
  }
  std::ranges::sort(pages);
  auto const repeated = std::ranges::unique(pages);
  pages.erase(repeated.begin(), repeated.end());
  for (std::uint64_t const page : pages)
    MUT_TRY(file_->write_at(OverlayLayout::bitmap_at() + page * kBitmapPage, durable_.page(page)));
  return {};
}

/// Makes an empty overlay; after a crash on the way it is as if nothing was there.
Result<void> make_overlay(world::File& file, OverlayLayout const& layout,
                          world::Directory& folder) {
  MUT_TRY(file.resize(layout.file_bytes()));
  MUT_TRY(file.sync());
  MUT_TRY(file.write_at(0, write_overlay_header(layout)));
  MUT_TRY(file.sync());
  return folder.sync();
}

/// The header that the file has, or nothing if it was not made to the end.
Result<std::optional<OverlayLayout>> overlay_in(world::File& file, std::uint64_t file_bytes,
                                                OverlayLayout const& expected) {
  if (file_bytes == 0) return std::nullopt;
  Bytes header(OverlayLayout::kHeaderBytes);
  if (file_bytes < header.size()) return fail(Fault::corrupt, "the file is no overlay of a disk");
  MUT_TRY(file.read_exactly(0, header));
  auto const found = MUT_TRY(read_overlay_header(header));
  if (found && found->disk_bytes != expected.disk_bytes)
    return fail(Fault::invalid,
                fmt::format("the overlay is of a disk of {} bytes, and this one has {}",
                            found->disk_bytes, expected.disk_bytes),
                "give the disk that it was made over");
  if (found && found->base_modified_ns != 0 && expected.base_modified_ns != 0 &&
      found->base_modified_ns != expected.base_modified_ns)
    return fail(Fault::invalid, "the disk below was changed since the overlay was made over it",
                "give it as it was (cp --preserve=timestamps keeps its time), or remove the "
                "overlay: what was written is lost");
  if (file_bytes != expected.file_bytes())
    return fail(Fault::corrupt, fmt::format("the overlay has {} bytes in place of {}", file_bytes,
                                            expected.file_bytes()));
  return found;
}

}  // namespace

Result<std::unique_ptr<BlockSource>> open_block_overlay(std::unique_ptr<BlockSource> below,
                                                        world::Directory& folder,
                                                        std::string_view name,
                                                        std::int64_t base_modified_ns) {
  OverlayLayout const layout{below->size(), base_modified_ns};
  if (layout.disk_bytes == 0 || layout.disk_bytes > kOverlaySizeMax)
    return fail(Fault::invalid, fmt::format("an overlay of a disk of {} bytes", layout.disk_bytes),
                fmt::format("give one of at most {}", kOverlaySizeMax));
  auto file = MUT_TRY(folder.open(name, {.writable = true, .create = true}));
  auto const info = MUT_TRY(file->info());
  bool const there = MUT_TRY(overlay_in(*file, info.size, layout)).has_value();
  Bytes bitmap(layout.bitmap_bytes());
  if (info.size != 0) MUT_TRY(file->read_exactly(OverlayLayout::bitmap_at(), bitmap));
  if (!there) {
    // A header comes before the first bit.
    if (std::ranges::any_of(bitmap, [](std::uint8_t byte) { return byte != 0; }))
      return fail(Fault::corrupt, "the file is no overlay of a disk",
                  "name one that is not there yet, to have it made");
    MUT_TRY(make_overlay(*file, layout, folder));
  }
  return std::make_unique<BlockOverlay>(std::move(below), std::move(file), layout,
                                        std::move(bitmap));
}

}  // namespace mutirao::machine
