#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "memory/guest_memory.h"

namespace mutirao::machine {

/// Recent translations, keyed so that most of what a guest does to its page tables flushes nothing.
///
/// A kernel with address space identifiers changes `satp` at each context switch and fences single
/// spaces or pages all the time; a TLB that is emptied for either spends its life being refilled. A
/// tag here is the virtual page together with a *context*: the mode in which it was looked up, and
/// a *space*, a short number that stands for one ASID until that ASID is fenced. Then the ASID gets
/// another number, and what was filled under the old one never matches again. Only when all numbers
/// were given out, and for a fence of everything, is the TLB emptied.
///
/// Direct-mapped by virtual page; a page belongs to one slot whatever its context, so that fencing
/// an address looks at one slot. Pages cut out of a larger leaf are found by a scan, which a filter
/// over the larger leaves avoids for all others. Priv. 20240411, 10.2.1 and 10.3.
///
/// One hart's. Translated code reads the entries: tag and addend lie at fixed offsets.
class Tlb {
 public:
  static constexpr unsigned kEntries = 1024;
  static constexpr unsigned kContextBits = 12;

  struct Entry {
    std::uint64_t tag = kNoTag;
    /// Added to the virtual address: where it lies in the host (load and store), or its physical
    /// address (fetch).
    std::uint64_t addend = 0;
    /// Around the page: for which addresses that is true as well.
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;
  };
  /// Addresses that one addend is right for.
  struct Reach {
    std::uint64_t begin = 0;
    std::uint64_t bytes = 0;
  };
  static constexpr std::uint64_t kNoTag = ~std::uint64_t{0};  // an odd page of a space never given

  /// What the slow path knows of an entry.
  struct Origin {
    std::uint8_t level = 0;  ///< of the leaf: 0 for 4 KiB; 1, 2, 3 for each nine bits more
    bool napot = false;      ///< cut out of 64 KiB
    bool global = false;
  };

  struct Table {
    std::array<Entry, kEntries> entries;
    std::array<Origin, kEntries> origins;
  };
  Table fetch, load, store;

  /// Whether the translation of `address` that is there is the same in all spaces.
  [[nodiscard]] bool global(Table const& table, std::uint64_t address) const noexcept {
    return table.origins[slot_of(address)].global;
  }

  static constexpr unsigned slot_of(std::uint64_t address) noexcept {
    return static_cast<unsigned>(address / kPageSize % kEntries);
  }
  static constexpr std::uint64_t tag_of(std::uint64_t address, std::uint64_t context) noexcept {
    return (address & ~kPageMask) | context;
  }
  static constexpr std::uint64_t context_of(unsigned space, unsigned mode) noexcept {
    return space << 3 | mode;
  }

  /// The space of an ASID, given now if it has none. May empty everything.
  [[nodiscard]] unsigned space_of(std::uint16_t asid) noexcept {
    AsidSpace& known = spaces_[asid % spaces_.size()];
    if (known.space == 0 || known.asid != asid) {
      if (next_space_ == kSpacesEnd) flush();
      known = {asid, next_space_++};
    }
    return known.space;
  }

  /// `reach` holds the address, and leaves with the same rights.
  void fill(Table& table, std::uint64_t address, std::uint64_t context, std::uint64_t addend,
            Origin origin, Reach reach) noexcept {
    unsigned const slot = slot_of(address);
    table.entries[slot] = {tag_of(address, context), addend, reach.begin, reach.bytes};
    table.origins[slot] = origin;
    if (origin.napot) note_large(address, 16);
    if (origin.level > 0) note_large(address, 12 + 9u * origin.level);
  }

