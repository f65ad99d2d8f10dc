#include "file_content.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mutirao/base/check.h"

namespace mutirao::sim {

FileContent::~FileContent() { budget_->used -= pages_used_; }

std::size_t FileContent::read(std::uint64_t offset, MutableBytes into) const {
  if (offset >= size_) return 0;
  auto const total = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
  into = into.first(total);
  while (!into.empty()) {
    auto const within = static_cast<std::size_t>(offset % kPageBytes);
    auto const count = std::min(into.size(), kPageBytes - within);
    auto const found = slots_.find(offset / kPageBytes);
    if (found != slots_.end() && found->second.now) {
      std::memcpy(into.data(), found->second.now->data() + within, count);
    } else {
      std::memset(into.data(), 0, count);
    }
    into = into.subspan(count);
    offset += count;
  }
  return total;
}

/// The slot, with its durable page set aside before it changes. One that will be overwritten whole
/// is left without a page.
FileContent::Slot& FileContent::touch(std::uint64_t number, Overwrites overwrites) {
  auto& slot = slots_[number];
  if (slot.unsynced) return slot;
  slot.unsynced = true;
  unsynced_.push_back(number);
  if (overwrites == Overwrites::whole) {
    slot.durable = std::move(slot.now);
  } else if (slot.now) {
    slot.durable = std::make_unique<Page>(*slot.now);
  }
  return slot;
}

std::size_t FileContent::write(std::uint64_t offset, ByteView from) {
  std::size_t written = 0;
  while (!from.empty()) {
    auto const within = static_cast<std::size_t>(offset % kPageBytes);
    auto const count = std::min(from.size(), kPageBytes - within);
    auto const number = offset / kPageBytes;
    auto const found = slots_.find(number);
    bool const is_new = found == slots_.end() || !found->second.now;
    if (is_new && !budget_->take()) break;
    bool const whole = count == kPageBytes;
    auto& slot = touch(number, whole ? Overwrites::whole : Overwrites::part);
    if (is_new) ++pages_used_;
    if (!slot.now)
      slot.now = whole ? std::make_unique_for_overwrite<Page>() : std::make_unique<Page>();
    std::memcpy(slot.now->data() + within, from.data(), count);
    from = from.subspan(count);
    offset += count;
    written += count;
    size_ = std::max(size_, offset);
  }
  return written;
}

void FileContent::drop(Slot& slot) noexcept {
  if (!std::exchange(slot.now, nullptr)) return;
  --pages_used_;
  --budget_->used;
}

void FileContent::resize(std::uint64_t size) {
  auto const first_gone = (size + kPageBytes - 1) / kPageBytes;
  bool const shrinks = size < size_;
  size_ = size;
  if (!shrinks) return;
  for (auto slot = slots_.lower_bound(first_gone); slot != slots_.end(); ++slot) {
    if (slot->second.now) drop(touch(slot->first));
  }
  zero_tail();
}

/// What lies behind the end in the last page must read as zero when the file grows again.
void FileContent::zero_tail() {
  auto const within = static_cast<std::size_t>(size_ % kPageBytes);
  if (within == 0) return;
  auto const last = slots_.find(size_ / kPageBytes);
  if (last == slots_.end() || !last->second.now) return;
  auto& page = *touch(last->first).now;
  std::fill(page.begin() + static_cast<std::ptrdiff_t>(within), page.end(), std::uint8_t{0});
}

void FileContent::sync() {
  for (auto const number : std::exchange(unsynced_, {})) {
    auto const slot = slots_.find(number);
    MUT_ASSERT(slot != slots_.end());
    slot->second.durable.reset();
    slot->second.unsynced = false;
    if (!slot->second.now) slots_.erase(slot);
  }
  durable_size_ = size_;
}

FileContent::PageRef FileContent::survivor(Slot& slot, SeededEntropy& random) const {
  enum { kKept, kLost, kTorn, kOutcomes };
  auto const outcome = random.below(kOutcomes);
  if (outcome == kLost) return std::move(slot.durable);
  if (outcome == kKept) {
    return slot.now ? std::make_unique<Page>(*slot.now) : nullptr;
  }
  auto torn = slot.durable ? std::move(slot.durable) : std::make_unique<Page>();
  for (std::size_t at = 0; at < kPageBytes; at += kSectorBytes) {
    if (random.chance(0.5)) continue;
    auto const sector = torn->begin() + static_cast<std::ptrdiff_t>(at);
    if (slot.now) {
      std::copy_n(slot.now->begin() + static_cast<std::ptrdiff_t>(at), kSectorBytes, sector);
    } else {
      std::fill_n(sector, kSectorBytes, std::uint8_t{0});
    }
  }
  return torn;
}

void FileContent::crash(SeededEntropy& random) {
  auto const size = random.chance(0.5) ? size_ : durable_size_;
  for (auto const number : std::exchange(unsynced_, {})) {
    auto& slot = slots_[number];
    auto page = survivor(slot, random);
    drop(slot);
    slot = Slot{};
    bool const within = number * kPageBytes < size;
    if (!page || !within) {
      slots_.erase(number);
      continue;
    }
    slot.now = std::move(page);
    ++pages_used_;
    ++budget_->used;  // it was there before: a full disk does not matter
  }
  size_ = size;
  zero_tail();
  sync();
}

void FileContent::invert(Slot& slot, std::size_t within, unsigned bit) noexcept {
  auto const mask = static_cast<std::uint8_t>(1U << (bit % 8));
  for (auto* const page : {slot.now.get(), slot.durable.get()}) {
    if (page != nullptr) (*page)[within] ^= mask;
  }
}

bool FileContent::flip_bit(std::uint64_t offset, unsigned bit) {
  auto const found = slots_.find(offset / kPageBytes);
  if (offset >= size_ || found == slots_.end() || !found->second.now) return false;
  invert(found->second, offset % kPageBytes, bit);
  return true;
}

void FileContent::flip_allocated_bit(std::uint64_t index, unsigned bit) {
  auto page = index / kPageBytes;
  for (auto& [number, slot] : slots_) {
    if (slot.now && page-- == 0) return invert(slot, index % kPageBytes, bit);
  }
}

}  // namespace mutirao::sim
