#include "memory/bus.h"

#include "mutirao/base/check.h"

namespace mutirao::machine {

void Bus::attach(GuestAddress base, std::uint64_t size, Device& device) {
  MUT_ASSERT(size != 0 && size - 1 <= ~base);
  auto const overlaps = [&](GuestAddress other, std::uint64_t other_size) {
    return base - other < other_size || other - base < size;
  };
  MUT_ASSERT(!overlaps(memory_.base(), memory_.size()));
  for (Range const& range : ranges_) MUT_ASSERT(!overlaps(range.base, range.size));
  ranges_.push_back({base, size, &device});
}

Bus::Range const* Bus::find(GuestAddress address, unsigned size) const noexcept {
  if ((address & (size - 1)) != 0) return nullptr;
  for (Range const& range : ranges_)
    if (address - range.base < range.size && size <= range.size - (address - range.base))
      return &range;
  return nullptr;
}

std::optional<std::uint64_t> Bus::read(GuestAddress address, unsigned size) {
  Range const* const range = find(address, size);
  if (range == nullptr) return std::nullopt;
  return range->device->read(address - range->base, size);
}

bool Bus::write(GuestAddress address, unsigned size, std::uint64_t value) {
  Range const* const range = find(address, size);
  if (range == nullptr) return false;
  range->device->write(address - range->base, size, value);
  return true;
}

}  // namespace mutirao::machine
