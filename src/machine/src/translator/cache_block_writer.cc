// Cache blocks: cbo.zero, with which kernels clear their pages. Unpriv. 20240411, 19.
#include "isa/instruction.h"
#include "translator/block_writer.h"
#include "translator/page_fields.h"

namespace mutirao::machine {
namespace {

using codegen::Alu;
using codegen::Cond;
using codegen::Label;
using codegen::Mem;
using codegen::Reg;
using codegen::Width;

}  // namespace

void BlockWriter::zero_cache_block(Site& site) {
  PageFields const page{block_.privilege, site.instruction.rs1, true};
  auto* const refused = scratch_.label();
  auto* const missed = scratch_.label();
  auto* const known = scratch_.label();
  auto* const done = scratch_.label();
  if (block_.privilege != Privilege::machine) {
    to_.load(Width::qword, Reg::rax, in_frame(MUT_FRAME_OFFSET(hart.menvcfg)));
    if (block_.privilege == Privilege::user)
      to_.alu(Alu::and_, Width::qword, Reg::rax, in_frame(MUT_FRAME_OFFSET(hart.senvcfg)));
    to_.test(Width::dword, Reg::rax, static_cast<std::int32_t>(envcfg::kCbze));
    to_.jump(Cond::equal, *refused);
  }
  auto const look = [=, this, &site] {  // rcx: the block
    read_into(Reg::rcx, site.instruction.rs1);
    to_.alu(Alu::and_, Width::qword, Reg::rcx, -static_cast<std::int32_t>(kCacheBlock));
    to_.mov(Width::qword, Reg::rdx, Reg::rcx);
    to_.alu(Alu::sub, Width::qword, Reg::rdx, page.begin());
    to_.alu(Alu::cmp, Width::qword, Reg::rdx, page.room(static_cast<std::int32_t>(kCacheBlock)));
  };
  look();
  to_.jump(Cond::above_equal, *missed);
  to_.bind(*known);
  to_.alu(Alu::add, Width::qword, Reg::rcx, page.addend());
  to_.alu(Alu::xor_, Width::dword, Reg::rdx, Reg::rdx);
  for (std::int32_t at = 0; at < static_cast<std::int32_t>(kCacheBlock); at += 8)
    to_.store(Width::qword, Mem{Reg::rcx, at}, Reg::rdx);
  to_.bind(*done);

  scratch_.later([=, this, &site] {
    to_.bind(*missed);
    to_.mov(Width::qword, Reg::rax, Reg::rcx);
    to_.mov(Reg::rdx, site.instruction.rs1);
    call(of_pages().find_store);
    to_.jump(Cond::below, *refused);
    look();
    to_.jump(Cond::below, *known);
    to_.bind(*refused);
    call_out(site);
    to_.jump(*done);
  });
}

}  // namespace mutirao::machine
