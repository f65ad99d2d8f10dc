#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "mutirao/base/bytes.h"
#include "mutirao/base/check.h"
#include "mutirao/codegen/x64.h"

namespace mutirao::codegen {

/// A place in code, to be jumped to before or after it is known. Each that is jumped to has to be
/// bound; the jumps in front of it are chained through their own displacements, so that a label is
/// two words and any number of jumps may lead to it.
class Label {
 public:
  [[nodiscard]] bool bound() const noexcept { return at_ >= 0; }
  /// Where it is; only once it is bound.
  [[nodiscard]] std::size_t at() const noexcept {
    MUT_ASSERT(at_ >= 0);
    return static_cast<std::size_t>(at_);
  }

 private:
  friend class Assembler;
  std::int64_t at_ = -1;
  std::int64_t last_jump_ = -1;  // the last displacement that waits for it
};

/// Writes machine code for x86-64 (with BMI1, BMI2 and FMA) into memory that it was given: one
/// call, one instruction, some bytes, a nanosecond. It knows nothing of where the code will run, so
/// what it writes may be moved; only jump(Label), never an absolute address, is inside.
///
/// When the memory is full it goes on without writing, and says so in the end: a translator checks
/// once.
///
/// The shortest encoding is taken. Operands are as in Intel's syntax, the destination first.
class Assembler {
 public:
  explicit Assembler(MutableBytes into) noexcept
      : begin_{into.data()}, at_{into.data()}, end_{into.data() + into.size()} {}

  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }
  [[nodiscard]] bool full() const noexcept { return full_; }

  void bind(Label& label) noexcept;

  // Moves
  void mov(Width width, Reg to, Reg from) noexcept { op_reg_reg(width, 0x88, from, to); }
  /// The whole register is set; the flags stay.
  void mov(Reg to, std::uint64_t value) noexcept;
  void load(Width width, Reg to, Mem from) noexcept { op_reg_mem(width, 0x8a, to, from); }
  void store(Width width, Mem to, Reg from) noexcept { op_reg_mem(width, 0x88, from, to); }
  void store(Width width, Mem to, std::int32_t value) noexcept;
  /// To all of the register; of a byte or word, or for movsx also a dword.
  void movzx(Width width, Reg to, Mem from) noexcept;
  void movzx(Width width, Reg to, Reg from) noexcept;
  void movsx(Width width, Reg to, Mem from) noexcept;
  void movsx(Width width, Reg to, Reg from) noexcept;
  void lea(Width width, Reg to, Mem of) noexcept { op_reg_mem(width, 0x8d, to, of, true); }
  void xchg(Width width, Reg one, Reg other) noexcept { op_reg_reg(width, 0x86, other, one); }
  void push(Reg reg) noexcept;
  void pop(Reg reg) noexcept;

  // Integers
  void alu(Alu op, Width width, Reg to, Reg from) noexcept {
    op_reg_reg(width, static_cast<std::uint8_t>(op) << 3, from, to);
  }
  void alu(Alu op, Width width, Reg to, Mem from) noexcept {
    op_reg_mem(width, static_cast<std::uint8_t>(static_cast<unsigned>(op) << 3 | 2), to, from);
  }
  void alu(Alu op, Width width, Mem to, Reg from) noexcept {
    op_reg_mem(width, static_cast<std::uint8_t>(op) << 3, from, to);
  }
  void alu(Alu op, Width width, Reg to, std::int32_t value) noexcept;
  void alu(Alu op, Width width, Mem to, std::int32_t value) noexcept;
  void test(Width width, Reg one, Reg other) noexcept { op_reg_reg(width, 0x84, other, one); }
  void test(Width width, Reg reg, std::int32_t mask) noexcept;
  void unary(Unary op, Width width, Reg reg) noexcept {
    op_group(width, 0xf6, static_cast<std::uint8_t>(op), reg);
  }
  void imul(Width width, Reg to, Reg from) noexcept { op_0f(width, 0xaf, to, from); }
  void imul(Width width, Reg to, Reg from, std::int32_t value) noexcept;
  /// rdx becomes the sign of rax.
  void sign_into_rdx(Width width) noexcept;  // CDQ, CQO
  void shift(Shift op, Width width, Reg reg, std::uint8_t count) noexcept;
  /// By cl.
  void shift(Shift op, Width width, Reg reg) noexcept {
    op_group(width, 0xd2, static_cast<std::uint8_t>(op), reg);
  }
  /// BMI2: by any register, without touching the flags; op is shl, shr or sar.
  void shift(Shift op, Width width, Reg to, Reg from, Reg count) noexcept;
  void andn(Width width, Reg to, Reg inverted, Reg other) noexcept;  // BMI1
  void bswap(Width width, Reg reg) noexcept;
  void lzcnt(Width width, Reg to, Reg from) noexcept { op_f3_0f(width, 0xbd, to, from); }
  void tzcnt(Width width, Reg to, Reg from) noexcept { op_f3_0f(width, 0xbc, to, from); }
  void popcnt(Width width, Reg to, Reg from) noexcept { op_f3_0f(width, 0xb8, to, from); }
  /// A bit of a register into the carry, and what else the name says.
  void bt(Width width, Reg reg, Reg bit) noexcept { op_0f(width, 0xa3, bit, reg); }
  void set(Cond cond, Reg to) noexcept;  // a byte
  void cmov(Cond cond, Width width, Reg to, Reg from) noexcept {
    op_0f(width, 0x40 | static_cast<std::uint8_t>(cond), to, from);
  }

