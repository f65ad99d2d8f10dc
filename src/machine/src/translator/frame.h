#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hart/hart.h"
#include "memory/tlb.h"

namespace mutirao::machine {

class Translator;
struct Block;
struct Link;
struct Site;

/// From an address to its place in a table of the Tlb, in bytes: shifted, and masked.
inline constexpr unsigned kTlbShift =
    std::countr_zero(kPageSize) - std::countr_zero(sizeof(Tlb::Entry));
inline constexpr auto kTlbMask =
    static_cast<std::int32_t>((Tlb::kEntries - 1) * sizeof(Tlb::Entry));

/// Of the host's stack, while translated code runs: a call of the guest that is open, and how many
/// of them are known at most; see TranslationState::stack.
inline constexpr std::int32_t kCallBytes = 16;
inline constexpr std::int32_t kCallsMax = 256;
/// Where in a call lies the address that it returns to in the guest.
inline constexpr std::int32_t kReturnOfCall = 8;

/// Zen 4 takes a load for one of what was just stored when the low ten bits of their displacements
/// are the same, and starts over: dhrystone took twice as long where the budget lay so many bytes
/// behind ra. What code reads all the time lies beside no register of the guest, modulo this.
inline constexpr std::size_t kDistinct = 1024;

/// What translated code keeps besides the hart. Plain data at fixed offsets.
struct TranslationState {
  /// The page that a register pointed into when it was last used as the base of a load, or of a
  /// store: where it begins, what leads from there to the host, and below which distance from its
  /// begin an access of so many bytes surely lies in it, aligned or not; 0 when no page is known.
  ///  Code that walks an array or uses the stack stays in a page, and the registers that it
  /// does so with are known when it is translated: so this cache needs no hash, and finding where a
  /// load goes is no part of the time that it takes.
  static constexpr std::array<std::int32_t, 3> kSpans{8, 64, 512};
  struct Page {
    std::uint64_t addend = 0;
    std::uint64_t room[kSpans.size()] = {};
  };
  /// Of all registers.
  struct alignas(kDistinct) Pages {
    static constexpr unsigned kInRow = 16;
    struct Row {
      std::uint64_t beside_registers[2][32] = {};  // see kDistinct
      Page of[kInRow];
    };
    static_assert(sizeof(Row) == kDistinct);
    Row rows[32 / kInRow];
    std::uint64_t beside_registers[2][32] = {};
    std::uint64_t begin[32] = {};  // one after the other: they are looked through for each fence

    [[nodiscard]] static constexpr std::size_t offset_of(unsigned base) noexcept {
      return base / kInRow * sizeof(Row) + offsetof(Row, of) + base % kInRow * sizeof(Page);
    }
    [[nodiscard]] Page& of(unsigned base) noexcept { return rows[base / kInRow].of[base % kInRow]; }

    void forget() noexcept {
      for (auto& row : rows)
        for (auto& page : row.of) std::ranges::fill(page.room, 0);
    }
    /// Those that begin there.
    void forget(std::uint64_t address) noexcept {
      bool any = false;
      for (auto const each : begin) any |= each == address;
      if (!any) return;
      for (unsigned n = 0; n < 32; ++n)
        if (begin[n] == address) std::ranges::fill(of(n).room, 0);
    }
    /// Those in the lower half of the addresses, where a kernel has those of user mode.
    void forget_lower_half() noexcept {
      for (unsigned n = 0; n < 32; ++n)
        for (auto& room : of(n).room) room &= std::uint64_t{0} - (begin[n] >> 63);
    }
  };
  /// Of a privilege.
  struct PageSet {
    Pages loads;
    Pages stores;
  };
  enum PageSets : unsigned { kUserPages, kSupervisorPages, kMachinePages, kPageSets };
  static constexpr unsigned kPatiences = 512;
  static constexpr std::int32_t kPatience = 256;
  static constexpr unsigned patience_slot(std::uint64_t pc) noexcept {
    return (pc ^ pc >> 10) / 2 % kPatiences;
  }
  /// Where the code of a virtual address is, in one context: for jumps whose target is not known.
  struct Target {
    std::uint64_t key = kNoKey;
    std::uint8_t const* code = nullptr;
  };
  /// Above the bits of an address that differ: the context, and in which of eight epochs the target
  /// was found. All are forgotten by the begin of another.
  static constexpr unsigned kContextShift = 49, kEpochShift = kContextShift + Tlb::kContextBits;
  static constexpr std::uint64_t kEpochs = std::uint64_t{1} << (64 - kEpochShift);
  static constexpr std::uint64_t kNoKey = 1;                // no instruction begins there
  static constexpr std::uint32_t kNoContext = 0x7fff'ffff;  // none is that large
  static constexpr unsigned kTargets = 65536;
  static constexpr unsigned kTargetShift = 15;  // functions lie at multiples of all kinds
  static constexpr unsigned target_slot(std::uint64_t pc) noexcept {
    return (pc ^ pc >> kTargetShift) / 2 % kTargets;
  }

