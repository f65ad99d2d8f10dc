#pragma once

#include "hart/hart.h"
#include "isa/instruction.h"

namespace mutirao::machine {

/// The instructions of F and D between registers: all but loads and stores.
[[nodiscard]] constexpr bool is_floating_point(Op op) noexcept {
  return op >= Op::flw && op <= Op::fmv_d_x;
}

/// Executes one. False, with nothing done, for an illegal instruction: the unit is off, or the
/// rounding mode is none. Marks the state dirty when a register or a flag changes.
[[nodiscard]] bool execute_floating_point(Hart& hart, Instruction const& instruction) noexcept;

/// A binary32 value from a register: what is not boxed in ones is the canonical NaN (Unpriv. 21.2).
[[nodiscard]] constexpr std::uint32_t unboxed(std::uint64_t bits) noexcept {
  return bits >> 32 == 0xFFFFFFFFu ? static_cast<std::uint32_t>(bits) : 0x7FC00000u;
}
[[nodiscard]] constexpr std::uint64_t boxed(std::uint32_t value) noexcept {
  return 0xFFFFFFFF00000000u | value;
}

}  // namespace mutirao::machine