  // Memory shared with others
  void lock_cmpxchg(Width width, Mem to, Reg from) noexcept;  // rax is expected, and what was there
  void lock_xadd(Width width, Mem to, Reg with) noexcept;
  void lock_alu(Alu op, Width width, Mem to, Reg from) noexcept;
  void xchg(Width width, Mem one, Reg other) noexcept { op_reg_mem(width, 0x86, other, one); }
  void mfence() noexcept;

  // Control
  void jump(Label& to) noexcept;
  void jump(Cond cond, Label& to) noexcept;
  void jump(Reg to) noexcept;
  void jump(Mem to) noexcept;
  /// A jump whose displacement is written later, by patch_jump(); where that displacement is. It is
  /// aligned, so that other processors see the old or the new one.
  [[nodiscard]] std::size_t jump_to_patch() noexcept;
  void call(Reg to) noexcept;
  void call(Mem to) noexcept;
  /// To code that is there already: so many bytes from the begin of this.
  void jump_to(std::ptrdiff_t offset) noexcept;
  void call_to(std::ptrdiff_t offset) noexcept;
  void call(Label& to) noexcept;
  /// Likewise a call, which leads to `first` until then.
  [[nodiscard]] std::size_t call_to_patch(Label& first) noexcept;
  void ret() noexcept { put(0xc3); }
  void trap() noexcept;  // UD2
  void breakpoint() noexcept { put(0xcc); }
  void nop(std::size_t bytes) noexcept;

  // Scalar floating point
  void load(Precision precision, Xmm to, Mem from) noexcept;
  void store(Precision precision, Mem to, Xmm from) noexcept;
  void mov(Xmm to, Xmm from) noexcept;
  void mov(Width width, Xmm to, Reg from) noexcept;  // MOVD, MOVQ
  void mov(Width width, Reg to, Xmm from) noexcept;
  void sse(Sse op, Precision precision, Xmm to, Xmm from) noexcept;
  void sse(Sse op, Precision precision, Xmm to, Mem from) noexcept;
  /// Sets ZF, PF and CF; quiet NaNs raise nothing with `quiet`.
  void compare(Precision precision, Xmm one, Xmm other, bool quiet) noexcept;
  /// to = to * by + plus, with signs: FMA3, the form 213.
  void fma(Precision precision, Xmm to, Xmm by, Xmm plus, bool negate_product,
           bool subtract) noexcept;
  void convert(Precision to_precision, Xmm to, Xmm from) noexcept;  // from the other one
  void convert(Precision precision, Xmm to, Width width, Reg from) noexcept;
  /// With `truncate` towards zero, else as MXCSR says.
  void convert(Width width, Reg to, Precision precision, Xmm from, bool truncate) noexcept;
  void load_mxcsr(Mem from) noexcept;
  void store_mxcsr(Mem to) noexcept;

 private:
  void put(std::uint8_t byte) noexcept {
    if (at_ == end_) [[unlikely]] {
      full_ = true;
      return;
    }
    *at_++ = byte;
  }
  template <class T>
  void put_all(T value) noexcept {
    if (static_cast<std::size_t>(end_ - at_) < sizeof value) [[unlikely]] {
      full_ = true;
      return;
    }
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  void put_immediate(Width width, std::int32_t value) noexcept;
  static constexpr bool is_byte(std::int32_t value) noexcept {
    return value == static_cast<std::int8_t>(value);
  }
  static constexpr std::uint8_t low(std::uint8_t number) noexcept { return number & 7; }
  static constexpr std::uint8_t number(Reg reg) noexcept { return static_cast<std::uint8_t>(reg); }
  static constexpr std::uint8_t number(Xmm reg) noexcept { return static_cast<std::uint8_t>(reg); }

  void rex(bool wide, std::uint8_t reg, std::uint8_t index, std::uint8_t base,
           bool needed = false) noexcept;
  void modrm_reg(std::uint8_t reg, std::uint8_t rm) noexcept;
  void modrm_mem(std::uint8_t reg, Mem mem) noexcept;
  void op_reg_reg(Width width, unsigned opcode, Reg reg, Reg rm) noexcept;
  void op_reg_mem(Width width, unsigned opcode, Reg reg, Mem mem, bool one_size = false) noexcept;
  void op_group(Width width, unsigned opcode, std::uint8_t which, Reg rm) noexcept;
  void op_group(Width width, unsigned opcode, std::uint8_t which, Mem mem) noexcept;
  void op_0f(Width width, unsigned opcode, Reg reg, Reg rm) noexcept;
  void op_f3_0f(Width width, unsigned opcode, Reg reg, Reg rm) noexcept;
  void op_0f_mem(Width width, unsigned opcode, Reg reg, Mem mem, bool locked) noexcept;
  void sse_reg(std::uint8_t prefix, std::uint8_t opcode, std::uint8_t reg, std::uint8_t rm,
               bool wide = false) noexcept;
  void sse_mem(std::uint8_t prefix, std::uint8_t opcode, std::uint8_t reg, Mem mem) noexcept;
  void vex(unsigned map, unsigned prefix, bool wide, std::uint8_t reg, std::uint8_t second,
           std::uint8_t rm) noexcept;
  void link(Label& to) noexcept;
  void displacement_to(std::ptrdiff_t offset) noexcept;

  std::uint8_t* begin_;
  std::uint8_t* at_;
  std::uint8_t* end_;
  bool full_ = false;
};

/// Makes the jump or call whose displacement lies at `displacement` lead to `target`; both are
/// addresses as they run, and `written` is where the displacement can be written. Any thread may be
/// on its way through it.
void patch_jump(std::uint8_t* written, std::uint8_t const* displacement,
                std::uint8_t const* target) noexcept;

}  // namespace mutirao::codegen
