#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "mutirao/base/bytes.h"

#include "random.h"

namespace mutirao::sim {

/// The room of one disk, in pages; shared with its files, which give back what they free.
struct PageBudget {
  std::uint64_t capacity = 0;
  std::uint64_t used = 0;
  bool full = false;

  [[nodiscard]] bool take() noexcept {
    if (full || used >= capacity) return false;
    ++used;
    return true;
  }
};

/// The bytes of one file: sparse pages, each with what is on the platter below what is in the
/// cache.
class FileContent {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kSectorBytes = 512;

  explicit FileContent(std::shared_ptr<PageBudget> budget) noexcept : budget_{std::move(budget)} {}
  ~FileContent();
  FileContent(FileContent const&) = delete;
  FileContent& operator=(FileContent const&) = delete;

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t allocated_bytes() const noexcept { return pages_used_ * kPageBytes; }
  [[nodiscard]] std::uint64_t unsynced_bytes() const noexcept {
    return unsynced_.size() * kPageBytes;
  }

  std::size_t read(std::uint64_t offset, MutableBytes into) const;
  /// How many bytes were written before the disk was full.
  std::size_t write(std::uint64_t offset, ByteView from);
  void resize(std::uint64_t size);
  void sync();
  /// Loses what was not synced, page by page as drawn.
  void crash(SeededEntropy& random);
  /// False when nothing is written there.
  bool flip_bit(std::uint64_t offset, unsigned bit);
  /// As flip_bit(), at byte `index` < allocated_bytes() of what is allocated.
  void flip_allocated_bit(std::uint64_t index, unsigned bit);

 private:
  using Page = std::array<std::uint8_t, kPageBytes>;
  using PageRef = std::unique_ptr<Page>;
  struct Slot {
    PageRef now;      // null: a hole
    PageRef durable;  // of an unsynced slot: what a crash may bring back
    bool unsynced = false;
  };

  static void invert(Slot& slot, std::size_t within, unsigned bit) noexcept;
  enum class Overwrites { part, whole };
  Slot& touch(std::uint64_t number, Overwrites overwrites = Overwrites::part);
  void drop(Slot& slot) noexcept;
  [[nodiscard]] PageRef survivor(Slot& slot, SeededEntropy& random) const;
  void zero_tail();

  std::shared_ptr<PageBudget> budget_;
  std::map<std::uint64_t, Slot> slots_;
  std::vector<std::uint64_t> unsynced_;
  std::uint64_t pages_used_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t durable_size_ = 0;
};

}  // namespace mutirao::sim
