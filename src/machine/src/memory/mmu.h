#pragma once

#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>

#include "hart/hart.h"
#include "memory/bus.h"
#include "memory/pmp.h"
#include "memory/tlb.h"

namespace mutirao::machine {

/// Who keeps shortcuts of its own past the TLB, as translated code does.
class MappingWatcher {
 public:
  virtual ~MappingWatcher() = default;
  /// The hart is in another context, or may be: see Mmu::data_context.
  virtual void context_changed() noexcept = 0;
  /// What was known of loads and stores, in any context, may be wrong now, by a fence or a page
  /// that holds code: of the page of one address, or nothing for all.
  virtual void data_mappings_changed(std::uint64_t const* address) noexcept = 0;
  /// What was known of where instructions are fetched from may be: likewise. Another context alone
  /// changes nothing: a context stands for the same mappings until this.
  virtual void code_mappings_changed(std::uint64_t const* address) noexcept = 0;
};

/// What an sfence.vma from outside is for: pages of virtual addresses in one space, or in all.
struct RangeFence {
  std::uint64_t first = 0;               ///< of the first page
  std::uint64_t pages = 0;               ///< none: all addresses
  std::optional<std::uint64_t> space{};  ///< an ASID; none: all
};

/// Virtual memory of one hart: Sv39 and Sv48 with 16-bit ASIDs, Svadu, Svnapot, Svpbmt, and the
/// privileges, PMP and mstatus bits that decide who may touch what (Priv. 20240411, 10.3 to 10.5
/// and chapters 11 to 13).
///
/// The common case is a look into the TLB, inline. All else is `translate`, which walks the guest's
/// tables and says precisely what the exception is.
///
/// One hart's. Whoever changes satp, mstatus, menvcfg.ADUE or PBMTE, the PMP or the privilege says
/// so, or the next access is made with the rights of before.
class Mmu final : private CodeWatcher {
 public:
  /// All outlive this.
  Mmu(Hart& hart, Bus& bus);
  ~Mmu() override;

  /// The privilege, mstatus or satp changed.
  void context_changed() noexcept;
  /// PMP registers, or what menvcfg says about page tables.
  void rules_changed() noexcept;
  /// sfence.vma; nothing for an operand that is x0.
  void fence(std::uint64_t const* address, std::uint64_t const* asid) noexcept;
  void fence(RangeFence const& range) noexcept;

  /// Where `size` bytes at a virtual address are in the host, if the TLB knows, they are of one
  /// page, and nothing needs to be told of the access.
  template <class T>
  [[nodiscard]] std::uint8_t const* loadable(std::uint64_t address) const noexcept {
    return hit<T>(tlb_.load, address);
  }
  template <class T>
  [[nodiscard]] std::uint8_t* storable(std::uint64_t address) const noexcept {
    return hit<T>(tlb_.store, address);
  }

  /// The physical address of the instruction at `pc`.
  [[nodiscard]] std::expected<GuestAddress, Exception> fetchable(std::uint64_t pc) noexcept {
    Tlb::Entry const& entry = tlb_.fetch.entries[Tlb::slot_of(pc)];
    if (entry.tag == Tlb::tag_of(pc, fetch_context_)) return pc + entry.addend;
    return translate(pc, 2, Access::fetch);
  }

  /// The full way to the physical address of `size` bytes that lie in one page. Sets A and D, and
  /// fills the TLB.
  [[nodiscard]] std::expected<GuestAddress, Exception> translate(std::uint64_t address,
                                                                 unsigned size,
                                                                 Access access) noexcept;

  /// Loads and stores of 1, 2, 4 or 8 bytes by any way: TLB, walk, across pages, devices. Neither
  /// has an effect when it fails.
  [[nodiscard]] std::expected<std::uint64_t, Exception> load(std::uint64_t address,
                                                             unsigned size) noexcept;
  [[nodiscard]] std::expected<void, Exception> store(std::uint64_t address, unsigned size,
                                                     std::uint64_t value) noexcept;

