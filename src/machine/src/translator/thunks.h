#pragma once

#include <cstdint>

#include "mutirao/codegen/assembler.h"

#include "translator/block.h"
#include "translator/frame.h"

/// The code around blocks: the way in and out, and what blocks call when they can't go on alone.
namespace mutirao::machine {

/// What the functions behind say to the code that called them.
enum class Next : std::uint32_t {
  go_on,  ///< the instruction is executed; registers may have changed
  leave,  ///< back to the translator; the frame says why
};
using AccessFunction = Next (*)(HartFrame* frame, std::uint64_t address, Site const* site);
using CallOutFunction = Next (*)(HartFrame* frame, Site const* site);

using EnterFunction = void (*)(HartFrame* frame, std::uint8_t const* code);

/// Offsets in the code memory.
struct Thunks {
  /// An EnterFunction: loads the registers and goes to the code; returns when it is left.
  std::size_t enter = 0;
  /// Jumped to. The state is put into the frame; pc is there already.
  std::size_t leave = 0;
  /// Jumped to with a Link in rax: leaves by it.
  std::size_t leave_by_link = 0;
  /// Jumped to or called likewise: goes to where it leads in this context, or leaves by it.
  std::size_t look_up_link = 0;
  /// Jumped to with a Site in rax: leaves, and pc is there; it was counted and not begun.
  std::size_t leave_at_site = 0;
  /// For the pages that are known in a privilege.
  struct OfPages {
    /// Called with the address in rax, the number of its base in rdx and the Site in rcx. When the
    /// Tlb knows the page, the base is known to be in that page from now on: carry clear. Otherwise
    /// the access is made: carry set. All registers of the guest are as they have to be.
    std::size_t load_missed[4] = {};  ///< by the logarithm of the size
    std::size_t store_missed[4] = {};
    /// Likewise, but nothing is done when the Tlb does not know it. For regions: no register but
    /// rax, rcx and rdx is touched.
    std::size_t find_load = 0;
    std::size_t find_store = 0;
  };
  OfPages pages[TranslationState::kPageSets];
  /// Called with the Site in rcx: executes the instruction.
  std::size_t call_out = 0;
};

/// Where the code is of the address in rdx, in this context: to be jumped to. Goes to `unknown`
/// when that is not known. Uses rcx and rdx.
[[nodiscard]] codegen::Mem write_look_up(codegen::Assembler& to, codegen::Label& unknown);

/// At the begin of the code memory.
[[nodiscard]] Thunks write_thunks(codegen::Assembler& to, AccessFunction access,
                                  CallOutFunction call_out);

}  // namespace mutirao::machine
