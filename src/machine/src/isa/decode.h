#pragma once

#include <cstdint>

#include "isa/instruction.h"

namespace mutirao::machine {

/// Whether an instruction that begins with these 16 bits has two bytes; four otherwise. The longer
/// encodings (Unpriv. 1.5) are reserved: they decode as four bytes that are illegal.
[[nodiscard]] constexpr bool is_compressed(std::uint32_t bits) noexcept { return (bits & 3) != 3; }

/// Total: every pattern gives an instruction, `Op::illegal` where the standard has none or reserves
/// it. Of a compressed instruction only the low 16 bits count.
[[nodiscard]] Instruction decode(std::uint32_t bits) noexcept;

}  // namespace mutirao::machine
