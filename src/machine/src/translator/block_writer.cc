#include "translator/block_writer.h"

#include <bit>
#include <cstdlib>

#include "mutirao/base/check.h"

#include "hart/atomics.h"
#include "hart/csr.h"
#include "hart/floating_point.h"
#include "translator/page_fields.h"

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
  if (i.op == Op::sfence_vma && i.rs1 != 0) return false;  // of one page: not that of this code
  // Machine mode's CSRs say who may touch what; satp, what is where.
  bool const rules = is_csr(i.op) && (i.imm == csr::kSatp || (i.imm >> 8 & 3) == 3);
  return rules || changes_context(i.op);
}

// --- Operands ----------------------------------------------------------------------------------

/// Where the value of a register is, after loading it into `scratch` if it must be.
Reg BlockWriter::read(unsigned x, Reg scratch) {
  if (pinned(x)) return pin(x);
  read_into(scratch, x);
  return scratch;
}

void BlockWriter::read_into(Reg to, unsigned x) {
  if (x == 0)
    to_.alu(Alu::xor_, Width::dword, to, to);
  else if (pinned(x))
    to_.mov(Width::qword, to, pin(x));
  else
    to_.load(Width::qword, to, in_frame(offset_of_x(x)));
}

Reg BlockWriter::target_of(unsigned rd, Reg scratch) const noexcept {
  return map_.x[rd].value_or(scratch);
}

/// `value` is rd now.
void BlockWriter::written(unsigned rd, Reg value) {
  MUT_ASSERT(rd != 0);
  if (!pinned(rd))
    to_.store(Width::qword, in_frame(offset_of_x(rd)), value);
  else if (pin(rd) != value)
    to_.mov(Width::qword, pin(rd), value);
}

/// to = to op x
void BlockWriter::alu_with(Alu op, Width width, Reg to, unsigned x) {
  if (x == 0)
    to_.alu(op, width, to, 0);
  else if (pinned(x))
    to_.alu(op, width, to, pin(x));
  else
    to_.alu(op, width, to, in_frame(offset_of_x(x)));
}

// --- Memory ------------------------------------------------------------------------------------

void BlockWriter::access(Site& site, std::int32_t size, bool is_store, Transfer transfer) {
  if (block_.is_region) return access_of_region(site, is_store, transfer);
  auto const& i = site.instruction;
  PageFields const page{block_.privilege, i.rs1, is_store};
  auto* const missed = scratch_.label();
  auto* const known = scratch_.label();
  auto* const done = scratch_.label();

  auto const base = read(i.rs1, Reg::rcx);
  to_.lea(Width::qword, Reg::rdx, Mem{base, i.imm});
  to_.alu(Alu::sub, Width::qword, Reg::rdx, page.begin());
  to_.alu(Alu::cmp, Width::qword, Reg::rdx, page.room(size));
  to_.jump(Cond::above_equal, *missed);
  to_.bind(*known);
  to_.load(Width::qword, Reg::rax, page.addend());
  (this->*transfer)(site, Mem{base, i.imm, Reg::rax, 1});
  to_.bind(*done);

  scratch_.later([=, this, &site] {
    to_.bind(*missed);
    auto const& again = site.instruction;
    to_.lea(Width::qword, Reg::rax, Mem{read(again.rs1, Reg::rax), again.imm});
    to_.mov(Reg::rdx, again.rs1);
    to_.mov(Reg::rcx, reinterpret_cast<std::uint64_t>(&site));
    auto const& thunks = is_store ? of_pages().store_missed : of_pages().load_missed;
    call(thunks[std::countr_zero(static_cast<unsigned>(size))]);
    to_.jump(Cond::below, *done);
    if (!pinned(again.rs1)) read_into(Reg::rcx, again.rs1);
    to_.jump(*known);
  });
}

