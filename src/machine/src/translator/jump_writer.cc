#include <cstddef>

#include "translator/block_writer.h"
#include "translator/operands.h"
#include "translator/thunks.h"

/// Where blocks and regions lead: to each other, by ways that are found once.
namespace mutirao::machine {

using codegen::Alu;
using codegen::Cond;
using codegen::Label;
using codegen::Mem;
using codegen::Reg;
using codegen::Width;

Label* BlockWriter::head_of(std::uint64_t pc) noexcept {
  for (std::size_t n = 0; n < runs_.size(); ++n)
    if (runs_[n].pc == pc) return &heads_[n];
  return nullptr;
}

/// To an address that is known. So many instructions were counted and not begun.
void BlockWriter::go_to(std::uint64_t target, std::uint32_t unused) {
  // A block goes to itself by a link too: that may lead to a region, later.
  if (auto* const head = head_of(target); head != nullptr && block_.is_region) {
    if (unused != 0) count_down(-static_cast<std::int32_t>(unused));
    return to_.jump(*head);
  }
  put_back();
  return_unused(unused);
  lead_to(target, Way::jump);
}

/// In the same page it is led straight to its block, once there is one: that this page is where it
/// was holds as long as code in it runs, and what it has called. Another page may be another in
/// another context: the way there is that of one, and is taken away when what is mapped changes.
void BlockWriter::lead_to(std::uint64_t target, Way way) {
  bool const across = ((target ^ block_.pc) & ~kPageMask) != 0;
  bool const crosses = (target & kPageMask) == kPageSize - 2;  // if it is no short one
  if (way == Way::jump && !across && !crosses) return link_to(target, false);
  if (crosses) {
    to_.mov(Reg::rax, target);
    return look_up_target(way);
  }
  auto* const stub = scratch_.label();
  auto& link = new_link(target);
  auto* const elsewhere = scratch_.label();
  auto* const back = scratch_.label();
  if (across) {
    to_.alu(Alu::cmp, Width::dword, in_frame(MUT_FRAME_OFFSET(translation.context_key) + 4),
            static_cast<std::int32_t>(TranslationState::kNoContext));
    link.guard = here() - 4;
    to_.jump(Cond::not_equal, *elsewhere);
  }
  link.displacement = place_of(way == Way::call ? to_.call_to_patch(*stub) : to_.jump_to_patch());
  to_.bind(*back);
  scratch_.later([=, this, &link] {
    link.stub = here();
    if (across) {
      to_.bind(*elsewhere);
      to_.mov(Reg::rax, reinterpret_cast<std::uint64_t>(&link));
      if (way == Way::call)
        call(thunks_.look_up_link);
      else
        jump(thunks_.look_up_link);
      if (way == Way::jump) return;
      to_.jump(*back);
      link.stub = here();
    }
    to_.bind(*stub);
    leave_by(link);
  });
}

Link& BlockWriter::new_link(std::uint64_t target) {
  auto& link = arena_.make<Link>();
  link.target = target;
  (last_link_ == nullptr ? block_.links : last_link_->next) = &link;
  last_link_ = &link;
  return link;
}

void BlockWriter::leave_by(Link const& link) {
  to_.mov(Reg::rax, reinterpret_cast<std::uint64_t>(&link));
  jump(thunks_.leave_by_link);
}

void BlockWriter::link_to(std::uint64_t target, bool to_plain) {
  auto& link = new_link(target);
  link.to_plain = to_plain;
  link.displacement = place_of(to_.jump_to_patch());
  link.stub = link.displacement + 4;
  leave_by(link);
}

/// Out of a region, to the block that begins with the same instruction and has a way for all cases.
void BlockWriter::leave_to_plain(Site const& site) {
  put_back();
  return_unused(site.rest);
  link_to(site.pc, site.pc == block_.pc);
}

/// The address is in rax.
void BlockWriter::look_up_target(Way way) {
  auto* const unknown = scratch_.label();
  to_.mov(Width::qword, Reg::rdx, Reg::rax);
  auto const code = write_look_up(to_, *unknown);
  go_by(code, way);
  scratch_.later([=, this] {
    to_.bind(*unknown);
    leave_for_target();
  });
}

/// The address is in rax.
void BlockWriter::leave_for_target() {
  to_.store(Width::qword, in_frame(MUT_FRAME_OFFSET(hart.pc)), Reg::rax);
  jump(thunks_.leave);
}

void BlockWriter::go_by(Mem code, Way way) {
  if (way == Way::call)
    to_.call(code);
  else
    to_.jump(code);
}

// --- Instructions --------------------------------------------------------------------------------

void BlockWriter::jump_known(Site const& site, std::uint64_t target) {
  auto const& i = site.instruction;
  auto const back = site.pc + i.length;
  if (i.rd != 0) constant(i.rd, back);
  if (!is_call(i)) return go_to(target, 0);
  auto* const head = block_.is_region ? head_of(target) : nullptr;
  if (head == nullptr) put_back();
  open_call(back);
  if (head != nullptr)
    to_.call(*head);
  else
    lead_to(target, Way::call);
  land(back);
}

void BlockWriter::jump_register(Site const& site) {
  auto const& i = site.instruction;
  if (auto const target = known_target(site)) return jump_known(site, *target);
  auto const back = site.pc + i.length;
  read_into(Reg::rax, i.rs1);
  if (i.imm != 0) to_.alu(Alu::add, Width::qword, Reg::rax, i.imm);
  to_.alu(Alu::and_, Width::qword, Reg::rax, -2);
  if (i.rd != 0) {
    auto const to = target_of(i.rd, Reg::rcx);
    to_.mov(to, back);
    written(i.rd, to);
  }
  put_back();
  if (is_return(i)) return return_from_call();
  if (!is_call(i)) return look_up_target(Way::jump);
  open_call(back);
  look_up_target(Way::call);
  land(back);
}

/// A base that the instruction before it has made from pc: how functions far away are called.
std::optional<std::uint64_t> BlockWriter::known_target(Site const& site) noexcept {
  if (head_of(site.pc) != nullptr || site.instruction.rs1 == 0) return {};
  auto const& before = (&site)[-1];
  if (before.instruction.op != Op::auipc || before.instruction.rd != site.instruction.rs1)
    return {};
  auto const base = before.pc + immediate(before.instruction);
  return (base + immediate(site.instruction)) & ~std::uint64_t{1};
}

// --- Calls and returns ---------------------------------------------------------------------------

/// The call of the host that follows is for one of the guest, which returns to `back`. Leaves rax
/// as it is. Where so many are open already that there is no room, none of them is known any more.
void BlockWriter::open_call(std::uint64_t back) {
  auto* const full = scratch_.label();
  auto* const room = scratch_.label();
  to_.alu(Alu::cmp, Width::qword, Reg::rsp, in_frame(MUT_FRAME_OFFSET(translation.stack_limit)));
  to_.jump(Cond::below_equal, *full);
  to_.bind(*room);
  to_.mov(Reg::rcx, back);
  to_.push(Reg::rcx);
  scratch_.later([=, this] {
    to_.bind(*full);
    to_.load(Width::qword, Reg::rsp, in_frame(MUT_FRAME_OFFSET(translation.stack)));
    to_.jump(*room);
  });
}

/// Where the guest returns to after a call.
void BlockWriter::land(std::uint64_t back) {
  to_.pop(Reg::rcx);
  auto const* const before = last_link_;
  lead_to(back, Way::jump);
  if (last_link_ != before) last_link_->returned_to = true;
}

/// To the address in rax: as a rule where the last call that is open returns to. If not, the guest
/// has left functions in another way, or the code was left meanwhile: no call is known any more.
void BlockWriter::return_from_call() {
  auto* const elsewhere = scratch_.label();
  to_.alu(Alu::cmp, Width::qword, Reg::rax, Mem{Reg::rsp, kReturnOfCall});
  to_.jump(Cond::not_equal, *elsewhere);
  to_.ret();
  scratch_.later([=, this] {
    to_.bind(*elsewhere);
    to_.load(Width::qword, Reg::rsp, in_frame(MUT_FRAME_OFFSET(translation.stack)));
    look_up_target(Way::jump);
  });
}

}  // namespace mutirao::machine
