#pragma once

#include <cstdint>
#include <optional>

/// The registers, conditions and operands of x86-64, by the names of its manual (Intel SDM volume
/// 2).
namespace mutirao::codegen {

enum class Reg : std::uint8_t {
  rax,
  rcx,
  rdx,
  rbx,
  rsp,
  rbp,
  rsi,
  rdi,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
};
enum class Xmm : std::uint8_t {
  xmm0,
  xmm1,
  xmm2,
  xmm3,
  xmm4,
  xmm5,
  xmm6,
  xmm7,
  xmm8,
  xmm9,
  xmm10,
  xmm11,
  xmm12,
  xmm13,
  xmm14,
  xmm15,
};

/// In bytes.
enum class Width : std::uint8_t { byte = 1, word = 2, dword = 4, qword = 8 };

/// As the low four bits of Jcc, SETcc and CMOVcc have them.
enum class Cond : std::uint8_t {
  overflow,
  no_overflow,
  below,
  above_equal,
  equal,
  not_equal,
  below_equal,
  above,
  sign,
  no_sign,
  parity,
  no_parity,
  less,
  greater_equal,
  less_equal,
  greater,
};
[[nodiscard]] constexpr Cond operator!(Cond cond) noexcept {
  return static_cast<Cond>(static_cast<std::uint8_t>(cond) ^ 1);
}

/// [base + index * scale + displacement]
struct Mem {
  Reg base;
  std::int32_t displacement = 0;
  std::optional<Reg> index{};  ///< not rsp
  std::uint8_t scale = 1;      ///< 1, 2, 4 or 8
};

/// Operations of two operands that set the flags, by the number in their encodings.
enum class Alu : std::uint8_t { add, or_, adc, sbb, and_, sub, xor_, cmp };
/// Likewise, of a register or memory and a count.
enum class Shift : std::uint8_t { rol, ror, rcl, rcr, shl, shr, sal, sar };
/// Likewise, of one operand; the last four work on rdx:rax.
enum class Unary : std::uint8_t { test_, test_2, not_, neg, mul, imul, div, idiv };

/// Scalar floating point of two operands: the second byte of their encodings.
enum class Sse : std::uint8_t {
  sqrt = 0x51,
  and_ = 0x54,
  andn = 0x55,
  or_ = 0x56,
  xor_ = 0x57,
  add = 0x58,
  mul = 0x59,
  sub = 0x5c,
  min = 0x5d,
  div = 0x5e,
  max = 0x5f,
};
enum class Precision : std::uint8_t { single, double_ };

}  // namespace mutirao::codegen
