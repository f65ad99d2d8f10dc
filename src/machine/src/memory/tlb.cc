#include "memory/tlb.h"

namespace mutirao::machine {
namespace {

/// Whether the leaf that the entry was cut out of maps the address, or it reaches it.
bool concerns(Tlb::Entry const& entry, Tlb::Origin origin, std::uint64_t address) {
  unsigned const shift = origin.napot ? 16 : 12 + 9u * origin.level;
  return (entry.tag ^ address) >> shift == 0 || address - entry.begin < entry.bytes;
}

}  // namespace

bool Tlb::flush_address(std::uint64_t address) noexcept {
  bool large = false;
  for (unsigned const shift : {16u, 21u, 30u, 39u}) large = large || maybe_large(address, shift);
  if (large) reaches_.fill(KnownReach{});
  for (Table* const table : {&fetch, &load, &store}) {
    Entry& entry = table->entries[slot_of(address)];
    if (((entry.tag ^ address) & ~kPageMask) == 0) entry = {};
    if (!large) continue;
    for (unsigned slot = 0; slot < kEntries; ++slot) {
      Origin const origin = table->origins[slot];
      if (!origin.napot && origin.level == 0) continue;
      if (concerns(table->entries[slot], origin, address)) table->entries[slot] = {};
    }
  }
  return large;
}

void Tlb::forget_stores(std::uint8_t const* host) noexcept {
  auto const page = reinterpret_cast<std::uint64_t>(host);
  for (Entry& entry : store.entries)
    if (entry.tag != kNoTag && page - (entry.begin + entry.addend) < entry.bytes) entry = {};
}

}  // namespace mutirao::machine
