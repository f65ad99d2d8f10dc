#pragma once

#include <cstdint>
#include <span>

#include "hart/hart.h"
#include "isa/instruction.h"
#include "memory/guest_memory.h"

namespace mutirao::machine {

struct Block;

/// How a load or store of a region knows the page of its base register.
struct PageCheck {
  enum class By : std::uint8_t {
    itself,
    leader,        ///< it checks for others too, that have the same base: all of [low, low + span)
    store_leader,  ///< a load that does, and for stores: where one may store, one may load
    other_load,    ///< a leader before it, which was a load
    other_store,   ///< or for stores
    walk,          ///< a Walk of the region, for many rounds at once
  };
  By by = By::itself;
  bool hops = false;  ///< the base is in another page each time: the Tlb is asked at once
  std::int16_t low = 0;
  std::int16_t span = 0;
};

/// Loads or stores of a loop whose base goes the same way in each round: from where it is, it can
/// be said how many rounds stay in its page. The loop checks no page for so long.
struct Walk {
  unsigned base = 0;
  bool stores = false;
  std::int32_t low = 0;  ///< all of [low, low + span) from where the base is when a round begins
  std::int32_t span = 0;
  std::int32_t step = 0;  ///< of the base, each round: a power of two, forwards or backwards, or 0
};

/// An instruction in a block: what is needed when it can't be finished by the block itself.
struct Site {
  Instruction instruction;
  std::uint64_t pc = 0;
  /// Instructions that were counted when its run was entered and had not begun before it.
  std::uint16_t rest = 0;
  PageCheck check{};
};
static_assert(sizeof(Site) == 32);  // there are a million of them

/// Instructions one behind the other: entered at the first, left by jumps, and counted as a whole
/// when it is entered.
struct Run {
  std::uint64_t pc = 0;
  std::span<Site> sites{};
  std::uint64_t next_pc = 0;  ///< behind the last, unless that jumps away
};

/// A jump or call out of a block to an address that is known.
struct Link {
  std::uint64_t target = 0;
  Block* to = nullptr;              ///< where it leads; nothing: to the stub
  Link* next = nullptr;             ///< out of the same block
  Link* next_incoming = nullptr;    ///< of those that lead to the same block
  Link* before_incoming = nullptr;  ///< likewise
  std::uint32_t displacement = 0;   ///< of the jump, in the code memory
  std::uint32_t stub = 0;           ///< what leaves, likewise
  /// Into another page: where the context lies, in the code memory, that it is led on for; 0 in the
  /// same page. In other contexts the target is looked up.
  std::uint32_t guard = 0;
  std::uint32_t context = 0;   ///< that one
  std::int32_t patience = 16;  ///< so often it is looked up, until it is led on
  std::uint32_t place = 0;     ///< among the PageLinks
  bool to_plain = false;       ///< never to the region that begins there
  bool returned_to = false;    ///< by what the block has called
};

/// A run of the guest's instructions, translated: entered at its begin, left by its jumps.
struct Block {
  std::uint64_t pc = 0;       ///< virtual
  GuestAddress physical = 0;  ///< of the same; all of it lies in one page
  /// But for an instruction that crosses into another, which is a block by itself: that page.
  GuestAddress second = 0;
  std::uint64_t context = 0;  ///< low bits: the mode that it was translated for
  Privilege privilege{};      ///< likewise
  /// Instructions, when it is not left before its end; 0: the first is none that is translated.
  std::uint32_t count = 0;
  std::uint64_t lines = 0;  ///< a bit for each line of the page that it was made from
  std::uint32_t begin = 0;  ///< in the code memory
  std::uint32_t bytes = 0;
  /// How a region knows that the floating-point unit is on, in a rounding mode of the host, and its
  /// state dirty: nothing in it changes that.
  enum class Unit : std::uint8_t { checked_by_each, checked_at_entry };
  Unit unit = Unit::checked_by_each;
  bool is_region = false;         ///< made from several, or from one, because they run often
  Block* plain = nullptr;         ///< of a region: the block that it begins with
  std::uint32_t round = 0;        ///< instructions from its begin until it may be there again
  std::uint32_t samples = 0;      ///< how often it was about to run when the hart was looked at
  std::span<Site> sites{};        ///< all of them, of a region
  std::span<Walk const> walks{};  ///< of a region: one run that leads to itself
  Link* links = nullptr;          ///< out of it
  Link* incoming = nullptr;       ///< those of other blocks that lead here
};

}  // namespace mutirao::machine
