#include "memory/mmu.h"

#include <atomic>
#include <cstring>
#include <utility>

#include "mutirao/base/units.h"

namespace mutirao::machine {
namespace {

/// Bits of a page table entry (Priv. 10.4.1, 12, 13).
namespace pte {
constexpr std::uint64_t kV = 1, kR = 2, kW = 4, kX = 8, kU = 16, kG = 32, kA = 64, kD = 128;
constexpr std::uint64_t kReserved = 0x7Full << 54;
constexpr std::uint64_t kPbmt = 3ull << 61, kN = 1ull << 63;
constexpr std::uint64_t kPpn = ((1ull << 44) - 1) << 10;
}  // namespace pte

constexpr std::uint64_t kModeBare = 0, kModeSv39 = 8, kModeSv48 = 9;
constexpr std::uint64_t mode_of(std::uint64_t satp) { return satp >> 60; }
constexpr std::uint16_t asid_of(std::uint64_t satp) {
  return static_cast<std::uint16_t>(satp >> 44);
}

constexpr Cause page_fault(Access access) {
  return access == Access::fetch  ? Cause::instruction_page
         : access == Access::load ? Cause::load_page
                                  : Cause::store_page;
}
constexpr Cause access_fault(Access access) {
  return access == Access::fetch  ? Cause::instruction_access
         : access == Access::load ? Cause::load_access
                                  : Cause::store_access;
}

std::unexpected<Exception> exception(Cause cause, std::uint64_t value) {
  return std::unexpected{Exception{cause, value}};
}

std::uint64_t load_bytes(std::uint8_t const* host, unsigned size) {
  switch (size) {
    case 1:
      return load_shared<std::uint8_t>(host);
    case 2:
      return load_shared<std::uint16_t>(host);
    case 4:
      return load_shared<std::uint32_t>(host);
    default:
      return load_shared<std::uint64_t>(host);
  }
}
bool store_bytes(GuestMemory& memory, GuestAddress address, unsigned size, std::uint64_t value) {
  switch (size) {
    case 1:
      return memory.store(address, static_cast<std::uint8_t>(value));
    case 2:
      return memory.store(address, static_cast<std::uint16_t>(value));
    case 4:
      return memory.store(address, static_cast<std::uint32_t>(value));
    default:
      return memory.store(address, value);
  }
}

}  // namespace

Mmu::Mmu(Hart& hart, Bus& bus) : hart_{hart}, bus_{bus}, memory_{bus.memory()} {
  memory_.watch(*this, static_cast<unsigned>(hart.id));
  rules_changed();
}

Mmu::~Mmu() { memory_.unwatch(*this); }

void Mmu::page_became_code(GuestAddress page) {
  tlb_.forget_stores(memory_.host_page(page));
  if (watcher_ != nullptr) watcher_->data_mappings_changed(nullptr);
}

/// Loads and stores in machine mode can be made as if in the mode before (Priv. 3.1.6.3).
Privilege Mmu::data_privilege() const noexcept {
  if (hart_.privilege == Privilege::machine && (hart_.mstatus & status::kMprv) != 0)
    return static_cast<Privilege>(hart_.mstatus >> status::kMppShift & 3);
  return hart_.privilege;
}

void Mmu::context_changed() noexcept {
  unsigned const space = mode_of(hart_.satp) == kModeBare ? 0 : tlb_.space_of(asid_of(hart_.satp));
  auto const context = [&](Privilege privilege, bool data) {
    if (privilege == Privilege::machine) return Tlb::context_of(0, kMachineMode);
    unsigned mode = privilege == Privilege::user ? kUser : kSupervisor;
    if (data && (hart_.mstatus & status::kMxr) != 0) mode |= kMxrBit;
    if (data && privilege == Privilege::supervisor && (hart_.mstatus & status::kSum) != 0)
      mode |= kSumBit;
    return Tlb::context_of(space, mode);
  };
  fetch_context_ = context(hart_.privilege, false);
  data_context_ = context(data_privilege(), true);
  if (watcher_ == nullptr) return;
  watcher_->context_changed();
  // Numbers of spaces that were given out mean others now.
  if (std::exchange(flushes_seen_, tlb_.flushes()) != tlb_.flushes()) {
    supervisor_is_global_ = true;
    watcher_->data_mappings_changed(nullptr);
    watcher_->code_mappings_changed(nullptr);
  }
}

void Mmu::rules_changed() noexcept {
  pmp_.update(hart_);
  tlb_.flush();
  context_changed();
}

void Mmu::fence(std::uint64_t const* address, std::uint64_t const* asid) noexcept {
  if (address != nullptr) {
    if (tlb_.flush_address(*address)) address = nullptr;  // and what lies around it
    if (watcher_ == nullptr) return;
    watcher_->data_mappings_changed(address);
    watcher_->code_mappings_changed(address);
    return;
  }
  if (asid != nullptr)
    tlb_.flush_asid(static_cast<std::uint16_t>(*asid));
  else
    tlb_.flush();
  context_changed();
  if (watcher_ != nullptr) watcher_->data_mappings_changed(nullptr);
}

void Mmu::fence(RangeFence const& range) noexcept {
  std::uint64_t const* const space = range.space ? &*range.space : nullptr;
  if (range.pages == 0) return fence(nullptr, space);
  for (std::uint64_t i = 0; i < range.pages; ++i) {
    std::uint64_t const address = range.first + i * kPageSize;
    fence(&address, space);
  }
}

std::expected<Mmu::Leaf, Cause> Mmu::walk(std::uint64_t address, Access access,
                                          Privilege privilege) noexcept {
  // The algorithm of Priv. 10.3.2, with the numbers of Sv39 or Sv48.
  unsigned const levels = mode_of(hart_.satp) == kModeSv39 ? 3 : 4;
  unsigned const address_bits = 12 + 9 * levels;
  if (static_cast<std::uint64_t>(static_cast<std::int64_t>(address << (64 - address_bits)) >>
                                 (64 - address_bits)) != address)
    return std::unexpected{page_fault(access)};

  bool const hardware_update = (hart_.menvcfg & envcfg::kAdue) != 0;
  bool const memory_types = (hart_.menvcfg & envcfg::kPbmte) != 0;
  bool global = false;
  GuestAddress table = (hart_.satp & ((1ull << 44) - 1)) * kPageSize;
  for (unsigned level = levels; level-- > 0;) {
    std::uint64_t const index = address >> (12 + 9 * level) & 511;
    GuestAddress const place = table + index * 8;
    if (!memory_.contains(place, 8) || !pmp_.allows(place, 8, Access::load, Privilege::supervisor))
      return std::unexpected{access_fault(access)};
    auto* const host = reinterpret_cast<std::uint64_t*>(memory_.host_page(place & ~kPageMask) +
                                                        (place & kPageMask));
    std::atomic_ref<std::uint64_t> entry_in_memory{*host};
    std::uint64_t entry = entry_in_memory.load();

    if ((entry & pte::kV) == 0 || (entry & (pte::kR | pte::kW)) == pte::kW ||
        (entry & pte::kReserved) != 0)
      return std::unexpected{page_fault(access)};
    std::uint64_t const type = entry & pte::kPbmt;
    if (type == pte::kPbmt || (type != 0 && !memory_types))
      return std::unexpected{page_fault(access)};
    global = global || (entry & pte::kG) != 0;

    if ((entry & (pte::kR | pte::kX)) == 0) {
      if ((entry & (pte::kA | pte::kD | pte::kU | pte::kPbmt | pte::kN)) != 0)
        return std::unexpected{page_fault(access)};
      table = (entry & pte::kPpn) >> 10 << 12;
      continue;
    }

    // A leaf. Whose is it, and may they do that?
    bool const user_page = (entry & pte::kU) != 0;
    bool const theirs =
        privilege == Privilege::user
            ? user_page
            : !user_page || (access != Access::fetch && (hart_.mstatus & status::kSum) != 0);
    std::uint64_t const readable =
        pte::kR | ((hart_.mstatus & status::kMxr) != 0 ? pte::kX : std::uint64_t{0});
    std::uint64_t const needed = access == Access::fetch  ? pte::kX
                                 : access == Access::load ? readable
                                                          : pte::kW;
    if (!theirs || (entry & needed) == 0) return std::unexpected{page_fault(access)};

    // What is larger than a page is aligned to its size, and keeps the address within.
    GuestAddress page = (entry & pte::kPpn) >> 10 << 12;
    std::uint64_t within = (std::uint64_t{1} << (12 + 9 * level)) - 1;
    bool const napot = (entry & pte::kN) != 0;
    if ((page & within & ~kPageMask) != 0) return std::unexpected{page_fault(access)};
    if (napot) {
      constexpr GuestAddress k64KiB = 0x8000;  // the one size there is: ppn ends in 1000
      if (level != 0 || (page & 0xF000) != k64KiB) return std::unexpected{page_fault(access)};
      page &= ~GuestAddress{0xFFFF};
      within = 0xFFFF;
    }
    page |= address & within & ~kPageMask;

    std::uint64_t const marks = pte::kA | (access == Access::store ? pte::kD : std::uint64_t{0});
    if ((entry & marks) != marks) {
      if (!hardware_update) return std::unexpected{page_fault(access)};
      if (!pmp_.allows(place, 8, Access::store, Privilege::supervisor))
        return std::unexpected{access_fault(access)};
      if (!entry_in_memory.compare_exchange_strong(entry, entry | marks)) {
        ++level;  // somebody changed it: look again
        continue;
      }
      memory_.wrote(place, 8);
      entry |= marks;
    }
    return Leaf{page,
                (entry & (pte::kW | pte::kD)) == (pte::kW | pte::kD),
                {static_cast<std::uint8_t>(level), napot, global},
                place,
                entry};
  }
  return std::unexpected{page_fault(access)};
}

/// Around a page of a large leaf, where stores need not be told to anybody.
Tlb::Reach Mmu::store_reach(std::uint64_t address, GuestAddress page,
                            Privilege privilege) noexcept {
  constexpr std::uint64_t kBytes = 128_KiB;  // pages are looked at one by one
  auto const begin = page & ~(kBytes - 1);
  Tlb::Reach const alone{address & ~kPageMask, kPageSize};
  if (!memory_.contains(begin, kBytes) || !pmp_.allows(begin, kBytes, Access::store, privilege))
    return alone;
  for (auto at = begin; at < begin + kBytes; at += kPageSize)
    if (!memory_.hold_for_stores(at, static_cast<unsigned>(hart_.id))) return alone;
  return {address & ~(kBytes - 1), kBytes};
}

/// Around an address that a large leaf maps: as far as the leaves beside it in the same table map
/// what lies beside it in memory, with the same rights. A kernel maps all memory so.
Tlb::Reach Mmu::load_reach(std::uint64_t address, Leaf const& leaf, Privilege privilege) noexcept {
  if (auto const known = tlb_.known_reach(address, data_context_)) return *known;
  auto const leaf_bytes = std::uint64_t{1} << (12 + 9 * leaf.origin.level);
  auto const within = leaf_bytes - 1;
  auto const usable = [&](GuestAddress physical) {
    return memory_.contains(physical, leaf_bytes) &&
           pmp_.allows(physical, leaf_bytes, Access::load, privilege);
  };
  auto const physical = leaf.page & ~within;
  if (!usable(physical)) return {address & ~kPageMask, kPageSize};
  Tlb::Reach reach{address & ~within, leaf_bytes};
  auto const continues = [&](GuestAddress place, GuestAddress page) {
    constexpr std::uint64_t kDoesNotMatter = pte::kPpn | pte::kD | pte::kW;
    auto const entry = memory_.load<std::uint64_t>(place);
    return entry && ((*entry ^ leaf.entry) & ~kDoesNotMatter) == 0 &&
           (*entry & pte::kPpn) >> 10 << 12 == page && usable(page);
  };
  auto const slots = (leaf.place & kPageMask) / 8;
  for (std::uint64_t n = 1; n <= slots; ++n) {
    if (!continues(leaf.place - 8 * n, physical - n * leaf_bytes)) break;
    reach = {reach.begin - leaf_bytes, reach.bytes + leaf_bytes};
  }
  for (std::uint64_t n = 1; n < 512 - slots; ++n) {
    if (!continues(leaf.place + 8 * n, physical + n * leaf_bytes)) break;
    reach.bytes += leaf_bytes;
  }
  tlb_.know_reach(reach, data_context_, leaf_bytes);
  return reach;
}

std::expected<GuestAddress, Exception> Mmu::translate(std::uint64_t address, unsigned size,
                                                      Access access) noexcept {
  Privilege const privilege = access == Access::fetch ? hart_.privilege : data_privilege();
  std::uint64_t const context = access == Access::fetch ? fetch_context_ : data_context_;
  Tlb::Table& table = access == Access::fetch  ? tlb_.fetch
                      : access == Access::load ? tlb_.load
                                               : tlb_.store;
  bool const translated = privilege != Privilege::machine && mode_of(hart_.satp) != kModeBare;
  if (translated && tlb_.adopt_global(table, address, context)) {
    std::uint64_t const there = address + table.entries[Tlb::slot_of(address)].addend;
    if (access == Access::fetch) return there;
    return memory_.address_of(reinterpret_cast<std::uint8_t const*>(there));
  }

  GuestAddress page = address & ~kPageMask;
  Tlb::Origin origin;
  Tlb::Reach reach{page, kPageSize};
  if (translated) {
    auto const leaf = walk(address, access, privilege);
    if (!leaf) return exception(leaf.error(), address);
    page = leaf->page;
    origin = leaf->origin;
    if ((leaf->entry & pte::kU) != 0 && privilege == Privilege::supervisor && address >> 63 != 0)
      user_pages_are_low_ = false;
    if (origin.level > 0 && access == Access::load)
      reach = load_reach(address, *leaf, privilege);
    else if (origin.level > 0 && access == Access::store)
      reach = store_reach(address, page, privilege);
  } else if (address >> 56 != 0) {
    return exception(access_fault(access), address);
  }

  GuestAddress const physical = page | (address & kPageMask);
  std::uint8_t* const host = memory_.host_page(page);
  if (!pmp_.allows(page, kPageSize, access, privilege)) {
    // The page is not of one piece: each access is looked at, nothing is remembered.
    if (!pmp_.allows(physical, size, access, privilege))
      return exception(access_fault(access), address);
    return physical;
  }
  if (privilege == Privilege::supervisor && access != Access::fetch && !origin.global &&
      !may_touch_user_pages(context))
    supervisor_is_global_ = false;
  if (access == Access::fetch) {
    if (host == nullptr) return exception(Cause::instruction_access, address);
    tlb_.fill(table, address, context, page - (address & ~kPageMask), origin, reach);
  } else if (host != nullptr && (access != Access::store ||
                                 memory_.hold_for_stores(page, static_cast<unsigned>(hart_.id)))) {
    tlb_.fill(table, address, context,
              reinterpret_cast<std::uint64_t>(host) - (address & ~kPageMask), origin, reach);
  }
  return physical;
}

std::expected<std::uint64_t, Exception> Mmu::load(std::uint64_t address, unsigned size) noexcept {
  std::uint64_t const in_page = kPageSize - (address & kPageMask);
  if (size > in_page) [[unlikely]] {
    // Two pages, each with its own fate; xtval says which part failed (Priv. 3.1.16).
    auto const first = static_cast<unsigned>(in_page);
    auto const low = translate(address, first, Access::load);
    if (!low) return std::unexpected{low.error()};
    auto const high = translate(address + first, size - first, Access::load);
    if (!high) return std::unexpected{high.error()};
    std::uint8_t bytes[8] = {};
    if (!memory_.read(*low, {bytes, first})) return exception(Cause::load_access, address);
    if (!memory_.read(*high, {bytes + first, size - first}))
      return exception(Cause::load_access, address + first);
    return load_shared<std::uint64_t>(bytes);
  }
  auto const physical = translate(address, size, Access::load);
  if (!physical) return std::unexpected{physical.error()};
  if (auto const bytes = memory_.view(*physical, size)) return load_bytes(bytes->data(), size);
  auto const value = bus_.read(*physical, size);
  if (!value) return exception(Cause::load_access, address);
  return *value;
}

std::expected<void, Exception> Mmu::store(std::uint64_t address, unsigned size,
                                          std::uint64_t value) noexcept {
  std::uint64_t const in_page = kPageSize - (address & kPageMask);
  if (size > in_page) [[unlikely]] {
    std::uint8_t bytes[8];
    std::memcpy(bytes, &value, sizeof bytes);
    auto const first = static_cast<unsigned>(in_page);
    auto const low = translate(address, first, Access::store);
    if (!low) return std::unexpected{low.error()};
    auto const high = translate(address + first, size - first, Access::store);
    if (!high) return std::unexpected{high.error()};
    // Both or none.
    if (!memory_.contains(*low, first)) return exception(Cause::store_access, address);
    if (!memory_.write(*high, {bytes + first, size - first}))
      return exception(Cause::store_access, address + first);
    if (!memory_.write(*low, {bytes, first})) return exception(Cause::store_access, address);
    return {};
  }
  auto const physical = translate(address, size, Access::store);
  if (!physical) return std::unexpected{physical.error()};
  if (store_bytes(memory_, *physical, size, value)) return {};
  if (size < 8) value &= (std::uint64_t{1} << 8 * size) - 1;
  if (!bus_.write(*physical, size, value)) return exception(Cause::store_access, address);
  return {};
}

std::expected<Mmu::Place, Exception> Mmu::atomic_place(std::uint64_t address, unsigned size,
                                                       Access access) noexcept {
  if ((address & (size - 1)) != 0)
    return exception(access == Access::load ? Cause::load_misaligned : Cause::store_misaligned,
                     address);
  if (auto* const host =
          hit<std::uint8_t>(access == Access::load ? tlb_.load : tlb_.store, address))
    return Place{host, memory_.address_of(host)};
  auto const physical = translate(address, size, access);
  if (!physical) return std::unexpected{physical.error()};
  std::uint8_t* const page = memory_.host_page(*physical & ~kPageMask);
  // No device of ours has memory in which an atomic would mean something.
  if (page == nullptr) return exception(access_fault(access), address);
  return Place{page + (*physical & kPageMask), *physical};
}

}  // namespace mutirao::machine
