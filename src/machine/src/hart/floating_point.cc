#include "hart/floating_point.h"

#include "soft_float/soft_float.h"

namespace mutirao::machine {
namespace {

namespace sf = soft_float;
using sf::Flags;
using sf::Outcome;
using sf::Rounding;

/// One instruction in the making: reads operands in the format F, writes results and flags.
template <sf::Format F>
class FpStep {
 public:
  FpStep(Hart& hart, Instruction const& instruction, Rounding mode)
      : hart_{hart}, instruction_{instruction}, mode_{mode} {}

  [[nodiscard]] F a() const { return get(instruction_.rs1); }
  [[nodiscard]] F b() const { return get(instruction_.rs2); }
  [[nodiscard]] F c() const { return get(instruction_.rs3); }
  [[nodiscard]] std::uint64_t x() const { return hart_.x[instruction_.rs1]; }
  [[nodiscard]] Rounding mode() const { return mode_; }

  template <sf::Format G>
  void to_f(Outcome<G> outcome) {
    if constexpr (sizeof(G) == 4)
      hart_.f[instruction_.rd] = boxed(outcome.value);
    else
      hart_.f[instruction_.rd] = outcome.value;
    hart_.mstatus |= status::kFs;
    raise(outcome.flags);
  }
  void to_f(F value) { to_f(Outcome<F>{value}); }

  /// Results of 32 bits are sign-extended, unsigned ones too (Unpriv. 20.7).
  template <class I>
  void to_x(Outcome<I> outcome) {
    if constexpr (sizeof(I) == 4)
      set_x(static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(outcome.value)}));
    else
      set_x(static_cast<std::uint64_t>(outcome.value));
    raise(outcome.flags);
  }
  void set_x(std::uint64_t value) {
    if (instruction_.rd != 0) hart_.x[instruction_.rd] = value;
  }

 private:
  [[nodiscard]] F get(unsigned reg) const {
    if constexpr (sizeof(F) == 4)
      return unboxed(hart_.f[reg]);
    else
      return hart_.f[reg];
  }
  void raise(Flags flags) {
    if (flags == 0) return;
    hart_.fflags |= flags;
    hart_.mstatus |= status::kFs;
  }

  Hart& hart_;
  Instruction const& instruction_;
  Rounding mode_;
};

// The operations of F and D are the same but for their format: `op` is given as that of F.
template <sf::Format F>
void execute_in_format(FpStep<F> step, Op op) {
  constexpr F sign = sf::kSignBit<F>;
  F const a = step.a();
  F const b = step.b();
  Rounding const mode = step.mode();
  switch (op) {
    case Op::fmadd_s:
      return step.to_f(sf::fma(a, b, step.c(), mode));
    case Op::fmsub_s:
      return step.to_f(sf::fma(a, b, F(step.c() ^ sign), mode));
    case Op::fnmsub_s:
      return step.to_f(sf::fma(F(a ^ sign), b, step.c(), mode));
    case Op::fnmadd_s:
      return step.to_f(sf::fma(F(a ^ sign), b, F(step.c() ^ sign), mode));
    case Op::fadd_s:
      return step.to_f(sf::add(a, b, mode));
    case Op::fsub_s:
      return step.to_f(sf::sub(a, b, mode));
    case Op::fmul_s:
      return step.to_f(sf::mul(a, b, mode));
    case Op::fdiv_s:
      return step.to_f(sf::div(a, b, mode));
    case Op::fsqrt_s:
      return step.to_f(sf::sqrt(a, mode));
    case Op::fsgnj_s:
      return step.to_f(F((a & ~sign) | (b & sign)));
    case Op::fsgnjn_s:
      return step.to_f(F((a & ~sign) | (~b & sign)));
    case Op::fsgnjx_s:
      return step.to_f(F(a ^ (b & sign)));
    case Op::fmin_s:
      return step.to_f(sf::min(a, b));
    case Op::fmax_s:
      return step.to_f(sf::max(a, b));
    case Op::fcvt_w_s:
      return step.to_x(sf::to_integer<std::int32_t>(a, mode));
    case Op::fcvt_wu_s:
      return step.to_x(sf::to_integer<std::uint32_t>(a, mode));
    case Op::fcvt_l_s:
      return step.to_x(sf::to_integer<std::int64_t>(a, mode));
    case Op::fcvt_lu_s:
      return step.to_x(sf::to_integer<std::uint64_t>(a, mode));
    case Op::feq_s:
      return step.to_x(sf::equal(a, b));
    case Op::flt_s:
      return step.to_x(sf::less(a, b));
    case Op::fle_s:
      return step.to_x(sf::less_equal(a, b));
    case Op::fclass_s:
      return step.set_x(sf::classify(a));
    case Op::fcvt_s_w:
      return step.to_f(sf::from_integer<F>(static_cast<std::int32_t>(step.x()), mode));
    case Op::fcvt_s_wu:
      return step.to_f(sf::from_integer<F>(static_cast<std::uint32_t>(step.x()), mode));
    case Op::fcvt_s_l:
      return step.to_f(sf::from_integer<F>(static_cast<std::int64_t>(step.x()), mode));
    case Op::fcvt_s_lu:
      return step.to_f(sf::from_integer<F>(step.x(), mode));
    default:
      return;
  }
}

/// The operation of F that does the same.
Op single_of(Op op) {
  constexpr auto distance = [](Op from, Op to) {
    return static_cast<int>(to) - static_cast<int>(from);
  };
  int by = 0;
  if (op >= Op::fld && op <= Op::fmax_d) by = distance(Op::fld, Op::flw);
  if (op >= Op::fcvt_w_d && op <= Op::fcvt_lu_d) by = distance(Op::fcvt_w_d, Op::fcvt_w_s);
  if (op >= Op::feq_d && op <= Op::fcvt_d_lu) by = distance(Op::feq_d, Op::feq_s);
  return static_cast<Op>(static_cast<int>(op) + by);
}

}  // namespace

bool execute_floating_point(Hart& hart, Instruction const& instruction) noexcept {
  if ((hart.mstatus & status::kFs) == 0) return false;
  unsigned const rm = instruction.rm == 7 ? hart.frm : instruction.rm;
  if (rm > static_cast<unsigned>(Rounding::nearest_away)) return false;
  auto const mode = static_cast<Rounding>(rm);
  FpStep<std::uint32_t> single{hart, instruction, mode};
  FpStep<std::uint64_t> twice{hart, instruction, mode};
  switch (instruction.op) {
    // Moves take the bits as they are, boxed or not.
    case Op::fmv_x_w:
      single.to_x(Outcome<std::uint32_t>{static_cast<std::uint32_t>(hart.f[instruction.rs1])});
      return true;
    case Op::fmv_w_x:
      single.to_f(static_cast<std::uint32_t>(single.x()));
      return true;
    case Op::fmv_x_d:
      twice.set_x(hart.f[instruction.rs1]);
      return true;
    case Op::fmv_d_x:
      twice.to_f(twice.x());
      return true;
    case Op::fcvt_s_d:
      twice.to_f(sf::convert<std::uint32_t>(twice.a(), mode));
      return true;
    case Op::fcvt_d_s:
      single.to_f(sf::convert<std::uint64_t>(single.a(), mode));
      return true;
    default:
      break;
  }
  if (instruction.op < Op::fld)
    execute_in_format(single, instruction.op);
  else
    execute_in_format(twice, single_of(instruction.op));
  return true;
}

}  // namespace mutirao::machine