/// In a region, what has no page in the Tlb goes on in the plain block at the same place.
void BlockWriter::access_of_region(Site& site, bool is_store, Transfer transfer) {
  auto const& i = site.instruction;
  auto const& check = site.check;
  if (check.by == PageCheck::By::walk) {
    auto const& addends = is_store ? map_.store_addends : map_.load_addends;
    auto const walker = read(i.rs1, Reg::rcx);
    if (!addends[i.rs1])
      to_.load(Width::qword, Reg::rax, PageFields{block_.privilege, i.rs1, is_store}.addend());
    return (this->*transfer)(site, Mem{walker, i.imm, addends[i.rs1].value_or(Reg::rax), 1});
  }
  bool const for_others =
      check.by == PageCheck::By::leader || check.by == PageCheck::By::store_leader;
  bool const leads = for_others || check.by == PageCheck::By::itself;
  bool const by_store = check.by == PageCheck::By::other_store ||
                        check.by == PageCheck::By::store_leader || (leads && is_store);
  if (leads && check.hops)
    ask_tlb(site, by_store);
  else if (leads)
    check_page(site, by_store);
  auto const base = read(i.rs1, Reg::rcx);
  auto const addends = by_store ? MUT_FRAME_OFFSET(translation.store_addends)
                                : MUT_FRAME_OFFSET(translation.load_addends);
  if (!check.hops)
    to_.load(Width::qword, Reg::rax, PageFields{block_.privilege, i.rs1, by_store}.addend());
  else if (!leads)
    to_.load(Width::qword, Reg::rax, in_frame(addends + 8 * i.rs1));
  else if (for_others)
    to_.store(Width::qword, in_frame(addends + 8 * i.rs1), Reg::rax);
  (this->*transfer)(site, Mem{base, i.imm, Reg::rax, 1});
}

/// That the page is the one of the last time.
void BlockWriter::check_page(Site& site, bool is_store) {
  PageFields const page{block_.privilege, site.instruction.rs1, is_store};
  auto const& check = site.check;
  auto* const missed = scratch_.label();
  auto* const known = scratch_.label();
  to_.lea(Width::qword, Reg::rdx, Mem{read(site.instruction.rs1, Reg::rdx), check.low});
  to_.alu(Alu::sub, Width::qword, Reg::rdx, page.begin());
  to_.alu(Alu::cmp, Width::qword, Reg::rdx, page.room(check.span));
  to_.jump(Cond::above_equal, *missed);
  to_.bind(*known);

  scratch_.later([=, this, &site] {
    auto* const unknown = scratch_.label();
    auto* const hops = scratch_.label();
    to_.bind(*missed);
    to_.mov(Reg::rcx, reinterpret_cast<std::uint64_t>(&site));
    to_.alu(Alu::sub, Width::dword,
            in_frame(MUT_FRAME_OFFSET(translation.patience) +
                     4 * static_cast<std::int32_t>(TranslationState::patience_slot(site.pc))),
            1);
    to_.jump(Cond::sign, *hops);
    to_.lea(Width::qword, Reg::rax, Mem{read(site.instruction.rs1, Reg::rax), site.check.low});
    to_.mov(Reg::rdx, site.instruction.rs1);
    call(is_store ? of_pages().find_store : of_pages().find_load);
    to_.jump(Cond::below, *unknown);
    to_.lea(Width::qword, Reg::rdx, Mem{read(site.instruction.rs1, Reg::rdx), site.check.low});
    to_.alu(Alu::sub, Width::qword, Reg::rdx, page.begin());
    to_.alu(Alu::cmp, Width::qword, Reg::rdx, page.room(site.check.span));
    to_.jump(Cond::below, *known);
    to_.jump(*unknown);
    to_.bind(*hops);
    put_back();
    to_.store(Width::qword, in_frame(MUT_FRAME_OFFSET(translation.hopped)), Reg::rcx);
    to_.mov(Reg::rcx, reinterpret_cast<std::uint64_t>(&block_));
    to_.store(Width::qword, in_frame(MUT_FRAME_OFFSET(translation.left_region)), Reg::rcx);
    leave_at(site);
    to_.bind(*unknown);
    leave_to_plain(site);
  });
}