  /// For an atomic access of naturally aligned `size` bytes: where it lies in the host.
  struct Place {
    std::uint8_t* host;
    GuestAddress physical;
  };
  [[nodiscard]] std::expected<Place, Exception> atomic_place(std::uint64_t address, unsigned size,
                                                             Access access) noexcept;

  [[nodiscard]] Bus& bus() noexcept { return bus_; }

  /// `watcher` outlives this. At most one.
  void watch(MappingWatcher& watcher) noexcept { watcher_ = &watcher; }
  [[nodiscard]] Tlb const& tlb() const noexcept { return tlb_; }
  /// The low bits of the tags that match now.
  [[nodiscard]] std::uint64_t data_context() const noexcept { return data_context_; }
  /// Whether two contexts of one privilege are the same but that the second may touch pages of user
  /// mode too (SUM), so that what was known in the first holds in it.
  [[nodiscard]] static bool only_adds_user_pages(std::uint64_t first,
                                                 std::uint64_t second) noexcept {
    return second == (first | kSumBit) && (first & kSupervisor) != 0;
  }
  [[nodiscard]] static bool may_touch_user_pages(std::uint64_t context) noexcept {
    return (context & kSumBit) != 0;
  }
  /// Whether all that supervisor mode found without SUM, since everything was flushed, is mapped
  /// the same in all spaces.
  [[nodiscard]] bool supervisor_is_global() const noexcept { return supervisor_is_global_; }
  /// Whether what it found with SUM in the upper half of the addresses, was all its own, so far.
  [[nodiscard]] bool user_pages_are_low() const noexcept { return user_pages_are_low_; }
  [[nodiscard]] std::uint64_t fetch_context() const noexcept { return fetch_context_; }

 private:
  // The low three bits of a context: what an access may do that is not in the page table.
  enum Mode : unsigned { kUser = 0, kSupervisor = 2, kMachineMode = 7 };  // + kMxrBit, kSumBit
  static constexpr unsigned kMxrBit = 1, kSumBit = 4;

  struct Leaf {
    GuestAddress page;
    bool writable;  // and dirty: a store needs no further look
    Tlb::Origin origin;
    GuestAddress place;   // of its entry
    std::uint64_t entry;  // and that
  };

  template <class T>
  [[nodiscard]] std::uint8_t* hit(Tlb::Table const& table, std::uint64_t address) const noexcept {
    Tlb::Entry const& entry = table.entries[Tlb::slot_of(address)];
    if (entry.tag != Tlb::tag_of(address, data_context_) ||
        (address & kPageMask) > kPageSize - sizeof(T)) [[unlikely]]
      return nullptr;
    return reinterpret_cast<std::uint8_t*>(address + entry.addend);
  }
  [[nodiscard]] std::expected<Leaf, Cause> walk(std::uint64_t address, Access access,
                                                Privilege privilege) noexcept;
  [[nodiscard]] Tlb::Reach load_reach(std::uint64_t address, Leaf const& leaf,
                                      Privilege privilege) noexcept;
  [[nodiscard]] Tlb::Reach store_reach(std::uint64_t address, GuestAddress page,
                                       Privilege privilege) noexcept;
  [[nodiscard]] Privilege data_privilege() const noexcept;
  void page_became_code(GuestAddress page) override;
  void code_was_written(GuestAddress, std::uint64_t) override {}

  Hart& hart_;
  Bus& bus_;
  GuestMemory& memory_;
  Pmp pmp_;
  std::uint64_t data_context_ = 0;
  std::uint64_t fetch_context_ = 0;
  std::uint64_t flushes_seen_ = 0;
  bool supervisor_is_global_ = true;
  bool user_pages_are_low_ = true;
  MappingWatcher* watcher_ = nullptr;
  Tlb tlb_;
};

}  // namespace mutirao::machine