  /// A reach for loads from large leaves, found before in the same context, around the address.
  [[nodiscard]] std::optional<Reach> known_reach(std::uint64_t address,
                                                 std::uint64_t context) const noexcept {
    for (auto const& each : reaches_)
      if (each.context == context && address - each.reach.begin < each.reach.bytes)
        return each.reach;
    return std::nullopt;
  }
  /// All of it is of leaves of this size.
  void know_reach(Reach reach, std::uint64_t context, std::uint64_t leaf_bytes) noexcept {
    reaches_[next_reach_++ % reaches_.size()] = {context, reach};
    auto const shift = static_cast<unsigned>(std::countr_zero(leaf_bytes));
    for (auto at = reach.begin; at - reach.begin < reach.bytes; at += leaf_bytes)
      note_large(at, shift);
  }

  /// Takes over an entry of a global mapping that another space filled in the same mode. False when
  /// there is none.
  [[nodiscard]] bool adopt_global(Table& table, std::uint64_t address,
                                  std::uint64_t context) noexcept {
    constexpr std::uint64_t kKeep = ~kPageMask | 7;  // page and mode
    unsigned const slot = slot_of(address);
    Entry& entry = table.entries[slot];
    if (!table.origins[slot].global || entry.tag == kNoTag ||
        ((entry.tag ^ tag_of(address, context)) & kKeep) != 0)
      return false;
    entry.tag = tag_of(address, context);
    return true;
  }

  /// How often everything was flushed: the numbers of spaces begin anew then.
  [[nodiscard]] std::uint64_t flushes() const noexcept { return flushes_; }

  /// Everything, in all spaces.
  void flush() noexcept {
    ++flushes_;
    for (Table* const table : {&fetch, &load, &store}) table->entries.fill(Entry{});
    spaces_.fill(AsidSpace{});
    reaches_.fill(KnownReach{});
    next_space_ = 1;
    large_.fill(0);
    large_shifts_ = 0;
  }
  /// All pages of a space, but for global ones.
  void flush_asid(std::uint16_t asid) noexcept {
    reaches_.fill(KnownReach{});
    AsidSpace& known = spaces_[asid % spaces_.size()];
    if (known.asid == asid) known.space = 0;
  }
  /// All that was cut out of the leaf that maps `address`, in all spaces. Whether that may be more
  /// than a page.
  bool flush_address(std::uint64_t address) noexcept;
  /// Stores to a physical page must be seen: it holds code now. `host` is where it lies. All
  /// entries that reach it are forgotten.
  void forget_stores(std::uint8_t const* host) noexcept;

 private:
  struct AsidSpace {
    std::uint16_t asid = 0;
    std::uint16_t space = 0;  // 0 for none: it is the space without translation
  };
  static constexpr std::uint16_t kSpacesEnd = 511;  // 511 is that of kNoTag

  [[nodiscard]] static unsigned filter_bit(std::uint64_t address, unsigned shift) noexcept {
    return static_cast<unsigned>((address >> shift) * 0x9E3779B97F4A7C15u >> 50) ^ shift;
  }
  void note_large(std::uint64_t address, unsigned shift) noexcept {
    unsigned const bit = filter_bit(address, shift);
    large_[bit / 64] |= std::uint64_t{1} << bit % 64;
    large_shifts_ |= std::uint64_t{1} << shift;
  }
  [[nodiscard]] bool maybe_large(std::uint64_t address, unsigned shift) const noexcept {
    if ((large_shifts_ >> shift & 1) == 0) return false;
    unsigned const bit = filter_bit(address, shift);
    return (large_[bit / 64] >> bit % 64 & 1) != 0;
  }

  struct KnownReach {
    std::uint64_t context = kNoTag;
    Reach reach{};
  };
  std::array<KnownReach, 4> reaches_;
  unsigned next_reach_ = 0;
  std::array<AsidSpace, 1024> spaces_;
  std::uint16_t next_space_ = 1;
  std::uint64_t flushes_ = 0;
  std::array<std::uint64_t, 256> large_{};  // a filter over the leaves larger than a page
  std::uint64_t large_shifts_ = 0;          // the sizes that there are
};

}  // namespace mutirao::machine