/// For the page, which is not expected to be that of the last time; rax gets what leads to the
/// host.
void BlockWriter::ask_tlb(Site& site, bool is_store) {
  auto const& check = site.check;
  auto* const unknown = scratch_.label();
  auto const base = read(site.instruction.rs1, Reg::rax);
  to_.lea(Width::qword, Reg::rcx, Mem{base, check.low + check.span - 1});
  if (check.low == 0)
    to_.mov(Width::qword, Reg::rdx, base);  // which costs no time
  else
    to_.lea(Width::qword, Reg::rdx, Mem{base, check.low});
  to_.alu(Alu::and_, Width::qword, Reg::rcx, -static_cast<std::int32_t>(kPageSize));
  to_.shift(codegen::Shift::shr, Width::qword, Reg::rdx, kTlbShift);
  to_.alu(Alu::or_, Width::qword, Reg::rcx, in_frame(MUT_FRAME_OFFSET(translation.data_context)));
  to_.alu(Alu::and_, Width::dword, Reg::rdx, kTlbMask);
  to_.load(Width::qword, Reg::rax,
           in_frame(is_store ? MUT_FRAME_OFFSET(translation.stores)
                             : MUT_FRAME_OFFSET(translation.loads)));
  to_.alu(Alu::cmp, Width::qword, Reg::rcx, Mem{Reg::rax, 0, Reg::rdx, 1});
  to_.jump(Cond::not_equal, *unknown);
  to_.load(Width::qword, Reg::rax, Mem{Reg::rax, offsetof(Tlb::Entry, addend), Reg::rdx, 1});
  scratch_.later([=, this, &site] {
    to_.bind(*unknown);
    leave_to_plain(site);
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
  put_back();
  to_.mov(Reg::rcx, reinterpret_cast<std::uint64_t>(&site));
  call(thunks_.call_out);
  take_in();
}

// --- Control -----------------------------------------------------------------------------------

/// So many instructions were counted and not begun.
void BlockWriter::return_unused(std::uint32_t count) {
  if (count == 0) return;
  to_.alu(Alu::add, Width::qword, in_frame(MUT_FRAME_OFFSET(translation.budget)),
          static_cast<std::int32_t>(count));
}

void BlockWriter::count_down(std::int32_t value) {
  if (map_.budget)
    to_.alu(Alu::sub, Width::qword, *map_.budget, value);
  else
    to_.alu(Alu::sub, Width::qword, in_frame(MUT_FRAME_OFFSET(translation.budget)), value);
}

/// Back to the translator, before the instruction.
void BlockWriter::leave_at(Site const& site) {
  to_.mov(Reg::rax, reinterpret_cast<std::uint64_t>(&site));
  jump(thunks_.leave_at_site);
}

void BlockWriter::branch(Site& site) {
  auto const& i = site.instruction;
  auto const target = site.pc + immediate(i);
  auto const unused = site.rest - 1;
  auto const cond = condition_of(i.op);
  if (i.rs2 == 0 && pinned(i.rs1)) {
    to_.test(Width::qword, pin(i.rs1), pin(i.rs1));
    // test clears the carry: below is never, above_equal always, as they should be.
  } else {
    alu_with(Alu::cmp, Width::qword, read(i.rs1, Reg::rax), i.rs2);
  }
  auto* const head = head_of(target);
  if (head != nullptr && unused == 0 && block_.is_region) return to_.jump(cond, *head);
  auto* const taken = scratch_.label();
  to_.jump(cond, *taken);
  scratch_.later([=, this] {
    to_.bind(*taken);
    go_to(target, unused);
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

/// What others wrote was asked of this hart to see before it is told that there is something.
void BlockWriter::fence_instructions(Site& site) {
  auto* const called = scratch_.label();
  auto* const done = scratch_.label();
  to_.movzx(Width::byte, Reg::rax, in_frame(MUT_FRAME_OFFSET(hart.attention)));
  to_.test(Width::dword, Reg::rax, Reg::rax);
  to_.jump(Cond::not_equal, *called);
  to_.bind(*done);
  scratch_.later([=, this, &site] {
    to_.bind(*called);
    call_out(site);
    to_.jump(*done);
  });
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
  if (is_atomic(i.op)) return atomic(site);
  if (i.op == Op::cbo_zero) return zero_cache_block(site);
  if (is_cache_block(i.op) || changes_context(i.op)) return call_out(site);
  switch (i.op) {
    case Op::jal:
      return jump_known(site, site.pc + immediate(i));
    case Op::jalr:
      return jump_register(site);
    case Op::fence:
      return fence(i);
    case Op::fence_i:
      return fence_instructions(site);
    case Op::pause:
    case Op::wrs_nto:
    case Op::wrs_sto:
      return;
    default:
      break;
  }
  if (i.rd == 0) return;  // it computes, and nobody sees what
  bool const known = integer(site);
  MUT_ASSERT(known);
}

/// From where the registers are between regions to where they are in this one.
void BlockWriter::take_in() {
  if (&map_ == &kCommonMap) return;
  for (auto const& [guest, host] : kPins)
    if (map_.x[guest] != host) to_.store(Width::qword, in_frame(offset_of_x(guest)), host);
  for (unsigned n = 0; n < 32; ++n) {
    if (pinned(n) && kCommonMap.x[n] != map_.x[n])
      to_.load(Width::qword, pin(n), in_frame(offset_of_x(n)));
    if (map_.f[n]) to_.load(codegen::Precision::double_, *map_.f[n], in_frame(offset_of_f(n)));
  }
  if (map_.budget)
    to_.load(Width::qword, *map_.budget, in_frame(MUT_FRAME_OFFSET(translation.budget)));
  if (block_.walks.empty()) return;
  to_.alu(Alu::sub, Width::qword, *map_.budget, in_frame(MUT_FRAME_OFFSET(translation.deferred)));
  for (auto const& walk : block_.walks) load_addend(walk);
}

/// And back. Leaves rax, rcx and rdx as they are.
void BlockWriter::put_back() {
  if (&map_ == &kCommonMap) return;
  if (!block_.walks.empty())
    to_.alu(Alu::add, Width::qword, *map_.budget, in_frame(MUT_FRAME_OFFSET(translation.deferred)));
  if (map_.budget)
    to_.store(Width::qword, in_frame(MUT_FRAME_OFFSET(translation.budget)), *map_.budget);
  for (unsigned n = 0; n < 32; ++n) {
    if (pinned(n) && kCommonMap.x[n] != map_.x[n])
      to_.store(Width::qword, in_frame(offset_of_x(n)), pin(n));
    if (map_.f[n]) to_.store(codegen::Precision::double_, in_frame(offset_of_f(n)), *map_.f[n]);
  }
  for (auto const& [guest, host] : kPins)
    if (map_.x[guest] != host) to_.load(Width::qword, host, in_frame(offset_of_x(guest)));
}

void BlockWriter::load_addend(Walk const& walk) {
  auto const& addend = (walk.stores ? map_.store_addends : map_.load_addends)[walk.base];
  if (addend)
    to_.load(Width::qword, *addend, PageFields{block_.privilege, walk.base, walk.stores}.addend());
}

/// How many rounds stay in the pages where they begin: the least is kept in rcx.
void BlockWriter::count_rounds(Walk const& walk) {
  PageFields const page{block_.privilege, walk.base, walk.stores};
  auto const room = page.room(walk.span);
  auto* const missed = scratch_.label();
  auto* const known = scratch_.label();
  auto const distance = [=, this] {
    to_.lea(Width::qword, Reg::rdx, Mem{read(walk.base, Reg::rdx), walk.low});
    to_.alu(Alu::sub, Width::qword, Reg::rdx, page.begin());
    to_.alu(Alu::cmp, Width::qword, Reg::rdx, room);
  };
  distance();
  to_.jump(Cond::above_equal, *missed);
  to_.bind(*known);
  load_addend(walk);
  if (walk.step != 0) {
    if (walk.step > 0) {
      to_.load(Width::qword, Reg::rax, room);
      to_.alu(Alu::sub, Width::qword, Reg::rax, 1);
      to_.alu(Alu::sub, Width::qword, Reg::rax, Reg::rdx);
    } else {
      to_.mov(Width::qword, Reg::rax, Reg::rdx);
    }
    auto const shift = std::countr_zero(static_cast<unsigned>(std::abs(walk.step)));
    if (shift != 0)
      to_.shift(codegen::Shift::shr, Width::qword, Reg::rax, static_cast<std::uint8_t>(shift));
    to_.alu(Alu::add, Width::qword, Reg::rax, 1);
    to_.alu(Alu::cmp, Width::qword, Reg::rax, Reg::rcx);
    to_.cmov(Cond::below, Width::qword, Reg::rcx, Reg::rax);
  }
  scratch_.later([=, this] {
    auto* const unknown = scratch_.label();
    to_.bind(*missed);
    to_.push(Reg::rcx);
    to_.lea(Width::qword, Reg::rax, Mem{read(walk.base, Reg::rax), walk.low});
    to_.mov(Reg::rdx, walk.base);
    call(walk.stores ? of_pages().find_store : of_pages().find_load);
    to_.pop(Reg::rcx);
    to_.jump(Cond::below, *unknown);
    distance();
    to_.jump(Cond::below, *known);
    to_.bind(*unknown);
    put_back();
    link_to(block_.pc, true);
  });
}

/// Before a region walks: of the budget only as much is left as the pages allow, the rest is for
/// later. So one check each round is enough.
void BlockWriter::set_out(std::uint32_t count) {
  constexpr std::uint64_t kRoundsMax = 1 << 20;
  auto const deferred = in_frame(MUT_FRAME_OFFSET(translation.deferred));
  Label begin;
  to_.mov(Reg::rcx, kRoundsMax);
  for (auto const& walk : block_.walks) count_rounds(walk);
  to_.imul(Width::qword, Reg::rcx, Reg::rcx, static_cast<std::int32_t>(count));
  to_.mov(Width::qword, Reg::rax, *map_.budget);
  to_.alu(Alu::sub, Width::qword, Reg::rax, Reg::rcx);
  to_.jump(Cond::less_equal, begin);
  to_.store(Width::qword, deferred, Reg::rax);
  to_.mov(Width::qword, *map_.budget, Reg::rcx);
  to_.bind(begin);
}

void BlockWriter::write(std::span<Run const> runs) {
  if (block_.count == 0) {
    to_.mov(Reg::rax, block_.pc);
    return leave_for_target();
  }
  runs_ = runs;
  heads_ = scratch_.labels(runs.size());
  if (block_.unit == Block::Unit::checked_at_entry) check_unit_at_entry();
  bool const walks = !block_.walks.empty();
  auto const deferred = in_frame(MUT_FRAME_OFFSET(translation.deferred));
  if (walks) to_.store(Width::qword, deferred, 0);
  take_in();
  auto* const setting_out = scratch_.label();
  to_.bind(*setting_out);
  if (walks) set_out(static_cast<std::uint32_t>(runs.front().sites.size()));
  for (std::size_t n = 0; n < runs.size(); ++n) {
    auto const& run = runs[n];
    auto const count = static_cast<std::uint32_t>(run.sites.size());
    auto* const over = scratch_.label();
    floating_point_checked_ = floating_point_dirty_ = block_.unit == Block::Unit::checked_at_entry;
    boxed_ = 0;
    other_half_known_ = nullptr;
    to_.bind(heads_[n]);
    count_down(static_cast<std::int32_t>(count));
    to_.jump(Cond::sign, *over);
    for (auto& site : run.sites) instruction(site);
    auto const& last = run.sites.back().instruction;
    if (last.op != Op::jal && last.op != Op::jalr && !leaves(last)) go_to(run.next_pc, 0);
    scratch_.later([=, this, &first = run.sites.front()] {
      to_.bind(*over);
      if (walks) {  // perhaps no more than the rounds in these pages
        to_.alu(Alu::add, Width::qword, *map_.budget, static_cast<std::int32_t>(count));
        to_.alu(Alu::add, Width::qword, *map_.budget, deferred);
        to_.store(Width::qword, deferred, 0);
        to_.alu(Alu::sub, Width::qword, *map_.budget, static_cast<std::int32_t>(count));
        auto* const really = scratch_.label();
        to_.jump(Cond::sign, *really);
        to_.alu(Alu::add, Width::qword, *map_.budget, static_cast<std::int32_t>(count));
        to_.jump(*setting_out);
        to_.bind(*really);
      }
      put_back();
      if (block_.is_region)
        to_.store(Width::dword, in_frame(MUT_FRAME_OFFSET(translation.in_region)), 1);
      leave_at(first);
    });
  }
  scratch_.write_later();
}

}  // namespace mutirao::machine
