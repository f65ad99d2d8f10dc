#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "translator/block.h"

namespace mutirao::machine {

/// The blocks there are, by where they begin: physical, virtual, and the mode. Open addressing,
/// with as much of the key beside the pointer that a look at a block is hardly ever in vain: a
/// kernel has a hundred thousand of them, and none is in a cache when it is looked for.
class BlockTable {
 public:
  struct Key {
    GuestAddress physical;
    std::uint64_t pc;
    std::uint64_t mode;
  };

  [[nodiscard]] Block* find(Key const& key) const noexcept {
    auto const mark = mark_of(key);
    for (auto at = mark >> 2 & mask(); slots_[at].mark != kEmpty; at = (at + 1) & mask())
      if (slots_[at].mark == mark && is(*slots_[at].block, key)) return slots_[at].block;
    return nullptr;
  }
  /// None is there for its key.
  void add(Block& block) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    place(block);
    ++used_;
  }
  /// It is there.
  void take(Block const& block) noexcept {
    auto const mark = mark_of(key_of(block));
    auto at = mark >> 2 & mask();
    while (slots_[at].block != &block) at = (at + 1) & mask();
    slots_[at] = {kTaken, nullptr};  // those behind it are still found
  }
  void clear() noexcept {
    slots_.clear();
    slots_.resize(kSlotsMin);
    used_ = 0;
  }

 private:
  struct Slot {
    std::uint64_t mark = kEmpty;
    Block* block = nullptr;
  };
  static constexpr std::uint64_t kEmpty = 0;
  static constexpr std::uint64_t kTaken = 1;
  static constexpr std::size_t kSlotsMin = 1 << 12;

  static Key key_of(Block const& block) noexcept {
    return {block.physical, block.pc, block.context};
  }
  static bool is(Block const& block, Key const& key) noexcept {
    return block.physical == key.physical && block.pc == key.pc && block.context == key.mode;
  }
  /// Never one of the two above.
  static std::uint64_t mark_of(Key const& key) noexcept {
    auto mixed = (key.physical ^ key.mode << 58) * 0x9E3779B97F4A7C15u ^ key.pc;
    mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93u;
    return (mixed ^ mixed >> 32) | 2;
  }
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  void place(Block& block) noexcept {
    auto const mark = mark_of(key_of(block));
    auto at = mark >> 2 & mask();
    while (slots_[at].mark != kEmpty) at = (at + 1) & mask();
    slots_[at] = {mark, &block};
  }
  void grow() {
    std::vector<Slot> before(slots_.size());
    std::size_t kept = 0;
    for (auto const& each : slots_) kept += each.block != nullptr ? 1 : 0;
    if (4 * (kept + 1) > slots_.size()) before.resize(2 * slots_.size());
    std::swap(before, slots_);
    for (auto const& each : before)
      if (each.block != nullptr) place(*each.block);
    used_ = kept;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(kSlotsMin);
  std::size_t used_ = 0;  // slots that are not empty
};

}  // namespace mutirao::machine
