// Integers: what computes, with M and Zb*. Unpriv. 20240411, 2, 12 and 28.
#include <utility>

#include "mutirao/base/check.h"

#include "translator/block_writer.h"

namespace mutirao::machine {
namespace {

using codegen::Alu;
using codegen::Cond;
using codegen::Label;
using codegen::Mem;
using codegen::Reg;
using codegen::Shift;
using codegen::Unary;
using codegen::Width;

}  // namespace

void BlockWriter::constant(unsigned rd, std::uint64_t value) {
  bool const short_one = static_cast<std::int64_t>(value) == static_cast<std::int32_t>(value);
  if (!pinned(rd) && short_one)
    return to_.store(Width::qword, in_frame(offset_of_x(rd)), static_cast<std::int32_t>(value));
  auto const to = target_of(rd, Reg::rax);
  to_.mov(to, value);
  written(rd, to);
}

void BlockWriter::copy(unsigned rd, unsigned from) {
  if (rd == from) return;
  if (from == 0) return constant(rd, 0);
  if (pinned(rd))
    read_into(pin(rd), from);
  else
    written(rd, read(from, Reg::rax));
}

void BlockWriter::commutative(Instruction const& i, Alu op, Width width) {
  auto first = i.rs1;
  auto second = i.rs2;
  if (first == 0) std::swap(first, second);
  if (second == 0 && op != Alu::and_ && width == Width::qword) return copy(i.rd, first);
  auto to = target_of(i.rd, Reg::rax);
  if (pinned(i.rd) && i.rd == second) std::swap(first, second);
  if (op == Alu::add && width == Width::qword && pinned(i.rd) && pinned(first) && pinned(second) &&
      i.rd != first) {
    to_.lea(width, to, Mem{pin(first), 0, pin(second), 1});
    return;
  }
  if (width == Width::dword) to = Reg::rax;
  if (!(pinned(i.rd) && i.rd == first && width == Width::qword)) read_into(to, first);
  alu_with(op, width, to, second);
  if (width == Width::dword) {
    auto const target = target_of(i.rd, Reg::rax);
    to_.movsx(Width::dword, target, to);
    to = target;
  }
  written(i.rd, to);
}

void BlockWriter::subtract(Instruction const& i, Width width) {
  bool const in_place = pinned(i.rd) && width == Width::qword && (i.rd == i.rs1 || i.rd != i.rs2);
  auto const to = in_place ? pin(i.rd) : Reg::rax;
  if (!(in_place && i.rd == i.rs1)) read_into(to, i.rs1);
  alu_with(Alu::sub, width, to, i.rs2);
  if (width == Width::dword) to_.movsx(Width::dword, Reg::rax, Reg::rax);
  written(i.rd, to);
}

void BlockWriter::with_immediate(Instruction const& i, Alu op) {
  auto const to = target_of(i.rd, Reg::rax);
  if (!pinned(i.rd) && i.rd == i.rs1)
    return to_.alu(op, Width::qword, in_frame(offset_of_x(i.rd)), i.imm);
  if (op == Alu::and_ && i.imm == 0xff) {
    to_.movzx(Width::byte, to, read(i.rs1, to));
    return written(i.rd, to);
  }
  if (!(pinned(i.rd) && i.rd == i.rs1)) read_into(to, i.rs1);
  if (op == Alu::xor_ && i.imm == -1)
    to_.unary(Unary::not_, Width::qword, to);
  else
    to_.alu(op, Width::qword, to, i.imm);
  written(i.rd, to);
}

void BlockWriter::add_immediate(Instruction const& i, Width width) {
  if (i.rs1 == 0) return constant(i.rd, immediate(i));
  auto const to = target_of(i.rd, Reg::rax);
  if (width == Width::dword) {
    if (i.imm == 0) {  // sext.w
      if (pinned(i.rs1))
        to_.movsx(Width::dword, to, pin(i.rs1));
      else
        to_.movsx(Width::dword, to, in_frame(offset_of_x(i.rs1)));
    } else {
      auto const from = read(i.rs1, Reg::rax);
      to_.lea(Width::dword, Reg::rax, Mem{from, i.imm});
      to_.movsx(Width::dword, to, Reg::rax);
    }
    return written(i.rd, to);
  }
  if (i.rd == i.rs1) {
    if (i.imm == 0) return;
    if (pinned(i.rd)) return to_.alu(Alu::add, width, to, i.imm);
    return to_.alu(Alu::add, width, in_frame(offset_of_x(i.rd)), i.imm);
  }
  if (i.imm == 0) return copy(i.rd, i.rs1);
  auto const from = read(i.rs1, Reg::rax);
  to_.lea(width, to, Mem{from, i.imm});
  written(i.rd, to);
}

void BlockWriter::shift_by(Instruction const& i, Shift op, Width width) {
  auto const value = read(i.rs1, Reg::rax);
  auto const count = read(i.rs2, Reg::rcx);
  auto const to = target_of(i.rd, Reg::rax);
  to_.shift(op, width, to, value, count);  // the host takes as many bits of the count as the guest
  if (width == Width::dword) to_.movsx(Width::dword, to, to);
  written(i.rd, to);
}

void BlockWriter::shift_immediate(Instruction const& i, Shift op, Width width) {
  auto const to = target_of(i.rd, Reg::rax);
  auto const count = static_cast<std::uint8_t>(i.imm);
  if (!(pinned(i.rd) && i.rd == i.rs1)) {
    if (width == Width::dword && pinned(i.rs1))
      to_.mov(Width::dword, to, pin(i.rs1));
    else
      read_into(to, i.rs1);
  }
  if (count != 0) to_.shift(op, width, to, count);
  bool const is_positive = op == Shift::shr && count != 0;
  if (width == Width::dword && !is_positive) to_.movsx(Width::dword, to, to);
  written(i.rd, to);
}

/// The instruction behind, if there is no other way to it.
Site const* BlockWriter::follower(Site const& site) noexcept {
  if (site.rest < 2) return nullptr;
  auto const& next = *(&site + 1);
  return head_of(next.pc) == nullptr ? &next : nullptr;
}

/// The sum behind `site` that takes the place of x, one of its two parts.
Site const* BlockWriter::sum_onto(Site const& site, unsigned x) noexcept {
  auto const* const next = follower(site);
  if (next == nullptr || next->instruction.op != Op::add || next->instruction.rd != x)
    return nullptr;
  auto const& i = next->instruction;
  bool const other = (i.rs1 == x) != (i.rs2 == x) && i.rs1 != 0 && i.rs2 != 0;
  return other ? next : nullptr;
}

/// A shift to the left with what follows it, of which a compiler makes the place of an element: the
/// shift back from 32 that leaves a word without a sign, then the sum with where the array begins.
/// The host has one instruction for a sum with a register that is scaled. How many it wrote.
unsigned BlockWriter::scaled(Site const& site) {
  auto const& shift = site.instruction;
  auto const* last = &site;
  bool word = false;
  if (shift.imm == 32) {
    auto const* const back = follower(site);
    if (back == nullptr || back->instruction.op != Op::srli || back->instruction.imm > 32 ||
        back->instruction.rs1 != shift.rd || back->instruction.rd == 0)
      return 0;
    if (back->instruction.rd != shift.rd && !pinned(shift.rd)) return 0;
    last = back;
    word = true;
  }
  auto const scale = word ? 32 - last->instruction.imm : shift.imm;
  auto const x = last->instruction.rd;
  auto const* const sum = scale <= 3 ? sum_onto(*last, x) : nullptr;
  if (!word && sum == nullptr) return 0;

  auto const onto = target_of(x, Reg::rax);
  bool const both = word && x != shift.rd;  // what was shifted is kept too
  auto element = read(shift.rs1, Reg::rax);
  if (word) {
    auto const at = sum != nullptr || both ? Reg::rax : onto;
    to_.mov(Width::dword, at, element);
    element = at;
  }
  if (both) shift_immediate(shift, Shift::shl, Width::qword);
  if (sum != nullptr) {
    auto const& i = sum->instruction;
    auto const begin = read(i.rs1 == x ? i.rs2 : i.rs1, Reg::rcx);
    to_.lea(Width::qword, onto, Mem{begin, 0, element, static_cast<std::uint8_t>(1 << scale)});
    written(x, onto);
    last = sum;
  } else {
    if (scale != 0) to_.shift(Shift::shl, Width::qword, element, static_cast<std::uint8_t>(scale));
    written(x, element);
  }
  return static_cast<unsigned>(last - &site) + 1;
}

void BlockWriter::set_if(Instruction const& i, Cond cond, bool is_immediate) {
  auto const from = read(i.rs1, Reg::rax);
  if (is_immediate) {
    to_.alu(Alu::cmp, Width::qword, from, i.imm);
  } else {
    alu_with(Alu::cmp, Width::qword, from, i.rs2);
  }
  to_.set(cond, Reg::rax);
  auto const to = target_of(i.rd, Reg::rax);
  to_.movzx(Width::byte, to, Reg::rax);
  written(i.rd, to);
}

void BlockWriter::multiply(Instruction const& i, Width width) {
  bool const onto_second = i.rd == i.rs2;
  auto const first = onto_second ? i.rs2 : i.rs1;
  auto const other = read(onto_second ? i.rs1 : i.rs2, Reg::rcx);
  auto const to = width == Width::qword ? target_of(i.rd, Reg::rax) : Reg::rax;
  if (!(pinned(i.rd) && to == pin(i.rd) && i.rd == first)) read_into(to, first);
  to_.imul(width, to, other);
  if (width == Width::dword) to_.movsx(Width::dword, to, to);
  written(i.rd, to);
}

void BlockWriter::multiply_high(Instruction const& i) {
  read_into(Reg::rcx, i.rs2);
  read_into(Reg::rax, i.rs1);
  to_.unary(i.op == Op::mulh ? Unary::imul : Unary::mul, Width::qword, Reg::rcx);
  if (i.op == Op::mulhsu) {  // less rs2, if rs1 is negative
    read_into(Reg::rax, i.rs1);
    to_.shift(Shift::sar, Width::qword, Reg::rax, 63);
    to_.alu(Alu::and_, Width::qword, Reg::rax, Reg::rcx);
    to_.alu(Alu::sub, Width::qword, Reg::rdx, Reg::rax);
  }
  written(i.rd, Reg::rdx);
}

/// The other half of a division: a compiler writes a remainder beside its quotient, and the host
/// computes both at once.
Op BlockWriter::other_half(Op op) noexcept {
  switch (op) {
    case Op::div:
      return Op::rem;
    case Op::divu:
      return Op::remu;
    case Op::divw:
      return Op::remw;
    case Op::divuw:
      return Op::remuw;
    case Op::rem:
      return Op::div;
    case Op::remu:
      return Op::divu;
    case Op::remw:
      return Op::divw;
    default:
      return Op::divuw;
  }
}

/// Where it follows with the same operands, if it does.
Site const* BlockWriter::other_half_of(Site const& site) noexcept {
  auto const& i = site.instruction;
  for (auto const* next = &site + 1; next < &site + site.rest; ++next) {
    auto const& later = next->instruction;
    auto const changed = next[-1].instruction.rd;  // or not, if it has no rd: no harm
    if (changed != 0 && (changed == i.rs1 || changed == i.rs2)) return nullptr;
    if (later.op == other_half(i.op) && later.rs1 == i.rs1 && later.rs2 == i.rs2) return next;
    if (later.op == i.op) return nullptr;  // it would leave its own half behind
  }
  return nullptr;
}

/// Neither a divisor of zero nor the one overflow traps (Unpriv. 12.2).
void BlockWriter::divide(Site const& site, Width width, bool is_signed, bool remainder) {
  auto const& i = site.instruction;
  auto const half = in_frame(MUT_FRAME_OFFSET(translation.other_half));
  if (std::exchange(other_half_known_, nullptr) == &site) {
    to_.load(Width::qword, Reg::rax, half);
    return written(i.rd, Reg::rax);
  }
  Label by_zero;
  Label by_minus_one;
  Label done;
  read_into(Reg::rcx, i.rs2);
  read_into(Reg::rax, i.rs1);
  to_.test(width, Reg::rcx, Reg::rcx);
  to_.jump(Cond::equal, by_zero);
  if (is_signed) {
    to_.alu(Alu::cmp, width, Reg::rcx, -1);
    to_.jump(Cond::equal, by_minus_one);
    to_.sign_into_rdx(width);
    to_.unary(Unary::idiv, width, Reg::rcx);
  } else {
    to_.alu(Alu::xor_, Width::dword, Reg::rdx, Reg::rdx);
    to_.unary(Unary::div, width, Reg::rcx);
  }
  to_.jump(done);
  if (is_signed) {
    to_.bind(by_minus_one);
    to_.unary(Unary::neg, width, Reg::rax);
    to_.alu(Alu::xor_, Width::dword, Reg::rdx, Reg::rdx);
    to_.jump(done);
  }
  to_.bind(by_zero);
  to_.mov(Width::qword, Reg::rdx, Reg::rax);
  to_.mov(Reg::rax, ~std::uint64_t{0});
  to_.bind(done);
  if (remainder) to_.xchg(Width::qword, Reg::rax, Reg::rdx);
  if (width == Width::dword) to_.movsx(Width::dword, Reg::rax, Reg::rax);
  if (auto const* const other = other_half_of(site)) {
    if (width == Width::dword) to_.movsx(Width::dword, Reg::rdx, Reg::rdx);
    to_.store(Width::qword, half, Reg::rdx);
    other_half_known_ = other;
  }
  written(i.rd, Reg::rax);
}

void BlockWriter::shifted_add(Instruction const& i, std::uint8_t scale, bool unsigned_word) {
  auto shifted = read(i.rs1, Reg::rax);
  if (unsigned_word) {
    to_.mov(Width::dword, Reg::rax, shifted);
    shifted = Reg::rax;
  }
  auto const other = read(i.rs2, Reg::rcx);
  auto const to = target_of(i.rd, Reg::rax);
  to_.lea(Width::qword, to, Mem{other, 0, shifted, scale});
  written(i.rd, to);
}

/// rs2 if the condition holds of rs1 and rs2, else rs1.
void BlockWriter::choose(Instruction const& i, Cond cond) {
  read_into(Reg::rax, i.rs1);
  auto const other = read(i.rs2, Reg::rcx);
  to_.alu(Alu::cmp, Width::qword, Reg::rax, other);
  to_.cmov(cond, Width::qword, Reg::rax, other);
  written(i.rd, Reg::rax);
}

/// False: it is none of the simple ones.
bool BlockWriter::integer(Site const& site) {
  if (written_ahead_ != 0) {
    --written_ahead_;
    return true;
  }
  auto const& i = site.instruction;
  auto const pc = site.pc;
  auto const unary = [&](auto const& write) {
    auto const from = read(i.rs1, Reg::rax);
    auto const to = target_of(i.rd, Reg::rax);
    write(to, from);
    written(i.rd, to);
  };
  switch (i.op) {
    case Op::lui:
      constant(i.rd, immediate(i));
      break;
    case Op::auipc:
      constant(i.rd, pc + immediate(i));
      break;
    case Op::addi:
      add_immediate(i, Width::qword);
      break;
    case Op::addiw:
      if (i.rs1 == 0)
        constant(i.rd, immediate(i));
      else
        add_immediate(i, Width::dword);
      break;
    case Op::xori:
      with_immediate(i, Alu::xor_);
      break;
    case Op::ori:
      with_immediate(i, Alu::or_);
      break;
    case Op::andi:
      with_immediate(i, Alu::and_);
      break;
    case Op::slti:
      set_if(i, Cond::less, true);
      break;
    case Op::sltiu:
      set_if(i, Cond::below, true);
      break;
    case Op::slt:
      set_if(i, Cond::less, false);
      break;
    case Op::sltu:
      set_if(i, Cond::below, false);
      break;
    case Op::slli:
      if (auto const count = scaled(site); count != 0)
        written_ahead_ = count - 1;
      else
        shift_immediate(i, Shift::shl, Width::qword);
      break;
    case Op::srli:
      shift_immediate(i, Shift::shr, Width::qword);
      break;
    case Op::srai:
      shift_immediate(i, Shift::sar, Width::qword);
      break;
    case Op::slliw:
      shift_immediate(i, Shift::shl, Width::dword);
      break;
    case Op::srliw:
      shift_immediate(i, Shift::shr, Width::dword);
      break;
    case Op::sraiw:
      shift_immediate(i, Shift::sar, Width::dword);
      break;
    case Op::sll:
      shift_by(i, Shift::shl, Width::qword);
      break;
    case Op::srl:
      shift_by(i, Shift::shr, Width::qword);
      break;
    case Op::sra:
      shift_by(i, Shift::sar, Width::qword);
      break;
    case Op::sllw:
      shift_by(i, Shift::shl, Width::dword);
      break;
    case Op::srlw:
      shift_by(i, Shift::shr, Width::dword);
      break;
    case Op::sraw:
      shift_by(i, Shift::sar, Width::dword);
      break;
    case Op::add:
      commutative(i, Alu::add, Width::qword);
      break;
    case Op::addw:
      commutative(i, Alu::add, Width::dword);
      break;
    case Op::xor_:
      commutative(i, Alu::xor_, Width::qword);
      break;
    case Op::or_:
      commutative(i, Alu::or_, Width::qword);
      break;
    case Op::and_:
      commutative(i, Alu::and_, Width::qword);
      break;
    case Op::sub:
      subtract(i, Width::qword);
      break;
    case Op::subw:
      subtract(i, Width::dword);
      break;
    case Op::mul:
      multiply(i, Width::qword);
      break;
    case Op::mulw:
      multiply(i, Width::dword);
      break;
    case Op::mulh:
    case Op::mulhu:
    case Op::mulhsu:
      multiply_high(i);
      break;
    case Op::div:
      divide(site, Width::qword, true, false);
      break;
    case Op::divu:
      divide(site, Width::qword, false, false);
      break;
    case Op::rem:
      divide(site, Width::qword, true, true);
      break;
    case Op::remu:
      divide(site, Width::qword, false, true);
      break;
    case Op::divw:
      divide(site, Width::dword, true, false);
      break;
    case Op::divuw:
      divide(site, Width::dword, false, false);
      break;
    case Op::remw:
      divide(site, Width::dword, true, true);
      break;
    case Op::remuw:
      divide(site, Width::dword, false, true);
      break;
    case Op::add_uw:
      shifted_add(i, 1, true);
      break;
    case Op::sh1add:
      shifted_add(i, 2, false);
      break;
    case Op::sh2add:
      shifted_add(i, 4, false);
      break;
    case Op::sh3add:
      shifted_add(i, 8, false);
      break;
    case Op::sh1add_uw:
      shifted_add(i, 2, true);
      break;
    case Op::sh2add_uw:
      shifted_add(i, 4, true);
      break;
    case Op::sh3add_uw:
      shifted_add(i, 8, true);
      break;
    case Op::slli_uw:
      unary([&](Reg to, Reg from) {
        to_.mov(Width::dword, to, from);
        if (i.imm != 0) to_.shift(Shift::shl, Width::qword, to, static_cast<std::uint8_t>(i.imm));
      });
      break;
    case Op::sext_b:
      unary([&](Reg to, Reg from) { to_.movsx(Width::byte, to, from); });
      break;
    case Op::sext_h:
      unary([&](Reg to, Reg from) { to_.movsx(Width::word, to, from); });
      break;
    case Op::zext_h:
      unary([&](Reg to, Reg from) { to_.movzx(Width::word, to, from); });
      break;
    case Op::clz:
      unary([&](Reg to, Reg from) { to_.lzcnt(Width::qword, to, from); });
      break;
    case Op::ctz:
      unary([&](Reg to, Reg from) { to_.tzcnt(Width::qword, to, from); });
      break;
    case Op::cpop:
      unary([&](Reg to, Reg from) { to_.popcnt(Width::qword, to, from); });
      break;
    case Op::clzw:
      unary([&](Reg to, Reg from) { to_.lzcnt(Width::dword, to, from); });
      break;
    case Op::ctzw:
      unary([&](Reg to, Reg from) { to_.tzcnt(Width::dword, to, from); });
      break;
    case Op::cpopw:
      unary([&](Reg to, Reg from) { to_.popcnt(Width::dword, to, from); });
      break;
    case Op::rev8:
      unary([&](Reg to, Reg from) {
        if (to != from) to_.mov(Width::qword, to, from);
        to_.bswap(Width::qword, to);
      });
      break;
    case Op::rori:
      unary([&](Reg to, Reg from) {
        if (to != from) to_.mov(Width::qword, to, from);
        if (i.imm != 0) to_.shift(Shift::ror, Width::qword, to, static_cast<std::uint8_t>(i.imm));
      });
      break;
    case Op::roriw:
      unary([&](Reg to, Reg from) {
        if (to != from) to_.mov(Width::dword, to, from);
        if (i.imm != 0) to_.shift(Shift::ror, Width::dword, to, static_cast<std::uint8_t>(i.imm));
        to_.movsx(Width::dword, to, to);
      });
      break;
    case Op::rol:
    case Op::ror:
    case Op::rolw:
    case Op::rorw: {
      auto const width = i.op == Op::rol || i.op == Op::ror ? Width::qword : Width::dword;
      read_into(Reg::rcx, i.rs2);
      read_into(Reg::rax, i.rs1);
      to_.shift(i.op == Op::rol || i.op == Op::rolw ? Shift::rol : Shift::ror, width, Reg::rax);
      if (width == Width::dword) to_.movsx(Width::dword, Reg::rax, Reg::rax);
      written(i.rd, Reg::rax);
      break;
    }
    case Op::andn: {
      auto const kept = read(i.rs1, Reg::rax);
      auto const inverted = read(i.rs2, Reg::rcx);
      auto const to = target_of(i.rd, Reg::rax);
      to_.andn(Width::qword, to, inverted, kept);
      written(i.rd, to);
      break;
    }
    case Op::orc_b: {  // the highest bit of each byte that has any, spread over the byte
      auto const from = read(i.rs1, Reg::rax);
      to_.mov(Reg::rcx, 0x7f7f7f7f7f7f7f7f);
      to_.mov(Width::qword, Reg::rdx, from);
      to_.alu(Alu::and_, Width::qword, Reg::rdx, Reg::rcx);
      to_.alu(Alu::add, Width::qword, Reg::rdx, Reg::rcx);
      to_.alu(Alu::or_, Width::qword, Reg::rdx, from);
      to_.andn(Width::qword, Reg::rdx, Reg::rcx, Reg::rdx);
      to_.lea(Width::qword, Reg::rax, Mem{Reg::rdx, 0, Reg::rdx, 1});
      to_.shift(Shift::shr, Width::qword, Reg::rdx, 7);
      to_.alu(Alu::sub, Width::qword, Reg::rax, Reg::rdx);
      written(i.rd, Reg::rax);
      break;
    }
    case Op::orn:
      read_into(Reg::rax, i.rs2);
      to_.unary(Unary::not_, Width::qword, Reg::rax);
      alu_with(Alu::or_, Width::qword, Reg::rax, i.rs1);
      written(i.rd, Reg::rax);
      break;
    case Op::xnor:
      read_into(Reg::rax, i.rs2);
      to_.unary(Unary::not_, Width::qword, Reg::rax);
      alu_with(Alu::xor_, Width::qword, Reg::rax, i.rs1);
      written(i.rd, Reg::rax);
      break;
    case Op::max:
      choose(i, Cond::less);
      break;
    case Op::maxu:
      choose(i, Cond::below);
      break;
    case Op::min:
      choose(i, Cond::greater);
      break;
    case Op::minu:
      choose(i, Cond::above);
      break;
    case Op::bclr:
    case Op::bext:
    case Op::binv:
    case Op::bset:
    case Op::bclri:
    case Op::bexti:
    case Op::binvi:
    case Op::bseti: {
      bool const by_register =
          i.op == Op::bclr || i.op == Op::bext || i.op == Op::binv || i.op == Op::bset;
      if (by_register)
        read_into(Reg::rcx, i.rs2);
      else
        to_.mov(Reg::rcx, static_cast<std::uint64_t>(i.imm));
      read_into(Reg::rax, i.rs1);
      if (i.op == Op::bext || i.op == Op::bexti) {
        to_.shift(Shift::shr, Width::qword, Reg::rax, Reg::rax, Reg::rcx);
        to_.alu(Alu::and_, Width::dword, Reg::rax, 1);
      } else {
        to_.mov(Reg::rdx, 1);
        to_.shift(Shift::shl, Width::qword, Reg::rdx, Reg::rdx, Reg::rcx);
        if (i.op == Op::bclr || i.op == Op::bclri) {
          to_.andn(Width::qword, Reg::rax, Reg::rdx, Reg::rax);
        } else {
          bool const set = i.op == Op::bset || i.op == Op::bseti;
          to_.alu(set ? Alu::or_ : Alu::xor_, Width::qword, Reg::rax, Reg::rdx);
        }
      }
      written(i.rd, Reg::rax);
      break;
    }
    default:
      return false;
  }
  return true;
}

}  // namespace mutirao::machine
