#include "translator/operands.h"

#include "hart/floating_point.h"

namespace mutirao::machine {

bool is_memory_access(Op op) noexcept {
  return (op >= Op::lb && op <= Op::sd) || op == Op::flw || op == Op::fld || op == Op::fsw ||
         op == Op::fsd;
}
bool is_store_access(Op op) noexcept {
  return (op >= Op::sb && op <= Op::sd) || op == Op::fsw || op == Op::fsd;
}
std::int32_t size_of_access(Op op) noexcept {
  switch (op) {
    case Op::lb:
    case Op::lbu:
    case Op::sb:
      return 1;
    case Op::lh:
    case Op::lhu:
    case Op::sh:
      return 2;
    case Op::lw:
    case Op::lwu:
    case Op::sw:
    case Op::flw:
    case Op::fsw:
      return 4;
    default:
      return 8;
  }
}

namespace {
constexpr bool is_link_register(unsigned x) noexcept { return x == 1 || x == 5; }
}  // namespace

bool is_call(Instruction const& i) noexcept {
  return (i.op == Op::jal || i.op == Op::jalr) && is_link_register(i.rd);
}
bool is_return(Instruction const& i) noexcept {
  return i.op == Op::jalr && i.rd == 0 && i.imm == 0 && is_link_register(i.rs1);
}

bool writes_x(Instruction const& i) noexcept {
  if (is_store_access(i.op) || (i.op >= Op::beq && i.op <= Op::bgeu)) return false;
  if (!is_floating_point(i.op)) return true;
  switch (i.op) {
    case Op::fcvt_w_s:
    case Op::fcvt_wu_s:
    case Op::fcvt_l_s:
    case Op::fcvt_lu_s:
    case Op::fmv_x_w:
    case Op::feq_s:
    case Op::flt_s:
    case Op::fle_s:
    case Op::fclass_s:
    case Op::fcvt_w_d:
    case Op::fcvt_wu_d:
    case Op::fcvt_l_d:
    case Op::fcvt_lu_d:
    case Op::fmv_x_d:
    case Op::feq_d:
    case Op::flt_d:
    case Op::fle_d:
    case Op::fclass_d:
      return true;
    default:
      return false;
  }
}
bool reads_x(Instruction const& i) noexcept {
  if (!is_floating_point(i.op) || is_memory_access(i.op)) return true;
  switch (i.op) {
    case Op::fcvt_s_w:
    case Op::fcvt_s_wu:
    case Op::fcvt_s_l:
    case Op::fcvt_s_lu:
    case Op::fmv_w_x:
    case Op::fcvt_d_w:
    case Op::fcvt_d_wu:
    case Op::fcvt_d_l:
    case Op::fcvt_d_lu:
    case Op::fmv_d_x:
      return true;
    default:
      return false;
  }
}
bool is_single(Op op) noexcept {
  return (op >= Op::flw && op <= Op::fmv_w_x) || op == Op::fcvt_s_d || op == Op::fcvt_d_s;
}

}  // namespace mutirao::machine
