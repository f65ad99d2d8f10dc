#pragma once

#include <cstdint>
#include <optional>

#include "hart/hart.h"
#include "memory/mmu.h"

/// Control and status registers (Zicsr; Priv. 20240411, chapters 2, 3, 10 and 14 to 16).
///
/// Most are storage with rules: bits that are fixed, values that are not taken, views of another
/// register, and side effects on translation. The rules are here and nowhere else.
namespace mutirao::machine {

/// A hart with what is needed to run it. All outlive this.
struct Core {
  Hart& hart;
  Mmu& mmu;
  HartHost& host;
};

namespace csr {
inline constexpr unsigned kFflags = 0x001, kFrm = 0x002, kFcsr = 0x003, kCycle = 0xC00,
                          kTime = 0xC01, kInstret = 0xC02;
inline constexpr unsigned kSstatus = 0x100, kSie = 0x104, kStvec = 0x105, kScounteren = 0x106,
                          kSenvcfg = 0x10A, kSscratch = 0x140, kSepc = 0x141, kScause = 0x142,
                          kStval = 0x143, kSip = 0x144, kStimecmp = 0x14D, kSatp = 0x180;
inline constexpr unsigned kMstatus = 0x300, kMisa = 0x301, kMedeleg = 0x302, kMideleg = 0x303,
                          kMie = 0x304, kMtvec = 0x305, kMcounteren = 0x306, kMenvcfg = 0x30A,
                          kMcountinhibit = 0x320, kMhpmevent3 = 0x323, kMscratch = 0x340,
                          kMepc = 0x341, kMcause = 0x342, kMtval = 0x343, kMip = 0x344,
                          kPmpcfg0 = 0x3A0, kPmpaddr0 = 0x3B0, kTselect = 0x7A0, kTdata1 = 0x7A1,
                          kTdata3 = 0x7A3, kMcycle = 0xB00, kMinstret = 0xB02,
                          kMhpmcounter3 = 0xB03, kMvendorid = 0xF11, kMarchid = 0xF12,
                          kMimpid = 0xF13, kMhartid = 0xF14, kMconfigptr = 0xF15;
}  // namespace csr

/// What the register shows in the hart's current mode; nothing if it does not exist or the mode may
/// not see it, which is an illegal instruction. `hart.steps` counts the reading instruction.
[[nodiscard]] std::optional<std::uint64_t> read_csr(Core& core, unsigned number);
/// False, with nothing done, for an illegal instruction: not there, not theirs, or read-only.
/// `named` are the bits that the instruction is about: what others raise in the rest stays.
[[nodiscard]] bool write_csr(Core& core, unsigned number, std::uint64_t value,
                             std::uint64_t named = ~std::uint64_t{0});

/// mip as it is now: what software wrote, what devices raise, and the timer as last looked at.
[[nodiscard]] std::uint64_t pending_interrupts(Core const& core) noexcept;
/// Looks at the time: whether stimecmp was reached (Sstc, Priv. 16).
void look_at_timer(Core& core);

}  // namespace mutirao::machine
