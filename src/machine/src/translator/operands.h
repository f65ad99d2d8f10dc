#pragma once

#include <cstdint>

#include "isa/instruction.h"

/// What an instruction does with memory, and of which kind its registers are.
namespace mutirao::machine {

/// Loads and stores, of both kinds of registers; no atomics.
[[nodiscard]] bool is_memory_access(Op op) noexcept;
[[nodiscard]] bool is_store_access(Op op) noexcept;
/// In bytes.
[[nodiscard]] std::int32_t size_of_access(Op op) noexcept;

/// As the convention says it to processors that foresee where functions return to (Unpriv. 2.5.1):
/// a jump that keeps the address behind it in ra or t0, and one that goes to the address in those.
[[nodiscard]] bool is_call(Instruction const& i) noexcept;
[[nodiscard]] bool is_return(Instruction const& i) noexcept;

/// Whether rd is one of x, and is written.
[[nodiscard]] bool writes_x(Instruction const& i) noexcept;
/// Whether rs1 is one of x.
[[nodiscard]] bool reads_x(Instruction const& i) noexcept;
/// Whether a floating-point register that it uses holds a single.
[[nodiscard]] bool is_single(Op op) noexcept;

}  // namespace mutirao::machine
