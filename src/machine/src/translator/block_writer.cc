#include "translator/block_writer.h"

#include <bit>

#include "mutirao/base/check.h"

#include "hart/atomics.h"
#include "hart/csr.h"
#include "hart/floating_point.h"

namespace mutirao::machine {
namespace {

using codegen::Alu;
using codegen::Cond;
using codegen::Label;
using codegen::Mem;
using codegen::Reg;
using codegen::Width;

/// How an access is made.
struct AccessKind {
  Width width;
  bool is_signed = false;
};
AccessKind access_of(Op op) {
  switch (op) {
    case Op::lb:
      return {Width::byte, true};
    case Op::lbu:
    case Op::sb:
      return {Width::byte};
    case Op::lh:
      return {Width::word, true};
    case Op::lhu:
    case Op::sh:
      return {Width::word};
    case Op::lw:
      return {Width::dword, true};
    case Op::lwu:
    case Op::sw:
      return {Width::dword};
    default:
      return {Width::qword};
  }
}

bool is_load(Op op) { return op >= Op::lb && op <= Op::lwu; }
bool is_store(Op op) { return op >= Op::sb && op <= Op::sd; }
bool is_branch(Op op) { return op >= Op::beq && op <= Op::bgeu; }

Cond condition_of(Op op) {
  switch (op) {
    case Op::beq:
      return Cond::equal;
    case Op::bne:
      return Cond::not_equal;
    case Op::blt:
      return Cond::less;
    case Op::bge:
      return Cond::greater_equal;
    case Op::bltu:
      return Cond::below;
    default:
      return Cond::above_equal;
  }
}

}  // namespace

bool BlockWriter::translates(Op op) noexcept {
  return op != Op::illegal && op != Op::clmul && op != Op::clmulh && op != Op::clmulr;
}

bool BlockWriter::ends_block(Instruction const& i) noexcept {
  // A branch backwards is a loop: it is taken as a rule, and what follows it belongs elsewhere.
  return i.op == Op::jal || i.op == Op::jalr || (is_branch(i.op) && i.imm < 0) || leaves(i);
}

bool BlockWriter::leaves(Instruction const& i) noexcept {
  // Machine mode's CSRs say who may touch what; satp, what is where.
  bool const rules = is_csr(i.op) && (i.imm == csr::kSatp || (i.imm >> 8 & 3) == 3);
  return rules || changes_context(i.op);
}

// --- Operands ----------------------------------------------------------------------------------

/// Where the value of a register is, after loading it into `scratch` if it must be.
Reg BlockWriter::read(unsigned x, Reg scratch) {
  if (pinned(x)) return *kPinOf[x];
  read_into(scratch, x);
  return scratch;
}

void BlockWriter::read_into(Reg to, unsigned x) {
  if (x == 0)
    to_.alu(Alu::xor_, Width::dword, to, to);
  else if (pinned(x))
    to_.mov(Width::qword, to, *kPinOf[x]);
  else
    to_.load(Width::qword, to, in_frame(offset_of_x(x)));
}

Reg BlockWriter::target_of(unsigned rd, Reg scratch) noexcept {
  return kPinOf[rd].value_or(scratch);
}

/// `value` is rd now.
void BlockWriter::written(unsigned rd, Reg value) {
  MUT_ASSERT(rd != 0);
  if (!pinned(rd))
    to_.store(Width::qword, in_frame(offset_of_x(rd)), value);
  else if (*kPinOf[rd] != value)
    to_.mov(Width::qword, *kPinOf[rd], value);
}

/// to = to op x
void BlockWriter::alu_with(Alu op, Width width, Reg to, unsigned x) {
  if (x == 0)
    to_.alu(op, width, to, 0);
  else if (pinned(x))
    to_.alu(op, width, to, *kPinOf[x]);
  else
    to_.alu(op, width, to, in_frame(offset_of_x(x)));
}

// --- Memory ------------------------------------------------------------------------------------

void BlockWriter::access(Site& site, std::int32_t size, bool is_store, Transfer transfer) {
  auto const& i = site.instruction;
  auto const pages = (is_store ? MUT_FRAME_OFFSET(translation.store_pages)
                               : MUT_FRAME_OFFSET(translation.load_pages)) +
                     8 * i.rs1;
  auto const of = [&](std::size_t field) { return in_frame(pages + static_cast<int>(field)); };
  auto const room = of(offsetof(TranslationState::Pages, room));
  auto const begin = of(offsetof(TranslationState::Pages, begin));
  auto const addend = of(offsetof(TranslationState::Pages, addend));
  auto* const missed = scratch_.label();
  auto* const done = scratch_.label();

  auto const base = read(i.rs1, Reg::rcx);
  to_.lea(Width::qword, Reg::rdx, Mem{base, i.imm});
  to_.alu(Alu::sub, Width::qword, Reg::rdx, begin);
  to_.alu(Alu::cmp, Width::qword, Reg::rdx, room);
  to_.jump(Cond::above_equal, *missed);
  to_.load(Width::qword, Reg::rax, addend);
  (this->*transfer)(site, Mem{base, i.imm, Reg::rax, 1});
  to_.bind(*done);

  scratch_.later([=, this, &site] {
    to_.bind(*missed);
    auto const& again = site.instruction;
    to_.lea(Width::qword, Reg::rax, Mem{read(again.rs1, Reg::rax), again.imm});
    to_.mov(Reg::rcx, reinterpret_cast<std::uint64_t>(&site));
    auto const thunks = is_store ? MUT_FRAME_OFFSET(translation.store_missed)
                                 : MUT_FRAME_OFFSET(translation.load_missed);
    to_.call(in_frame(thunks + 8 * std::countr_zero(static_cast<unsigned>(size))));
    to_.jump(Cond::below, *done);
    // The page is known from now on.
    to_.store(Width::qword, addend, Reg::rdx);
    to_.alu(Alu::and_, Width::qword, Reg::rax, -static_cast<std::int32_t>(kPageSize));
    to_.store(Width::qword, begin, Reg::rax);
    to_.store(Width::qword, room, static_cast<std::int32_t>(TranslationState::kRoom));
    auto const there = read(again.rs1, Reg::rcx);
    to_.mov(Width::qword, Reg::rax, Reg::rdx);
    if (again.op == Op::flw || again.op == Op::fld) floating_point_dirty_ = false;  // here as well
    (this->*transfer)(site, Mem{there, again.imm, Reg::rax, 1});
    to_.jump(*done);
  });
}

void BlockWriter::load_from(Site const& site, Mem there) {
  auto const& i = site.instruction;
  auto const [width, is_signed] = access_of(i.op);
  auto const to = i.rd == 0 ? Reg::rax : target_of(i.rd, Reg::rax);
  if (is_signed)
    to_.movsx(width, to, there);
  else if (width == Width::qword || width == Width::dword)
    to_.load(width, to, there);
  else
    to_.movzx(width, to, there);
  if (i.rd != 0) written(i.rd, to);
}

void BlockWriter::load(Site& site) {
  auto const size = static_cast<std::int32_t>(access_of(site.instruction.op).width);
  access(site, size, false, &BlockWriter::load_from);
}

void BlockWriter::store_to(Site const& site, Mem there) {
  auto const& i = site.instruction;
  auto const width = access_of(i.op).width;
  if (i.rs2 == 0)
    to_.store(width, there, 0);
  else
    to_.store(width, there, read(i.rs2, Reg::rdx));
}

void BlockWriter::store(Site& site) {
  auto const size = static_cast<std::int32_t>(access_of(site.instruction.op).width);
  access(site, size, true, &BlockWriter::store_to);
}

void BlockWriter::call_out(Site& site) {
  to_.mov(Reg::rcx, reinterpret_cast<std::uint64_t>(&site));
  to_.call(in_frame(MUT_FRAME_OFFSET(translation.call_out)));
}

// --- Control -----------------------------------------------------------------------------------

/// Back to the translator at `pc`; so many instructions of the block were counted and not begun.
void BlockWriter::leave_at(std::uint64_t pc, std::int32_t unused) {
  if (unused != 0)
    to_.alu(Alu::add, Width::qword, in_frame(MUT_FRAME_OFFSET(translation.budget)), unused);
  to_.mov(Reg::rax, pc);
  to_.store(Width::qword, in_frame(MUT_FRAME_OFFSET(hart.pc)), Reg::rax);
  to_.jump(in_frame(MUT_FRAME_OFFSET(translation.leave)));
}

/// To an address that is known. In the same page it is led straight to its block, once there is
/// one: that this page is where it was holds as long as code in it runs. Another page may have
/// become another: that is looked up.
void BlockWriter::go_to(std::uint64_t target) {
  if (((target ^ block_.pc) & ~kPageMask) != 0) {
    to_.mov(Reg::rax, target);
    return look_up_target();
  }
  if (target == block_.pc) return to_.jump(head_);
  auto link = std::make_unique<Link>();
  link->target = target;
  link->displacement = base_ + to_.jump_to_patch();
  to_.mov(Reg::rax, reinterpret_cast<std::uint64_t>(link.get()));
  to_.store(Width::qword, in_frame(MUT_FRAME_OFFSET(translation.link)), Reg::rax);
  leave_at(target, 0);
  block_.links.push_back(std::move(link));
}

/// The address is in rax.
void BlockWriter::look_up_target() {
  static_assert(sizeof(TranslationState::Target) == 16 &&
                offsetof(TranslationState::Target, code) == 8);
  Label unknown;
  auto const targets = MUT_FRAME_OFFSET(translation.targets);
  to_.mov(Width::dword, Reg::rcx, Reg::rax);
  to_.alu(Alu::and_, Width::dword, Reg::rcx,
          static_cast<std::int32_t>(2 * (TranslationState::kTargets - 1)));
  to_.mov(Width::qword, Reg::rdx, Reg::rax);
  to_.alu(Alu::xor_, Width::qword, Reg::rdx, in_frame(MUT_FRAME_OFFSET(translation.context_key)));
  // Each slot is 16 bytes and stands for two of code.
  to_.alu(Alu::cmp, Width::qword, Reg::rdx, Mem{kFrame, targets, Reg::rcx, 8});
  to_.jump(Cond::not_equal, unknown);
  to_.jump(Mem{kFrame, targets + 8, Reg::rcx, 8});
  to_.bind(unknown);
  to_.store(Width::qword, in_frame(MUT_FRAME_OFFSET(hart.pc)), Reg::rax);
  to_.jump(in_frame(MUT_FRAME_OFFSET(translation.leave)));
}

void BlockWriter::branch(Site& site) {
  auto const& i = site.instruction;
  auto const target = site.pc + immediate(i);
  auto const unused = static_cast<std::int32_t>(block_.count - site.index - 1);
  auto cond = condition_of(i.op);
  if (i.rs2 == 0 && pinned(i.rs1)) {
    to_.test(Width::qword, *kPinOf[i.rs1], *kPinOf[i.rs1]);
    // test clears the carry: below is never, above_equal always, as they should be.
  } else {
    alu_with(Alu::cmp, Width::qword, read(i.rs1, Reg::rax), i.rs2);
  }
  if (target == block_.pc && unused == 0) return to_.jump(cond, head_);
  auto* const taken = scratch_.label();
  to_.jump(cond, *taken);
  scratch_.later([=, this] {
    to_.bind(*taken);
    if (unused != 0)
      to_.alu(Alu::add, Width::qword, in_frame(MUT_FRAME_OFFSET(translation.budget)), unused);
    go_to(target);
  });
}

/// The host keeps all orders but that of a load behind a store (Unpriv. 17; SDM 3A 9.2).
void BlockWriter::fence(Instruction const& i) {
  constexpr std::uint32_t kStoresBefore = 1u << 24;
  constexpr std::uint32_t kLoadsAfter = 1u << 21;
  if ((i.bits & kStoresBefore) == 0 || (i.bits & kLoadsAfter) == 0) return;
  to_.alu(Alu::xor_, Width::dword, Reg::rax, Reg::rax);
  to_.lock_alu(Alu::or_, Width::dword, Mem{Reg::rsp, 0}, Reg::rax);  // cheaper than mfence
}

void BlockWriter::jump_register(Site& site) {
  auto const& i = site.instruction;
  read_into(Reg::rax, i.rs1);
  if (i.imm != 0) to_.alu(Alu::add, Width::qword, Reg::rax, i.imm);
  to_.alu(Alu::and_, Width::qword, Reg::rax, -2);
  if (i.rd != 0) {
    auto const next = site.pc + i.length;
    if (pinned(i.rd)) {
      to_.mov(*kPinOf[i.rd], next);
    } else {
      to_.mov(Reg::rcx, next);
      to_.store(Width::qword, in_frame(offset_of_x(i.rd)), Reg::rcx);
    }
  }
  look_up_target();
}

// --- The block ---------------------------------------------------------------------------------

void BlockWriter::instruction(Site& site) {
  auto const& i = site.instruction;
  if (is_load(i.op)) return load(site);
  if (is_store(i.op)) return store(site);
  if (is_branch(i.op)) return branch(site);
  if (is_floating_point(i.op)) return floating_point(site);
  if (is_csr(i.op)) {
    floating_point_checked_ = floating_point_dirty_ = false;  // it may write what they stand on
    return call_out(site);
  }
  if (is_atomic(i.op) || is_cache_block(i.op) || leaves(i)) return call_out(site);
  switch (i.op) {
    case Op::jal:
      if (i.rd != 0) constant(i.rd, site.pc + i.length);
      return go_to(site.pc + immediate(i));
    case Op::jalr:
      return jump_register(site);
    case Op::fence:
      return fence(i);
    case Op::fence_i:
      return call_out(site);
    case Op::pause:
    case Op::wrs_nto:
    case Op::wrs_sto:
      return;
    default:
      break;
  }
  if (i.rd == 0) return;  // it computes, and nobody sees what
  bool const known = integer(i, site.pc);
  MUT_ASSERT(known);
}

void BlockWriter::write(std::uint64_t next_pc) {
  if (block_.count == 0) return leave_at(block_.pc, 0);
  auto const count = static_cast<std::int32_t>(block_.count);
  auto* const over = scratch_.label();
  to_.bind(head_);
  to_.alu(Alu::sub, Width::qword, in_frame(MUT_FRAME_OFFSET(translation.budget)), count);
  to_.jump(Cond::sign, *over);
  for (std::uint32_t n = 0; n < block_.count; ++n) instruction(block_.sites[n]);
  auto const& last = block_.sites[block_.count - 1].instruction;
  if (last.op != Op::jal && last.op != Op::jalr && !leaves(last)) go_to(next_pc);
  scratch_.write_later();
  to_.bind(*over);
  leave_at(block_.pc, count);
}

}  // namespace mutirao::machine
