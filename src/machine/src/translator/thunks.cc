#include "translator/thunks.h"

#include <bit>

#include "translator/registers.h"

namespace mutirao::machine {
namespace {

using codegen::Alu;
using codegen::Assembler;
using codegen::Cond;
using codegen::Label;
using codegen::Mem;
using codegen::Reg;
using codegen::Shift;
using codegen::Width;

constexpr std::array kSavedByCallee{Reg::rbx, Reg::rbp, Reg::r12, Reg::r13, Reg::r14, Reg::r15};

/// Below them: what is no call, so that no return takes it for one, at a multiple of 16.
constexpr std::int32_t kStackBytes = kCallBytes + 8;
constexpr std::int32_t kNoReturn = 1;  // no instruction begins there

void spill_pins(Assembler& to) {
  for (auto const& [guest, host] : kPins)
    to.store(Width::qword, in_frame(offset_of_x(guest)), host);
}
void load_pins(Assembler& to) {
  for (auto const& [guest, host] : kPins) to.load(Width::qword, host, in_frame(offset_of_x(guest)));
}

/// Functions compute as programs of the host do; what the guest's instructions raised is kept.
void use_mxcsr_of_host(Assembler& to) {
  to.store_mxcsr(in_frame(MUT_FRAME_OFFSET(translation.guest_mxcsr)));
  to.load_mxcsr(in_frame(MUT_FRAME_OFFSET(translation.host_mxcsr)));
}

/// From inside a thunk that was called: calls `function` with the frame first and what `arguments`
/// puts into place, and tests what it returns.
void call_function(Assembler& to, std::uint64_t function, auto const& arguments) {
  spill_pins(to);
  use_mxcsr_of_host(to);
  arguments();
  to.lea(Width::qword, Reg::rdi, in_frame(-kFrameBias));
  to.mov(Reg::rax, function);
  to.alu(Alu::sub, Width::qword, Reg::rsp, 8);  // calls are made at a multiple of 16
  to.call(Reg::rax);
  to.alu(Alu::add, Width::qword, Reg::rsp, 8);
  to.load_mxcsr(in_frame(MUT_FRAME_OFFSET(translation.guest_mxcsr)));
  load_pins(to);
  to.test(Width::dword, Reg::rax, Reg::rax);
}

/// The Tlb's direct-mapped table (tlb.h). The address is in rax; rcx and rdx are used. When it
/// knows the page, ZF is set and rdx points at the entry.
void find_entry(Assembler& to, std::int32_t table) {
  to.mov(Width::qword, Reg::rdx, Reg::rax);
  to.shift(Shift::shr, Width::qword, Reg::rdx, kTlbShift);
  to.alu(Alu::and_, Width::dword, Reg::rdx, kTlbMask);
  to.alu(Alu::add, Width::qword, Reg::rdx, in_frame(table));
  to.mov(Width::qword, Reg::rcx, Reg::rax);
  to.alu(Alu::and_, Width::qword, Reg::rcx, -static_cast<std::int32_t>(kPageSize));
  to.alu(Alu::or_, Width::qword, Reg::rcx, in_frame(MUT_FRAME_OFFSET(translation.data_context)));
  to.alu(Alu::cmp, Width::qword, Reg::rcx, Mem{Reg::rdx, 0});
}

/// The page of the entry at rdx is known from now on for the base register in rcx. Clears the
/// carry.
void remember_page(Assembler& to, std::int32_t pages) {
  using Page = TranslationState::Page;
  using Pages = TranslationState::Pages;
  auto const in_pages = [&](std::size_t offset, std::uint8_t scale) {
    return Mem{kFrame, pages + static_cast<std::int32_t>(offset), Reg::rcx, scale};
  };
  to.load(Width::qword, Reg::rax, Mem{Reg::rdx, offsetof(Tlb::Entry, begin)});
  to.store(Width::qword, in_pages(offsetof(Pages, begin), 8), Reg::rax);
  // Pages::offset_of(rcx)
  static_assert(Pages::kInRow == 16 &&
                Pages::offset_of(16) == 2 * 16 * sizeof(Page) + Pages::offset_of(0));
  to.mov(Width::dword, Reg::rax, Reg::rcx);
  to.alu(Alu::and_, Width::dword, Reg::rax, Pages::kInRow);
  to.alu(Alu::add, Width::dword, Reg::rcx, Reg::rax);
  to.shift(Shift::shl, Width::dword, Reg::rcx, std::countr_zero(sizeof(Page)));
  auto const field = [&](std::size_t offset) { return in_pages(Pages::offset_of(0) + offset, 1); };
  to.load(Width::qword, Reg::rax, Mem{Reg::rdx, offsetof(Tlb::Entry, addend)});
  to.store(Width::qword, field(offsetof(Page, addend)), Reg::rax);
  to.load(Width::qword, Reg::rax, Mem{Reg::rdx, offsetof(Tlb::Entry, bytes)});
  std::int32_t before = 1;
  for (std::size_t n = 0; n < TranslationState::kSpans.size(); ++n) {
    to.alu(Alu::sub, Width::qword, Reg::rax, TranslationState::kSpans[n] - before);
    to.store(Width::qword, field(offsetof(Page, room) + 8 * n), Reg::rax);
    before = TranslationState::kSpans[n];
  }
}

std::size_t write_find(Assembler& to, std::int32_t table, std::int32_t pages) {
  auto const begin = to.size();
  Label unknown;
  to.push(Reg::rdx);
  find_entry(to, table);
  to.pop(Reg::rcx);
  to.jump(Cond::not_equal, unknown);
  remember_page(to, pages);
  to.ret();
  to.bind(unknown);
  to.alu(Alu::xor_, Width::dword, Reg::rax, Reg::rax);
  to.alu(Alu::cmp, Width::dword, Reg::rax, 1);  // sets the carry
  to.ret();
  return begin;
}

/// The table, then the function.
std::size_t write_missed(Assembler& to, unsigned size, std::int32_t table, std::int32_t pages,
                         std::uint64_t function, Label& leave) {
  auto const begin = to.size();
  Label missed;
  to.push(Reg::rcx);
  if (size > 1) {  // in two pages
    to.lea(Width::qword, Reg::rcx, Mem{Reg::rax, static_cast<std::int32_t>(size - 1)});
    to.alu(Alu::xor_, Width::qword, Reg::rcx, Reg::rax);
    to.test(Width::qword, Reg::rcx, -static_cast<std::int32_t>(kPageSize));
    to.jump(Cond::not_equal, missed);
  }
  to.push(Reg::rdx);
  find_entry(to, table);
  to.pop(Reg::rcx);
  to.jump(Cond::not_equal, missed);
  remember_page(to, pages);
  to.alu(Alu::add, Width::qword, Reg::rsp, 8);  // without a carry
  to.ret();

  to.bind(missed);
  to.pop(Reg::rcx);
  call_function(to, function, [&] {
    to.mov(Width::qword, Reg::rsi, Reg::rax);
    to.mov(Width::qword, Reg::rdx, Reg::rcx);
  });
  to.jump(Cond::not_equal, leave);
  to.alu(Alu::cmp, Width::dword, Reg::rax, 1);  // 0 is below: sets the carry
  to.ret();
  return begin;
}

}  // namespace

Mem write_look_up(Assembler& to, Label& unknown) {
  static_assert(sizeof(TranslationState::Target) == 16);
  auto const targets = MUT_FRAME_OFFSET(translation.targets);
  constexpr std::int32_t kCode = offsetof(TranslationState::Target, code);
  to.mov(Width::qword, Reg::rcx, Reg::rdx);
  to.shift(Shift::shr, Width::qword, Reg::rcx, TranslationState::kTargetShift);
  to.alu(Alu::xor_, Width::dword, Reg::rcx, Reg::rdx);
  to.alu(Alu::and_, Width::dword, Reg::rcx,
         static_cast<std::int32_t>(2 * (TranslationState::kTargets - 1)));
  to.alu(Alu::xor_, Width::qword, Reg::rdx, in_frame(MUT_FRAME_OFFSET(translation.context_key)));
  // Each slot is 16 bytes and stands for two of code.
  to.alu(Alu::cmp, Width::qword, Reg::rdx, Mem{kFrame, targets, Reg::rcx, 8});
  to.jump(Cond::not_equal, unknown);
  return {kFrame, targets + kCode, Reg::rcx, 8};
}

Thunks write_thunks(Assembler& to, AccessFunction access, CallOutFunction call_out) {
  Thunks thunks;
  thunks.enter = to.size();
  for (auto const reg : kSavedByCallee) to.push(reg);
  to.alu(Alu::sub, Width::qword, Reg::rsp, kStackBytes);
  to.lea(Width::qword, kFrame, Mem{Reg::rdi, kFrameBias});
  to.mov(Width::qword, Reg::rax, Reg::rsi);
  to.store(Width::qword, Mem{Reg::rsp, kReturnOfCall}, kNoReturn);
  to.store(Width::qword, in_frame(MUT_FRAME_OFFSET(translation.stack)), Reg::rsp);
  to.lea(Width::qword, Reg::rcx, Mem{Reg::rsp, -kCallBytes * kCallsMax});
  to.store(Width::qword, in_frame(MUT_FRAME_OFFSET(translation.stack_limit)), Reg::rcx);
  to.load_mxcsr(in_frame(MUT_FRAME_OFFSET(translation.guest_mxcsr)));
  load_pins(to);
  to.jump(Reg::rax);

  Label leave_by_link;
  auto const target = Mem{Reg::rax, offsetof(Link, target)};
  thunks.look_up_link = to.size();
  to.alu(Alu::sub, Width::dword, Mem{Reg::rax, offsetof(Link, patience)}, 1);
  to.jump(Cond::equal, leave_by_link);
  to.load(Width::qword, Reg::rdx, target);
  to.jump(write_look_up(to, leave_by_link));
  to.bind(leave_by_link);
  thunks.leave_by_link = to.size();
  to.store(Width::qword, in_frame(MUT_FRAME_OFFSET(translation.link)), Reg::rax);
  to.load(Width::qword, Reg::rax, target);
  to.store(Width::qword, in_frame(MUT_FRAME_OFFSET(hart.pc)), Reg::rax);

  Label leave;
  to.bind(leave);
  thunks.leave = to.size();
  spill_pins(to);
  use_mxcsr_of_host(to);
  to.load(Width::qword, Reg::rsp, in_frame(MUT_FRAME_OFFSET(translation.stack)));
  to.alu(Alu::add, Width::qword, Reg::rsp, kStackBytes);
  for (auto i = kSavedByCallee.size(); i-- > 0;) to.pop(kSavedByCallee[i]);
  to.ret();

  thunks.leave_at_site = to.size();
  to.movzx(Width::word, Reg::rcx, Mem{Reg::rax, offsetof(Site, rest)});
  to.alu(Alu::add, Width::qword, in_frame(MUT_FRAME_OFFSET(translation.budget)), Reg::rcx);
  to.load(Width::qword, Reg::rax, Mem{Reg::rax, offsetof(Site, pc)});
  to.store(Width::qword, in_frame(MUT_FRAME_OFFSET(hart.pc)), Reg::rax);
  to.jump(leave);

  auto const accessed = reinterpret_cast<std::uint64_t>(access);
  constexpr auto kLoads = MUT_FRAME_OFFSET(translation.loads);
  constexpr auto kStores = MUT_FRAME_OFFSET(translation.stores);
  auto load_pages = MUT_FRAME_OFFSET(translation.pages[0].loads);
  auto store_pages = MUT_FRAME_OFFSET(translation.pages[0].stores);
  for (auto& of : thunks.pages) {
    for (unsigned i = 0; i < 4; ++i) {
      of.load_missed[i] = write_missed(to, 1u << i, kLoads, load_pages, accessed, leave);
      of.store_missed[i] = write_missed(to, 1u << i, kStores, store_pages, accessed, leave);
    }
    of.find_load = write_find(to, kLoads, load_pages);
    of.find_store = write_find(to, kStores, store_pages);
    load_pages += sizeof(TranslationState::PageSet);
    store_pages += sizeof(TranslationState::PageSet);
  }

  thunks.call_out = to.size();
  call_function(to, reinterpret_cast<std::uint64_t>(call_out),
                [&] { to.mov(Width::qword, Reg::rsi, Reg::rcx); });
  to.jump(Cond::not_equal, leave);
  to.ret();
  return thunks;
}

}  // namespace mutirao::machine
