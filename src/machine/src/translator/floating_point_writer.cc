// Floating point, on SSE and FMA. The host agrees with the guest on all numbers, roundings and
// flags; what differs is what is no number: such results are made anew, or by the interpreter's
// arithmetic. Unpriv. 20240411, 20 and 21; SDM volume 1, 4.8 and 11.6.
#include <limits>

#include "hart/floating_point.h"
#include "translator/block_writer.h"

namespace mutirao::machine {
namespace {

using codegen::Alu;
using codegen::Cond;
using codegen::Label;
using codegen::Mem;
using codegen::Precision;
using codegen::Reg;
using codegen::Shift;
using codegen::Sse;
using codegen::Width;
using codegen::Xmm;

constexpr std::uint8_t kDynamic = 7;      // the rounding mode is that of frm
constexpr std::uint8_t kTowardsZero = 1;  // of an instruction
constexpr std::uint8_t kLastOfHost = 3;   // of frm: what the host can do; then comes RMM
constexpr std::uint64_t kCanonical = 0x7ff8000000000000;
constexpr std::int32_t kCanonicalSingle = 0x7fc00000;

/// The operation of D that does the same, and in which format it does it.
struct Form {
  Op op;
  Precision precision;
};
Form form_of(Op op) {
  constexpr auto distance = [](Op from, Op to) {
    return static_cast<int>(to) - static_cast<int>(from);
  };
  if (op >= Op::fld) return {op, Precision::double_};
  int by = 0;
  if (op <= Op::fmax_s) by = distance(Op::flw, Op::fld);
  if (op >= Op::fcvt_w_s && op <= Op::fcvt_lu_s) by = distance(Op::fcvt_w_s, Op::fcvt_w_d);
  if (op >= Op::feq_s && op <= Op::fcvt_s_lu) by = distance(Op::feq_s, Op::feq_d);
  return {static_cast<Op>(static_cast<int>(op) + by), Precision::single};
}

Mem f_of(unsigned number) { return in_frame(offset_of_f(number)); }
Mem high_half_of_f(unsigned number) { return in_frame(offset_of_f(number) + 4); }

}  // namespace

/// The unit has to be on, and the rounding mode one that the host has; else the interpreter
/// executes the instruction. Once for all instructions behind it in the block.
void BlockWriter::check_floating_point(Site const& site) {
  if (floating_point_checked_) return;
  floating_point_checked_ = true;
  auto* const refused = scratch_.label();
  to_.load(Width::dword, Reg::rax, in_frame(MUT_FRAME_OFFSET(hart.mstatus)));
  to_.test(Width::dword, Reg::rax, static_cast<std::int32_t>(status::kFs));
  to_.jump(Cond::equal, *refused);
  to_.alu(Alu::cmp, Width::byte, in_frame(MUT_FRAME_OFFSET(hart.frm)), kLastOfHost);
  to_.jump(Cond::above, *refused);
  scratch_.later([=, this, &site] {
    to_.bind(*refused);
    if (block_.is_region) return leave_to_plain(site);
    to_.store(Width::dword, in_frame(MUT_FRAME_OFFSET(translation.interpret)), 1);
    leave_at(site);
  });
}

/// For all of a region. What does not hold yet, the plain block sees to.
void BlockWriter::check_unit_at_entry() {
  auto* const refused = scratch_.label();
  constexpr auto kFs = static_cast<std::int32_t>(status::kFs);
  to_.load(Width::dword, Reg::rax, in_frame(MUT_FRAME_OFFSET(hart.mstatus)));
  to_.alu(Alu::and_, Width::dword, Reg::rax, kFs);
  to_.alu(Alu::cmp, Width::dword, Reg::rax, kFs);
  to_.jump(Cond::not_equal, *refused);
  to_.alu(Alu::cmp, Width::byte, in_frame(MUT_FRAME_OFFSET(hart.frm)), kLastOfHost);
  to_.jump(Cond::above, *refused);
  scratch_.later([=, this] {
    to_.bind(*refused);
    link_to(block_.pc, true);
  });
}

/// A register of the unit is about to change: its state is dirty (Priv. 3.1.6.6).
void BlockWriter::mark_floating_point_dirty() {
  if (floating_point_dirty_) return;
  floating_point_dirty_ = true;
  to_.alu(Alu::or_, Width::dword, in_frame(MUT_FRAME_OFFSET(hart.mstatus)),
          static_cast<std::int32_t>(status::kFs));
}

/// A single-precision operand that is not boxed is no number: rare, and not for here.
void BlockWriter::check_boxed(unsigned f, Label& otherwise) {
  if ((boxed_ >> f & 1) != 0) return;
  to_.alu(Alu::cmp, Width::dword, high_half_of_f(f), -1);
  to_.jump(Cond::not_equal, otherwise);
}

/// Where the value of a register is, after loading it into `scratch` if it must be.
Xmm BlockWriter::read_f(unsigned f, Precision precision, Xmm scratch) {
  if (map_.f[f]) return *map_.f[f];
  to_.load(precision, scratch, f_of(f));
  return scratch;
}

void BlockWriter::read_f_into(Xmm to, unsigned f, Precision precision) {
  if (map_.f[f])
    to_.mov(to, *map_.f[f]);
  else
    to_.load(precision, to, f_of(f));
}

/// All 64 of them.
void BlockWriter::read_bits(Reg to, unsigned f) {
  if (map_.f[f])
    to_.mov(Width::qword, to, *map_.f[f]);
  else
    to_.load(Width::qword, to, f_of(f));
}

void BlockWriter::write_bits(unsigned f, Reg from) {
  if (map_.f[f])
    to_.mov(Width::qword, *map_.f[f], from);
  else
    to_.store(Width::qword, f_of(f), from);
}

void BlockWriter::write_f(unsigned f, Precision precision, Xmm value) {
  mark_floating_point_dirty();
  if (map_.f[f])
    to_.mov(*map_.f[f], value);
  else
    to_.store(precision, f_of(f), value);
  box(f, precision);
}

/// f has been written, in its lower half if that is all there is.
void BlockWriter::box(unsigned f, Precision precision) {
  bool const single = precision == Precision::single;
  if (single && (boxed_ >> f & 1) == 0) to_.store(Width::dword, high_half_of_f(f), -1);
  boxed_ = single ? boxed_ | 1u << f : boxed_ & ~(1u << f);
}

/// As any load or store, of a register of the unit.
void BlockWriter::load_f(Site& site) {
  check_floating_point(site);
  auto const& i = site.instruction;
  bool const single = i.op == Op::flw;
  access(site, single ? 4 : 8, false, &BlockWriter::load_f_from);
  boxed_ = single ? boxed_ | 1u << i.rd : boxed_ & ~(1u << i.rd);
}

/// The other way comes from a call, which marks and boxes by itself.
void BlockWriter::load_f_from(Site const& site, Mem there) {
  auto const& i = site.instruction;
  bool const single = i.op == Op::flw;
  auto const width = single ? Width::dword : Width::qword;
  if (map_.f[i.rd]) {
    to_.load(Precision::double_, *map_.f[i.rd], there);
    return mark_floating_point_dirty();
  }
  to_.load(width, Reg::rax, there);
  mark_floating_point_dirty();
  to_.store(width, f_of(i.rd), Reg::rax);
  if (single) to_.store(Width::dword, high_half_of_f(i.rd), -1);
}

void BlockWriter::store_f(Site& site) {
  check_floating_point(site);
  access(site, site.instruction.op == Op::fsw ? 4 : 8, true, &BlockWriter::store_f_to);
}

void BlockWriter::store_f_to(Site const& site, Mem there) {
  auto const& i = site.instruction;
  auto const width = i.op == Op::fsw ? Width::dword : Width::qword;
  if (map_.f[i.rs2]) return to_.store(Precision::double_, there, *map_.f[i.rs2]);
  to_.load(width, Reg::rdx, f_of(i.rs2));
  to_.store(width, there, Reg::rdx);
}

/// Executed by the interpreter's arithmetic, now and then: from `from`, and back to `back`.
void BlockWriter::otherwise_call_out(Site& site, Label* from, Label* back) {
  scratch_.later([=, this, &site] {
    to_.bind(*from);
    call_out(site);
    to_.jump(*back);
  });
}

/// to = one op other; a result that is no number becomes the one that the guest knows.
void BlockWriter::arithmetic(Site& site, Op op, Precision precision) {
  auto const& i = site.instruction;
  auto* const slow = scratch_.label();
  auto* const back = scratch_.label();
  bool const single = precision == Precision::single;
  if (single) {
    check_boxed(i.rs1, *slow);
    if (op != Op::fsqrt_d) check_boxed(i.rs2, *slow);
  }
  if (op == Op::fsqrt_d) {
    to_.sse(Sse::sqrt, precision, Xmm::xmm0, read_f(i.rs1, precision, Xmm::xmm0));
  } else {
    read_f_into(Xmm::xmm0, i.rs1, precision);
    auto const sse = op == Op::fadd_d   ? Sse::add
                     : op == Op::fsub_d ? Sse::sub
                     : op == Op::fmul_d ? Sse::mul
                                        : Sse::div;
    if (map_.f[i.rs2])
      to_.sse(sse, precision, Xmm::xmm0, *map_.f[i.rs2]);
    else
      to_.sse(sse, precision, Xmm::xmm0, f_of(i.rs2));
  }
  auto* const none = scratch_.label();
  to_.compare(precision, Xmm::xmm0, Xmm::xmm0, true);
  to_.jump(Cond::parity, *none);
  write_f(i.rd, precision, Xmm::xmm0);
  to_.bind(*back);
  scratch_.later([=, this, rd = i.rd] {
    to_.bind(*none);
    if (single) {
      to_.store(Width::dword, f_of(rd), kCanonicalSingle);
      to_.store(Width::dword, high_half_of_f(rd), -1);
    } else {
      to_.mov(Reg::rax, kCanonical);
      write_bits(rd, Reg::rax);
    }
    // What write_f() may have done first in this block has to be done here as well.
    to_.alu(Alu::or_, Width::dword, in_frame(MUT_FRAME_OFFSET(hart.mstatus)),
            static_cast<std::int32_t>(status::kFs));
    to_.jump(*back);
  });
  if (single) otherwise_call_out(site, slow, back);
}

/// Infinity times zero plus what is none raises a flag on the guest and none on the host: whatever
/// is no number is made anew.
void BlockWriter::multiply_add(Site& site, Op op, Precision precision) {
  auto const& i = site.instruction;
  auto* const slow = scratch_.label();
  auto* const back = scratch_.label();
  if (precision == Precision::single)
    for (auto const f : {i.rs1, i.rs2, i.rs3}) check_boxed(f, *slow);
  bool const negate = op == Op::fnmadd_d || op == Op::fnmsub_d;
  bool const subtract = op == Op::fmsub_d || op == Op::fnmadd_d;
  read_f_into(Xmm::xmm0, i.rs1, precision);
  auto const by = read_f(i.rs2, precision, Xmm::xmm1);
  auto const plus = read_f(i.rs3, precision, Xmm::xmm2);
  to_.fma(precision, Xmm::xmm0, by, plus, negate, subtract);
  to_.compare(precision, Xmm::xmm0, Xmm::xmm0, true);
  to_.jump(Cond::parity, *slow);
  write_f(i.rd, precision, Xmm::xmm0);
  to_.bind(*back);
  otherwise_call_out(site, slow, back);
}

void BlockWriter::inject_sign(Site& site, Op op, Precision precision) {
  auto const& i = site.instruction;
  if (precision == Precision::single && i.rs1 != i.rs2) return call_out_f(site);
  if (precision == Precision::single) {  // fmv, fneg, fabs
    auto* const slow = scratch_.label();
    auto* const back = scratch_.label();
    check_boxed(i.rs1, *slow);
    to_.load(Width::dword, Reg::rax, f_of(i.rs1));
    constexpr auto kSign = std::numeric_limits<std::int32_t>::min();
    if (op == Op::fsgnjn_d) to_.alu(Alu::xor_, Width::dword, Reg::rax, kSign);
    if (op == Op::fsgnjx_d) to_.alu(Alu::and_, Width::dword, Reg::rax, ~kSign);
    mark_floating_point_dirty();
    to_.store(Width::dword, f_of(i.rd), Reg::rax);
    box(i.rd, precision);
    to_.bind(*back);
    return otherwise_call_out(site, slow, back);
  }
  if (op == Op::fsgnj_d && i.rs1 == i.rs2 && map_.f[i.rs1])  // fmv
    return write_f(i.rd, precision, *map_.f[i.rs1]);
  read_bits(Reg::rax, i.rs1);
  if (!(op == Op::fsgnj_d && i.rs1 == i.rs2)) {
    to_.mov(Reg::rcx, std::uint64_t{1} << 63);
    if (i.rs1 == i.rs2) {
      if (op == Op::fsgnjn_d)
        to_.alu(Alu::xor_, Width::qword, Reg::rax, Reg::rcx);
      else
        to_.andn(Width::qword, Reg::rax, Reg::rcx, Reg::rax);
    } else {
      read_bits(Reg::rdx, i.rs2);
      if (op == Op::fsgnjn_d) to_.unary(codegen::Unary::not_, Width::qword, Reg::rdx);
      to_.alu(Alu::and_, Width::qword, Reg::rdx, Reg::rcx);
      if (op != Op::fsgnjx_d) to_.andn(Width::qword, Reg::rax, Reg::rcx, Reg::rax);
      to_.alu(op == Op::fsgnjx_d ? Alu::xor_ : Alu::or_, Width::qword, Reg::rax, Reg::rdx);
    }
  }
  mark_floating_point_dirty();
  write_bits(i.rd, Reg::rax);
  box(i.rd, precision);
}

void BlockWriter::compare(Site& site, Op op, Precision precision) {
  auto const& i = site.instruction;
  auto* const slow = scratch_.label();
  auto* const back = scratch_.label();
  bool const single = precision == Precision::single;
  if (single)
    for (auto const f : {i.rs1, i.rs2}) check_boxed(f, *slow);
  auto const one = read_f(i.rs1, precision, Xmm::xmm0);
  auto const other = read_f(i.rs2, precision, Xmm::xmm1);
  if (op == Op::feq_d) {
    to_.compare(precision, one, other, true);
    to_.set(Cond::no_parity, Reg::rax);
    to_.set(Cond::equal, Reg::rcx);
    to_.alu(Alu::and_, Width::dword, Reg::rax, Reg::rcx);
  } else {  // with the operands the other way round, unordered is neither
    to_.compare(precision, other, one, false);
    to_.set(op == Op::flt_d ? Cond::above : Cond::above_equal, Reg::rax);
  }
  if (i.rd != 0) {
    to_.movzx(Width::byte, Reg::rax, Reg::rax);
    written(i.rd, Reg::rax);
  }
  if (!single) return;
  to_.bind(*back);
  otherwise_call_out(site, slow, back);
}

/// What the host can't represent it makes the smallest integer of; the guest has other ideas.
void BlockWriter::to_integer(Site& site, Op op, Precision precision) {
  auto const& i = site.instruction;
  auto* const slow = scratch_.label();
  auto* const back = scratch_.label();
  if (precision == Precision::single) check_boxed(i.rs1, *slow);
  bool const wide = op == Op::fcvt_l_d;
  auto const width = wide ? Width::qword : Width::dword;
  auto const value = read_f(i.rs1, precision, Xmm::xmm0);
  to_.convert(width, Reg::rax, precision, value, i.rm == kTowardsZero);
  if (wide) {
    to_.mov(Reg::rcx, std::uint64_t{1} << 63);
    to_.alu(Alu::cmp, width, Reg::rax, Reg::rcx);
  } else {
    to_.alu(Alu::cmp, width, Reg::rax, std::numeric_limits<std::int32_t>::min());
  }
  to_.jump(Cond::equal, *slow);
  if (i.rd != 0) {
    if (!wide) to_.movsx(Width::dword, Reg::rax, Reg::rax);
    written(i.rd, Reg::rax);
  }
  to_.bind(*back);
  otherwise_call_out(site, slow, back);
}

void BlockWriter::from_integer(Site& site, Op op, Precision precision) {
  auto const& i = site.instruction;
  auto const from = read(i.rs1, Reg::rax);
  to_.sse(Sse::xor_, Precision::single, Xmm::xmm0, Xmm::xmm0);  // depends on nothing before
  if (op == Op::fcvt_d_wu) {
    to_.mov(Width::dword, Reg::rax, from);
    to_.convert(precision, Xmm::xmm0, Width::qword, Reg::rax);
  } else {
    to_.convert(precision, Xmm::xmm0, op == Op::fcvt_d_w ? Width::dword : Width::qword, from);
  }
  write_f(i.rd, precision, Xmm::xmm0);
}

void BlockWriter::change_format(Site& site) {
  auto const& i = site.instruction;
  bool const to_single = i.op == Op::fcvt_s_d;
  auto* const slow = scratch_.label();
  auto* const back = scratch_.label();
  auto const from = to_single ? Precision::double_ : Precision::single;
  auto const to = to_single ? Precision::single : Precision::double_;
  if (!to_single) check_boxed(i.rs1, *slow);
  read_f_into(Xmm::xmm0, i.rs1, from);
  to_.compare(from, Xmm::xmm0, Xmm::xmm0, true);
  to_.jump(Cond::parity, *slow);
  to_.convert(to, Xmm::xmm0, Xmm::xmm0);
  write_f(i.rd, to, Xmm::xmm0);
  to_.bind(*back);
  otherwise_call_out(site, slow, back);
}

/// By the interpreter's arithmetic, which boxes what it writes and marks the state.
void BlockWriter::call_out_f(Site& site) {
  call_out(site);
  boxed_ &= ~(1u << site.instruction.rd);
}

void BlockWriter::floating_point(Site& site) {
  auto const& i = site.instruction;
  if (i.op == Op::flw || i.op == Op::fld) return load_f(site);
  if (i.op == Op::fsw || i.op == Op::fsd) return store_f(site);
  auto const [op, precision] = form_of(i.op);
  bool const dynamic = i.rm == kDynamic;
  auto const checked = [&] { check_floating_point(site); };
  switch (op) {
    case Op::fadd_d:
    case Op::fsub_d:
    case Op::fmul_d:
    case Op::fdiv_d:
    case Op::fsqrt_d:
      if (!dynamic) break;
      checked();
      return arithmetic(site, op, precision);
    case Op::fmadd_d:
    case Op::fmsub_d:
    case Op::fnmsub_d:
    case Op::fnmadd_d:
      if (!dynamic) break;
      checked();
      return multiply_add(site, op, precision);
    case Op::fsgnj_d:
    case Op::fsgnjn_d:
    case Op::fsgnjx_d:
      checked();
      return inject_sign(site, op, precision);
    case Op::feq_d:
    case Op::flt_d:
    case Op::fle_d:
      checked();
      return compare(site, op, precision);
    case Op::fcvt_w_d:
    case Op::fcvt_l_d:
      if (!dynamic && i.rm != kTowardsZero) break;
      checked();
      return to_integer(site, op, precision);
    case Op::fcvt_d_w:
    case Op::fcvt_d_wu:
    case Op::fcvt_d_l: {
      bool const exact = precision == Precision::double_ && op != Op::fcvt_d_l && i.rm <= 4;
      if (!dynamic && !exact) break;
      checked();
      return from_integer(site, op, precision);
    }
    default:
      break;
  }
  switch (i.op) {
    case Op::fcvt_s_d:
    case Op::fcvt_d_s:
      if (!dynamic && !(i.op == Op::fcvt_d_s && i.rm <= 4)) break;
      checked();
      return change_format(site);
    case Op::fmv_x_d:
    case Op::fmv_x_w:
      checked();
      if (i.rd == 0) return;
      if (i.op == Op::fmv_x_d)
        read_bits(Reg::rax, i.rs1);
      else
        to_.movsx(Width::dword, Reg::rax, f_of(i.rs1));
      return written(i.rd, Reg::rax);
    case Op::fmv_d_x:
    case Op::fmv_w_x: {
      checked();
      auto const from = read(i.rs1, Reg::rax);
      mark_floating_point_dirty();
      bool const single = i.op == Op::fmv_w_x;
      if (single)
        to_.store(Width::dword, f_of(i.rd), from);
      else
        write_bits(i.rd, from);
      return box(i.rd, single ? Precision::single : Precision::double_);
    }
    default:
      return call_out_f(site);
  }
  call_out_f(site);
}

}  // namespace mutirao::machine
