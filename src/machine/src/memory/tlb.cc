#include "memory/tlb.h"

namespace mutirao::machine {
namespace {

/// The bits of a virtual address that a leaf does not translate.
std::uint64_t leaf_mask(Tlb::Origin origin) {
  unsigned const shift = origin.napot ? 16 : 12 + 9u * origin.level;
  return (std::uint64_t{1} << shift) - 1;
}

}  // namespace

void Tlb::flush_address(std::uint64_t address) noexcept {
  bool large = false;
  for (unsigned const shift : {16u, 21u, 30u, 39u}) large = large || maybe_large(address, shift);
  for (Table* const table : {&fetch, &load, &store}) {
    Entry& entry = table->entries[slot_of(address)];
    if (((entry.tag ^ address) & ~kPageMask) == 0) entry = {};
    if (!large) continue;
    for (unsigned slot = 0; slot < kEntries; ++slot) {
      Origin const origin = table->origins[slot];
      if (!origin.napot && origin.level == 0) continue;
      if (((table->entries[slot].tag ^ address) & ~leaf_mask(origin)) == 0)
        table->entries[slot] = {};
    }
  }
}

void Tlb::forget_stores(std::uint8_t const* host) noexcept {
  auto const page = reinterpret_cast<std::uint64_t>(host);
  for (Entry& entry : store.entries)
    if (entry.tag != kNoTag && (entry.tag & ~kPageMask) + entry.addend == page) entry = {};
}

}  // namespace mutirao::machine