  /// Of bases that hop: what leads to the host, for those behind the leader.
  std::uint64_t load_addends[32] = {};
  std::uint64_t store_addends[32] = {};
  Translator* translator = nullptr;  ///< whose code runs
  std::int64_t budget = 0;           ///< instructions that may still be begun; see hurry()
  std::uint64_t context_key = 0;     ///< xor the address: the key of a Target
  std::uint64_t epoch = 0;           ///< of the targets
  /// The stack of the host while code runs: each call of the guest that is open adds where it
  /// returns to, first for the guest, then for the host, so that the return is one of the host too.
  std::uint8_t* stack = nullptr;        ///< while none is: above it lies what is no address
  std::uint8_t* stack_limit = nullptr;  ///< from here on, none is added
  std::uint64_t data_context = 0;       ///< as in the tags of the Tlb
  Tlb::Entry const* loads = nullptr;    ///< the tables of the Tlb
  Tlb::Entry const* stores = nullptr;
  std::uint64_t host_to_physical = 0;  ///< added to where RAM lies in the host
  /// How floating point is done: the host's MXCSR in translated code, and around it.
  std::uint32_t guest_mxcsr = 0x1f80;
  std::uint32_t host_mxcsr = 0x1f80;
  std::uint32_t interpret = 0;   ///< the instruction at pc is for the interpreter
  std::uint64_t deferred = 0;    ///< of the budget, while a region walks: what it may use later
  std::uint64_t other_half = 0;  ///< of a division: the remainder, or the quotient
  Block* left_region = nullptr;  ///< a region was left for a base that may hop between pages:
  Site const* hopped = nullptr;  ///< that of this one
  std::uint32_t in_region = 0;   ///< a region was left because the budget was used up
  Link* link = nullptr;          ///< by which code was left, if that can be led on

  /// Of the instruction at an address, in a region: so many times may its page not be that of the
  /// last time, until it is looked at how long that took. Several share one.
  std::int32_t patience[kPatiences];
  PageSet pages[kPageSets];
  Target targets[kTargets];

  /// Lets the code that runs think that its budget is used up, so that it is left at the next
  /// block. From any thread; what the code itself counts at that moment is never lost, but this may
  /// be.
  void hurry() noexcept {
    std::atomic_ref<std::int64_t>{budget}.fetch_sub(kHurry, std::memory_order_relaxed);
  }
  /// Of the budget, whether or not somebody was in a hurry.
  [[nodiscard]] std::uint64_t left() noexcept {
    auto const seen = std::atomic_ref<std::int64_t>{budget}.load(std::memory_order_relaxed);
    return static_cast<std::uint64_t>(seen) & (static_cast<std::uint64_t>(kHurry) - 1);
  }
  void set_left(std::uint64_t count) noexcept {
    std::atomic_ref<std::int64_t>{budget}.store(static_cast<std::int64_t>(count),
                                                std::memory_order_relaxed);
  }
  /// As translated code does it: not in one.
  void give_back(std::uint32_t count) noexcept {
    std::atomic_ref<std::int64_t> const shared{budget};
    shared.store(shared.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  static constexpr std::int64_t kHurry = std::int64_t{1} << 40;

  /// What links between pages are led on for.
  [[nodiscard]] std::uint32_t link_context() const noexcept {
    return static_cast<std::uint32_t>(context_key >> 32);
  }

  void set_context(std::uint64_t context) noexcept {
    context_key = context << kContextShift | epoch << kEpochShift;
  }
  void forget_targets() noexcept {
    epoch = (epoch + 1) % kEpochs;
    if (epoch == 0)  // those of the last time are still there
      for (auto& each : targets) each.key = kNoKey;
    constexpr auto kContext = (std::uint64_t{1} << kEpochShift) - 1;
    context_key = (context_key & kContext) | epoch << kEpochShift;
  }
  /// Those in the page of an address, and what crosses into it.
  void forget_targets(std::uint64_t address) noexcept {
    auto const page = address & ~kPageMask;
    for (auto pc = page; pc < page + kPageSize; pc += 2) targets[target_slot(pc)].key = kNoKey;
    targets[target_slot(page - 2)].key = kNoKey;
  }
};

/// Of the code that is translated for a privilege.
constexpr TranslationState::PageSets page_set_of(Privilege privilege) noexcept {
  return privilege == Privilege::user         ? TranslationState::kUserPages
         : privilege == Privilege::supervisor ? TranslationState::kSupervisorPages
                                              : TranslationState::kMachinePages;
}

/// A hart as translated code sees it: one block of memory that a register points into.
struct HartFrame {
  Hart hart;
  TranslationState translation;
};

/// The register points here, so that all of x is within the reach of a byte.
inline constexpr std::int32_t kFrameBias = 128;

constexpr std::int32_t offset_of_x(unsigned number) noexcept {
  return static_cast<std::int32_t>(offsetof(HartFrame, hart.x) + 8 * number) - kFrameBias;
}
constexpr std::int32_t offset_of_f(unsigned number) noexcept {
  return static_cast<std::int32_t>(offsetof(HartFrame, hart.f) + 8 * number) - kFrameBias;
}
/// Whether it lies beside a register that is stored all the time; see kDistinct.
constexpr bool is_beside_x(std::int32_t offset) noexcept {
  return static_cast<std::size_t>(offset - offset_of_x(0)) % kDistinct < sizeof Hart::x;
}
#define MUT_FRAME_OFFSET(member)                                                \
  (static_cast<std::int32_t>(offsetof(::mutirao::machine::HartFrame, member)) - \
   ::mutirao::machine::kFrameBias)

static_assert(!is_beside_x(MUT_FRAME_OFFSET(translation.budget)) &&
              !is_beside_x(MUT_FRAME_OFFSET(translation.context_key)) &&
              !is_beside_x(MUT_FRAME_OFFSET(translation.stack_limit)) &&
              !is_beside_x(MUT_FRAME_OFFSET(translation.pages[0].loads.rows[0].of)) &&
              !is_beside_x(MUT_FRAME_OFFSET(translation.pages[0].loads.begin)));

}  // namespace mutirao::machine
