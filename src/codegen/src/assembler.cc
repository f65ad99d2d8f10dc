#include "mutirao/codegen/assembler.h"

#include <atomic>
#include <limits>

namespace mutirao::codegen {

namespace {
constexpr std::uint8_t kOperandSize = 0x66;
constexpr std::uint8_t kLock = 0xf0;
constexpr std::uint8_t kTwoBytes = 0x0f;
constexpr std::uint8_t kSpNumber = 4;  // rsp and r12 as a base need a SIB byte
constexpr std::uint8_t kBpNumber = 5;  // rbp and r13 as a base need a displacement

constexpr bool wide(Width width) noexcept { return width == Width::qword; }
/// Their low bytes are others' high ones without a REX prefix.
constexpr bool needs_rex(Width width, std::uint8_t reg) noexcept {
  return width == Width::byte && reg >= 4 && reg < 8;
}
constexpr std::uint8_t scalar(Precision precision) noexcept {
  return precision == Precision::single ? 0xf3 : 0xf2;
}
constexpr std::uint8_t packed(Precision precision) noexcept {
  return precision == Precision::single ? 0 : kOperandSize;
}
constexpr bool of_all_bits(Sse op) noexcept {
  return op == Sse::and_ || op == Sse::andn || op == Sse::or_ || op == Sse::xor_;
}
}  // namespace

// --- Encoding ----------------------------------------------------------------------------------

void Assembler::rex(bool wide, std::uint8_t reg, std::uint8_t index, std::uint8_t base,
                    bool needed) noexcept {
  auto const prefix = static_cast<std::uint8_t>(0x40 | (wide ? 8 : 0) | (reg >> 3) << 2 |
                                                (index >> 3) << 1 | base >> 3);
  if (prefix != 0x40 || needed) put(prefix);
}

void Assembler::modrm_reg(std::uint8_t reg, std::uint8_t rm) noexcept {
  put(static_cast<std::uint8_t>(0xc0 | low(reg) << 3 | low(rm)));
}

void Assembler::modrm_mem(std::uint8_t reg, Mem mem) noexcept {
  auto const base = low(number(mem.base));
  bool const none = mem.displacement == 0 && base != kBpNumber;
  bool const short_one = is_byte(mem.displacement);
  std::uint8_t const mode = none ? 0 : short_one ? 0x40 : 0x80;
  bool const sib = mem.index.has_value() || base == kSpNumber;
  put(static_cast<std::uint8_t>(mode | low(reg) << 3 | (sib ? kSpNumber : base)));
  if (sib) {
    auto const index = mem.index ? low(number(*mem.index)) : kSpNumber;
    put(static_cast<std::uint8_t>(std::countr_zero(mem.scale) << 6 | index << 3 | base));
  }
  if (none) return;
  if (short_one)
    put(static_cast<std::uint8_t>(mem.displacement));
  else
    put_all(mem.displacement);
}

void Assembler::put_immediate(Width width, std::int32_t value) noexcept {
  if (width == Width::byte)
    put(static_cast<std::uint8_t>(value));
  else if (width == Width::word)
    put_all(static_cast<std::int16_t>(value));
  else
    put_all(value);
}

void Assembler::op_reg_reg(Width width, unsigned opcode, Reg reg, Reg rm) noexcept {
  if (width == Width::word) put(kOperandSize);
  rex(wide(width), number(reg), 0, number(rm),
      needs_rex(width, number(reg)) || needs_rex(width, number(rm)));
  put(static_cast<std::uint8_t>(opcode | (width == Width::byte ? 0 : 1)));
  modrm_reg(number(reg), number(rm));
}

/// The lowest bit of an opcode says that the operand is more than a byte, except of those that have
/// but one size.
void Assembler::op_reg_mem(Width width, unsigned opcode, Reg reg, Mem mem, bool one_size) noexcept {
  if (width == Width::word) put(kOperandSize);
  rex(wide(width), number(reg), mem.index ? number(*mem.index) : 0, number(mem.base),
      needs_rex(width, number(reg)));
  put(static_cast<std::uint8_t>(opcode | (width == Width::byte || one_size ? 0 : 1)));
  modrm_mem(number(reg), mem);
}

/// Opcodes whose operation is in the place of a register.
void Assembler::op_group(Width width, unsigned opcode, std::uint8_t which, Reg rm) noexcept {
  if (width == Width::word) put(kOperandSize);
  rex(wide(width), 0, 0, number(rm), needs_rex(width, number(rm)));
  put(static_cast<std::uint8_t>(opcode | (width == Width::byte ? 0 : 1)));
  modrm_reg(which, number(rm));
}

void Assembler::op_group(Width width, unsigned opcode, std::uint8_t which, Mem mem) noexcept {
  if (width == Width::word) put(kOperandSize);
  rex(wide(width), 0, mem.index ? number(*mem.index) : 0, number(mem.base));
  put(static_cast<std::uint8_t>(opcode | (width == Width::byte ? 0 : 1)));
  modrm_mem(which, mem);
}

void Assembler::op_0f(Width width, unsigned opcode, Reg reg, Reg rm) noexcept {
  if (width == Width::word) put(kOperandSize);
  rex(wide(width), number(reg), 0, number(rm));
  put(kTwoBytes);
  put(static_cast<std::uint8_t>(opcode));
  modrm_reg(number(reg), number(rm));
}

void Assembler::op_f3_0f(Width width, unsigned opcode, Reg reg, Reg rm) noexcept {
  put(0xf3);
  op_0f(width, opcode, reg, rm);
}

void Assembler::op_0f_mem(Width width, unsigned opcode, Reg reg, Mem mem, bool locked) noexcept {
  if (locked) put(kLock);
  if (width == Width::word) put(kOperandSize);
  rex(wide(width), number(reg), mem.index ? number(*mem.index) : 0, number(mem.base),
      needs_rex(width, number(reg)));
  put(kTwoBytes);
  put(static_cast<std::uint8_t>(opcode | (width == Width::byte ? 0 : 1)));
  modrm_mem(number(reg), mem);
}

void Assembler::sse_reg(std::uint8_t prefix, std::uint8_t opcode, std::uint8_t reg, std::uint8_t rm,
                        bool wide) noexcept {
  if (prefix != 0) put(prefix);
  rex(wide, reg, 0, rm);
  put(kTwoBytes);
  put(opcode);
  modrm_reg(reg, rm);
}

void Assembler::sse_mem(std::uint8_t prefix, std::uint8_t opcode, std::uint8_t reg,
                        Mem mem) noexcept {
  if (prefix != 0) put(prefix);
  rex(false, reg, mem.index ? number(*mem.index) : 0, number(mem.base));
  put(kTwoBytes);
  put(opcode);
  modrm_mem(reg, mem);
}

/// The three-byte form, of registers only (SDM 2.3.5); the opcode and ModRM follow.
void Assembler::vex(unsigned map, unsigned prefix, bool wide, std::uint8_t reg, std::uint8_t second,
                    std::uint8_t rm) noexcept {
  put(0xc4);
  put(static_cast<std::uint8_t>((~reg >> 3 & 1) << 7 | 1 << 6 | (~rm >> 3 & 1) << 5 | map));
  put(static_cast<std::uint8_t>((wide ? 0x80 : 0) | (~second & 15) << 3 | prefix));
}

// --- Moves -------------------------------------------------------------------------------------

void Assembler::mov(Reg to, std::uint64_t value) noexcept {
  auto const reg = number(to);
  if (value <= std::numeric_limits<std::uint32_t>::max()) {
    rex(false, 0, 0, reg);
    put(static_cast<std::uint8_t>(0xb8 | low(reg)));
    put_all(static_cast<std::uint32_t>(value));
  } else if (static_cast<std::int64_t>(value) == static_cast<std::int32_t>(value)) {
    rex(true, 0, 0, reg);
    put(0xc7);
    modrm_reg(0, reg);
    put_all(static_cast<std::int32_t>(value));
  } else {
    rex(true, 0, 0, reg);
    put(static_cast<std::uint8_t>(0xb8 | low(reg)));
    put_all(value);
  }
}

void Assembler::store(Width width, Mem to, std::int32_t value) noexcept {
  op_group(width, 0xc6, 0, to);
  put_immediate(width, value);
}

void Assembler::movzx(Width width, Reg to, Mem from) noexcept {
  rex(false, number(to), from.index ? number(*from.index) : 0, number(from.base));
  put(kTwoBytes);
  put(width == Width::byte ? 0xb6 : 0xb7);
  modrm_mem(number(to), from);
}

void Assembler::movzx(Width width, Reg to, Reg from) noexcept {
  rex(false, number(to), 0, number(from), needs_rex(width, number(from)));
  put(kTwoBytes);
  put(width == Width::byte ? 0xb6 : 0xb7);
  modrm_reg(number(to), number(from));
}

void Assembler::movsx(Width width, Reg to, Mem from) noexcept {
  rex(true, number(to), from.index ? number(*from.index) : 0, number(from.base));
  if (width != Width::dword) put(kTwoBytes);
  put(width == Width::byte ? 0xbe : width == Width::word ? 0xbf : 0x63);
  modrm_mem(number(to), from);
}

void Assembler::movsx(Width width, Reg to, Reg from) noexcept {
  rex(true, number(to), 0, number(from));
  if (width != Width::dword) put(kTwoBytes);
  put(width == Width::byte ? 0xbe : width == Width::word ? 0xbf : 0x63);
  modrm_reg(number(to), number(from));
}

void Assembler::push(Reg reg) noexcept {
  rex(false, 0, 0, number(reg));
  put(static_cast<std::uint8_t>(0x50 | low(number(reg))));
}

void Assembler::pop(Reg reg) noexcept {
  rex(false, 0, 0, number(reg));
  put(static_cast<std::uint8_t>(0x58 | low(number(reg))));
}

// --- Integers ----------------------------------------------------------------------------------

void Assembler::alu(Alu op, Width width, Reg to, std::int32_t value) noexcept {
  bool const short_one = is_byte(value) && width != Width::byte;
  if (to == Reg::rax && !short_one) {  // has encodings of its own
    if (width == Width::word) put(kOperandSize);
    rex(wide(width), 0, 0, 0);
    put(static_cast<std::uint8_t>(static_cast<unsigned>(op) << 3 | (width == Width::byte ? 4 : 5)));
    return put_immediate(width, value);
  }
  if (width == Width::word) put(kOperandSize);
  rex(wide(width), 0, 0, number(to), needs_rex(width, number(to)));
  put(width == Width::byte ? 0x80 : short_one ? 0x83 : 0x81);
  modrm_reg(static_cast<std::uint8_t>(op), number(to));
  put_immediate(short_one ? Width::byte : width, value);
}

void Assembler::alu(Alu op, Width width, Mem to, std::int32_t value) noexcept {
  bool const short_one = is_byte(value) && width != Width::byte;
  op_group(width, short_one ? 0x82 : 0x80, static_cast<std::uint8_t>(op), to);
  put_immediate(short_one ? Width::byte : width, value);
}

void Assembler::test(Width width, Reg reg, std::int32_t mask) noexcept {
  if (reg == Reg::rax) {
    if (width == Width::word) put(kOperandSize);
    rex(wide(width), 0, 0, 0);
    put(width == Width::byte ? 0xa8 : 0xa9);
  } else {
    unary(Unary::test_, width, reg);
  }
  put_immediate(width, mask);
}

void Assembler::imul(Width width, Reg to, Reg from, std::int32_t value) noexcept {
  MUT_ASSERT(width == Width::dword || width == Width::qword);
  rex(wide(width), number(to), 0, number(from));
  put(is_byte(value) ? 0x6b : 0x69);
  modrm_reg(number(to), number(from));
  put_immediate(is_byte(value) ? Width::byte : width, value);
}

void Assembler::sign_into_rdx(Width width) noexcept {
  rex(wide(width), 0, 0, 0);
  put(0x99);
}

void Assembler::shift(Shift op, Width width, Reg reg, std::uint8_t count) noexcept {
  bool const one = count == 1;
  op_group(width, one ? 0xd0 : 0xc0, static_cast<std::uint8_t>(op), reg);
  if (!one) put(count);
}

void Assembler::shift(Shift op, Width width, Reg to, Reg from, Reg count) noexcept {
  MUT_ASSERT(op == Shift::shl || op == Shift::shr || op == Shift::sar);
  unsigned const prefix = op == Shift::shl ? 1 : op == Shift::sar ? 2 : 3;
  vex(2, prefix, wide(width), number(to), number(count), number(from));
  put(0xf7);
  modrm_reg(number(to), number(from));
}

void Assembler::andn(Width width, Reg to, Reg inverted, Reg other) noexcept {
  vex(2, 0, wide(width), number(to), number(inverted), number(other));
  put(0xf2);
  modrm_reg(number(to), number(other));
}

void Assembler::bswap(Width width, Reg reg) noexcept {
  rex(wide(width), 0, 0, number(reg));
  put(kTwoBytes);
  put(static_cast<std::uint8_t>(0xc8 | low(number(reg))));
}

void Assembler::set(Cond cond, Reg to) noexcept {
  rex(false, 0, 0, number(to), needs_rex(Width::byte, number(to)));
  put(kTwoBytes);
  put(static_cast<std::uint8_t>(0x90 | static_cast<std::uint8_t>(cond)));
  modrm_reg(0, number(to));
}

// --- Memory shared with others -----------------------------------------------------------------

void Assembler::lock_cmpxchg(Width width, Mem to, Reg from) noexcept {
  op_0f_mem(width, 0xb0, from, to, true);
}
void Assembler::lock_xadd(Width width, Mem to, Reg with) noexcept {
  op_0f_mem(width, 0xc0, with, to, true);
}
void Assembler::lock_alu(Alu op, Width width, Mem to, Reg from) noexcept {
  MUT_ASSERT(op != Alu::cmp);
  put(kLock);
  alu(op, width, to, from);
}
void Assembler::mfence() noexcept {
  put(kTwoBytes);
  put(0xae);
  put(0xf0);
}

// --- Control -----------------------------------------------------------------------------------

/// Until it is bound, the displacement of a jump tells how far back the one before it is.
void Assembler::link(Label& to) noexcept {
  auto const here = static_cast<std::int64_t>(size());
  if (to.bound()) {
    put_all(static_cast<std::int32_t>(to.at_ - (here + 4)));
  } else {
    put_all(static_cast<std::int32_t>(to.last_jump_ < 0 ? 0 : here - to.last_jump_));
    if (!full_) to.last_jump_ = here;
  }
}

void Assembler::bind(Label& label) noexcept {
  MUT_ASSERT(!label.bound());
  label.at_ = static_cast<std::int64_t>(size());
  for (auto at = label.last_jump_; at >= 0;) {
    std::int32_t back;
    std::memcpy(&back, begin_ + at, sizeof back);
    auto const displacement = static_cast<std::int32_t>(label.at_ - (at + 4));
    std::memcpy(begin_ + at, &displacement, sizeof displacement);
    at = back == 0 ? -1 : at - back;
  }
}

void Assembler::jump(Label& to) noexcept {
  auto const distance = to.bound() ? to.at_ - static_cast<std::int64_t>(size()) - 2 : 1 << 20;
  if (is_byte(static_cast<std::int32_t>(distance))) {
    put(0xeb);
    return put(static_cast<std::uint8_t>(distance));
  }
  put(0xe9);
  link(to);
}

void Assembler::jump(Cond cond, Label& to) noexcept {
  auto const distance = to.bound() ? to.at_ - static_cast<std::int64_t>(size()) - 2 : 1 << 20;
  if (is_byte(static_cast<std::int32_t>(distance))) {
    put(static_cast<std::uint8_t>(0x70 | static_cast<std::uint8_t>(cond)));
    return put(static_cast<std::uint8_t>(distance));
  }
  put(kTwoBytes);
  put(static_cast<std::uint8_t>(0x80 | static_cast<std::uint8_t>(cond)));
  link(to);
}

void Assembler::jump(Reg to) noexcept {
  rex(false, 0, 0, number(to));
  put(0xff);
  modrm_reg(4, number(to));
}

void Assembler::jump(Mem to) noexcept { op_group(Width::dword, 0xff, 4, to); }

std::size_t Assembler::jump_to_patch() noexcept {
  while ((size() + 1) % 4 != 0 && !full_) put(0x90);
  put(0xe9);
  auto const at = size();
  put_all(std::int32_t{0});
  return at;
}

void Assembler::call(Reg to) noexcept {
  rex(false, 0, 0, number(to));
  put(0xff);
  modrm_reg(2, number(to));
}

void Assembler::call(Mem to) noexcept { op_group(Width::dword, 0xff, 2, to); }

/// It counts from behind itself.
void Assembler::displacement_to(std::ptrdiff_t offset) noexcept {
  put_all(static_cast<std::int32_t>(offset - static_cast<std::ptrdiff_t>(size()) - 4));
}

void Assembler::jump_to(std::ptrdiff_t offset) noexcept {
  put(0xe9);
  displacement_to(offset);
}

void Assembler::call_to(std::ptrdiff_t offset) noexcept {
  put(0xe8);
  displacement_to(offset);
}

void Assembler::call(Label& to) noexcept {
  put(0xe8);
  link(to);
}

std::size_t Assembler::call_to_patch(Label& first) noexcept {
  while ((size() + 1) % 4 != 0 && !full_) put(0x90);
  call(first);
  return size() - 4;
}

void Assembler::trap() noexcept {
  put(kTwoBytes);
  put(0x0b);
}

void Assembler::nop(std::size_t bytes) noexcept {
  for (; bytes >= 4; bytes -= 4) put_all(std::uint32_t{0x00401f0f});
  if (bytes == 3) {
    put(kTwoBytes);
    put(0x1f);
    put(0x00);
  } else {
    if (bytes == 2) put(kOperandSize);
    if (bytes > 0) put(0x90);
  }
}

void patch_jump(std::uint8_t* written, std::uint8_t const* displacement,
                std::uint8_t const* target) noexcept {
  MUT_ASSERT(reinterpret_cast<std::uintptr_t>(written) % 4 == 0);
  auto const distance = target - (displacement + 4);
  MUT_ASSERT(distance == static_cast<std::int32_t>(distance));
  std::atomic_ref{*reinterpret_cast<std::int32_t*>(written)}.store(
      static_cast<std::int32_t>(distance), std::memory_order_release);
}

// --- Scalar floating point ---------------------------------------------------------------------

void Assembler::load(Precision precision, Xmm to, Mem from) noexcept {
  sse_mem(scalar(precision), 0x10, number(to), from);
}
void Assembler::store(Precision precision, Mem to, Xmm from) noexcept {
  sse_mem(scalar(precision), 0x11, number(from), to);
}
void Assembler::mov(Xmm to, Xmm from) noexcept { sse_reg(0, 0x28, number(to), number(from)); }
void Assembler::mov(Width width, Xmm to, Reg from) noexcept {
  sse_reg(kOperandSize, 0x6e, number(to), number(from), wide(width));
}
void Assembler::mov(Width width, Reg to, Xmm from) noexcept {
  sse_reg(kOperandSize, 0x7e, number(from), number(to), wide(width));
}
void Assembler::sse(Sse op, Precision precision, Xmm to, Xmm from) noexcept {
  sse_reg(of_all_bits(op) ? packed(precision) : scalar(precision), static_cast<std::uint8_t>(op),
          number(to), number(from));
}
void Assembler::sse(Sse op, Precision precision, Xmm to, Mem from) noexcept {
  sse_mem(of_all_bits(op) ? packed(precision) : scalar(precision), static_cast<std::uint8_t>(op),
          number(to), from);
}
void Assembler::compare(Precision precision, Xmm one, Xmm other, bool quiet) noexcept {
  sse_reg(packed(precision), quiet ? 0x2e : 0x2f, number(one), number(other));
}
void Assembler::fma(Precision precision, Xmm to, Xmm by, Xmm plus, bool negate_product,
                    bool subtract) noexcept {
  vex(2, 1, precision == Precision::double_, number(to), number(by), number(plus));
  put(static_cast<std::uint8_t>(0xa9 | (negate_product ? 4 : 0) | (subtract ? 2 : 0)));
  modrm_reg(number(to), number(plus));
}
void Assembler::convert(Precision to_precision, Xmm to, Xmm from) noexcept {
  auto const other = to_precision == Precision::single ? Precision::double_ : Precision::single;
  sse_reg(scalar(other), 0x5a, number(to), number(from));
}
void Assembler::convert(Precision precision, Xmm to, Width width, Reg from) noexcept {
  sse_reg(scalar(precision), 0x2a, number(to), number(from), wide(width));
}
void Assembler::convert(Width width, Reg to, Precision precision, Xmm from,
                        bool truncate) noexcept {
  sse_reg(scalar(precision), truncate ? 0x2c : 0x2d, number(to), number(from), wide(width));
}
void Assembler::load_mxcsr(Mem from) noexcept { sse_mem(0, 0xae, 2, from); }
void Assembler::store_mxcsr(Mem to) noexcept { sse_mem(0, 0xae, 3, to); }

}  // namespace mutirao::codegen
