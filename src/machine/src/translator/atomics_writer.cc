// lr, sc, the AMOs and Zacas where the page is known, as atomics of the host; see hart/atomics.h.
#include <bit>

#include "mutirao/base/check.h"

#include "hart/atomics.h"
#include "translator/block_writer.h"
#include "translator/page_fields.h"

namespace mutirao::machine {
namespace {

using codegen::Alu;
using codegen::Cond;
using codegen::Mem;
using codegen::Reg;
using codegen::Width;

constexpr std::uint32_t kReleaseBit = 1u << 25;  // rl (Unpriv. 13.1)

/// As that for words.
Op word_form(Op op) {
  constexpr int kBy = static_cast<int>(Op::lr_d) - static_cast<int>(Op::lr_w);
  return op < Op::lr_d ? op : static_cast<Op>(static_cast<int>(op) - kBy);
}

/// How two operands become one; nothing: by no single instruction of the host.
std::optional<Alu> alu_of(Op op) {
  switch (op) {
    case Op::amoxor_w:
      return Alu::xor_;
    case Op::amoand_w:
      return Alu::and_;
    case Op::amoor_w:
      return Alu::or_;
    default:
      return std::nullopt;
  }
}

bool is_in_line(Op op) {
  if (op == Op::amocas_q) return false;
  auto const word = word_form(op);
  return word < Op::amomin_w || word == Op::amocas_w;
}

}  // namespace

/// The place is found as that of a load or a store is, and is aligned; whatever is not so is called
/// out. No page that is known for stores holds code: there is nobody to tell.
void BlockWriter::atomic(Site& site) {
  auto const& i = site.instruction;
  if (!is_in_line(i.op)) return call_out(site);
  auto const op = word_form(i.op);
  auto const width = i.op < Op::lr_d ? Width::dword : Width::qword;
  PageFields const page{block_.privilege, i.rs1, op != Op::lr_w};
  auto* const missed = scratch_.label();
  auto* const known = scratch_.label();
  auto* const slow = scratch_.label();
  auto* const done = scratch_.label();

  to_.load(Width::qword, Reg::rdx, page.begin());
  auto const base = read(i.rs1, Reg::rcx);
  to_.lea(Width::qword, Reg::rax, Mem{base});
  to_.alu(Alu::sub, Width::qword, Reg::rax, Reg::rdx);
  to_.alu(Alu::cmp, Width::qword, Reg::rax, page.room(8));
  to_.jump(Cond::above_equal, *missed);
  to_.test(Width::dword, Reg::rax, static_cast<std::int32_t>(width) - 1);
  to_.jump(Cond::not_equal, *slow);
  to_.load(Width::qword, Reg::rax, page.addend());
  to_.bind(*known);
  to_.lea(Width::qword, Reg::rcx, Mem{base, 0, Reg::rax, 1});
  atomic_at(site, op, width);
  to_.bind(*done);

  scratch_.later([=, this, &site] {
    to_.bind(*missed);
    auto const rs1 = site.instruction.rs1;
    read_into(Reg::rax, rs1);
    to_.test(Width::dword, Reg::rax, static_cast<std::int32_t>(width) - 1);
    to_.jump(Cond::not_equal, *slow);
    to_.mov(Reg::rdx, rs1);
    call(op != Op::lr_w ? of_pages().find_store : of_pages().find_load);
    to_.jump(Cond::below, *slow);
    if (!pinned(rs1)) read_into(Reg::rcx, rs1);
    to_.load(Width::qword, Reg::rax, page.addend());
    to_.jump(*known);
    to_.bind(*slow);
    call_out(site);
    to_.jump(*done);
  });
}

/// The place is in rcx.
void BlockWriter::atomic_at(Site const& site, Op op, Width width) {
  auto const& i = site.instruction;
  Mem const place{Reg::rcx};
  auto const reservation = [](std::size_t field) {
    return in_frame(MUT_FRAME_OFFSET(hart.reservation) + static_cast<std::int32_t>(field));
  };
  auto const address = reservation(offsetof(Hart::Reservation, address));
  auto const value = reservation(offsetof(Hart::Reservation, value));
  auto const size = reservation(offsetof(Hart::Reservation, size));
  auto const result = [&](Reg from) {
    if (i.rd == 0) return;
    auto const to = target_of(i.rd, from);
    if (width == Width::dword)
      to_.movsx(Width::dword, to, from);
    else if (to != from)
      to_.mov(Width::qword, to, from);
    written(i.rd, to);
  };
  auto const physical = [&] {
    to_.mov(Width::qword, Reg::rdx, Reg::rcx);
    to_.alu(Alu::add, Width::qword, Reg::rdx,
            in_frame(MUT_FRAME_OFFSET(translation.host_to_physical)));
  };
  switch (op) {
    case Op::lr_w:
      if ((i.bits & kReleaseBit) != 0) {
        to_.alu(Alu::xor_, Width::dword, Reg::rax, Reg::rax);
        to_.lock_alu(Alu::or_, Width::dword, Mem{Reg::rsp}, Reg::rax);
      }
      to_.load(width, Reg::rax, place);
      to_.store(Width::qword, value, Reg::rax);
      physical();
      to_.store(Width::qword, address, Reg::rdx);
      to_.store(Width::byte, size, static_cast<std::int32_t>(width));
      return result(Reg::rax);
    case Op::sc_w: {
      auto* const failed = scratch_.label();
      physical();
      to_.alu(Alu::xor_, Width::qword, Reg::rdx, address);
      to_.load(Width::qword, Reg::rax, value);
      to_.jump(Cond::not_equal, *failed);
      to_.alu(Alu::cmp, Width::byte, size, static_cast<std::int32_t>(width));
      to_.jump(Cond::not_equal, *failed);
      read_into(Reg::rdx, i.rs2);
      to_.lock_cmpxchg(width, place, Reg::rdx);
      to_.bind(*failed);  // not equal, from wherever
      to_.set(Cond::not_equal, Reg::rax);
      to_.store(Width::byte, size, 0);
      if (i.rd == 0) return;
      to_.movzx(Width::byte, target_of(i.rd, Reg::rax), Reg::rax);
      return written(i.rd, target_of(i.rd, Reg::rax));
    }
    case Op::amoswap_w:
      read_into(Reg::rdx, i.rs2);
      to_.xchg(width, place, Reg::rdx);
      return result(Reg::rdx);
    case Op::amoadd_w:
      read_into(Reg::rdx, i.rs2);
      to_.lock_xadd(width, place, Reg::rdx);
      return result(Reg::rdx);
    case Op::amocas_w:
      read_into(Reg::rax, i.rd);
      read_into(Reg::rdx, i.rs2);
      to_.lock_cmpxchg(width, place, Reg::rdx);
      return result(Reg::rax);
    default:
      break;
  }
  auto const how = alu_of(op);
  MUT_ASSERT(how);
  if (i.rd == 0) {
    read_into(Reg::rdx, i.rs2);
    return to_.lock_alu(*how, width, place, Reg::rdx);
  }
  auto* const again = scratch_.label();
  to_.load(width, Reg::rax, place);
  to_.bind(*again);
  to_.mov(Width::qword, Reg::rdx, Reg::rax);
  alu_with(*how, width, Reg::rdx, i.rs2);
  to_.lock_cmpxchg(width, place, Reg::rdx);
  to_.jump(Cond::not_equal, *again);
  result(Reg::rax);
}

}  // namespace mutirao::machine
