#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// One RISC-V instruction, taken apart.
///
/// The hart's encodings scatter the same few fields over dozens of layouts, and half of them come
/// in a second, 16-bit spelling. Everything that executes or translates instructions wants neither:
/// here an instruction is an operation, register numbers and one immediate, whatever it was written
/// as.
///
/// Values; no memory, no state. RISC-V Unprivileged ISA 20240411, chapter 35 (instruction listings)
/// and 27 (C); Privileged ISA 20240411, section 3.3 and 10.6.
namespace mutirao::machine {

/// What an instruction does. Compressed instructions have the operation that they abbreviate.
// clang-format off
enum class Op : std::uint16_t {
  illegal,
  // RV64I
  lui, auipc, jal, jalr, beq, bne, blt, bge, bltu, bgeu,
  lb, lh, lw, ld, lbu, lhu, lwu, sb, sh, sw, sd,
  addi, slti, sltiu, xori, ori, andi, slli, srli, srai,
  add, sub, sll, slt, sltu, xor_, srl, sra, or_, and_,
  addiw, slliw, srliw, sraiw, addw, subw, sllw, srlw, sraw,
  fence, pause, ecall, ebreak,
  // Zifencei, Zicsr
  fence_i, csrrw, csrrs, csrrc, csrrwi, csrrsi, csrrci,
  // Privileged
  mret, sret, wfi, sfence_vma,
  // M
  mul, mulh, mulhsu, mulhu, div, divu, rem, remu, mulw, divw, divuw, remw, remuw,
  // A, Zacas, Zawrs
  lr_w, sc_w, amoswap_w, amoadd_w, amoxor_w, amoand_w, amoor_w, amomin_w, amomax_w, amominu_w,
  amomaxu_w, amocas_w,
  lr_d, sc_d, amoswap_d, amoadd_d, amoxor_d, amoand_d, amoor_d, amomin_d, amomax_d, amominu_d,
  amomaxu_d, amocas_d, amocas_q,
  wrs_nto, wrs_sto,
  // F
  flw, fsw, fmadd_s, fmsub_s, fnmsub_s, fnmadd_s, fadd_s, fsub_s, fmul_s, fdiv_s, fsqrt_s,
  fsgnj_s, fsgnjn_s, fsgnjx_s, fmin_s, fmax_s, fcvt_w_s, fcvt_wu_s, fcvt_l_s, fcvt_lu_s, fmv_x_w,
  feq_s, flt_s, fle_s, fclass_s, fcvt_s_w, fcvt_s_wu, fcvt_s_l, fcvt_s_lu, fmv_w_x,
  // D
  fld, fsd, fmadd_d, fmsub_d, fnmsub_d, fnmadd_d, fadd_d, fsub_d, fmul_d, fdiv_d, fsqrt_d,
  fsgnj_d, fsgnjn_d, fsgnjx_d, fmin_d, fmax_d, fcvt_s_d, fcvt_d_s, fcvt_w_d, fcvt_wu_d, fcvt_l_d,
  fcvt_lu_d, fmv_x_d, feq_d, flt_d, fle_d, fclass_d, fcvt_d_w, fcvt_d_wu, fcvt_d_l, fcvt_d_lu,
  fmv_d_x,
  // Zba
  add_uw, sh1add, sh2add, sh3add, sh1add_uw, sh2add_uw, sh3add_uw, slli_uw,
  // Zbb
  andn, orn, xnor, clz, ctz, cpop, clzw, ctzw, cpopw, max, maxu, min, minu, sext_b, sext_h, zext_h,
  rol, ror, rori, rolw, rorw, roriw, orc_b, rev8,
  // Zbc
  clmul, clmulh, clmulr,
  // Zbs
  bclr, bclri, bext, bexti, binv, binvi, bset, bseti,
  // Zicbom, Zicboz
  cbo_inval, cbo_clean, cbo_flush, cbo_zero
};
// clang-format on
inline constexpr std::size_t kOpCount = static_cast<std::size_t>(Op::cbo_zero) + 1;

/// The assembler's name: "amoadd.w"; "illegal" for what is none.
[[nodiscard]] std::string_view to_string(Op op) noexcept;

struct Instruction {
  Op op = Op::illegal;
  std::uint8_t rd = 0;
  std::uint8_t rs1 = 0;  ///< the immediate of csrrwi, csrrsi and csrrci
  std::uint8_t rs2 = 0;
  std::uint8_t rs3 = 0;
  std::uint8_t rm = 0;      ///< rounding mode of floating-point instructions; 7 is "as frm says"
  std::uint8_t length = 0;  ///< 2 or 4 bytes
  /// Sign-extended, already shifted into place; the shift amount of shifts; the number of the CSR.
  std::int32_t imm = 0;
  /// As it was fetched; zero-extended when compressed. What xtval shows of an illegal instruction.
  std::uint32_t bits = 0;

  friend bool operator==(Instruction const&, Instruction const&) = default;
};

[[nodiscard]] constexpr bool is_csr(Op op) noexcept { return op >= Op::csrrw && op <= Op::csrrci; }

/// What may change where the hart is, its privilege, or what it sees of memory.
[[nodiscard]] constexpr bool changes_context(Op op) noexcept {
  return op == Op::ecall || op == Op::ebreak || op == Op::mret || op == Op::sret || op == Op::wfi ||
         op == Op::sfence_vma;
}
/// Bytes that an instruction for cache blocks is about.
inline constexpr std::uint64_t kCacheBlock = 64;
[[nodiscard]] constexpr bool is_cache_block(Op op) noexcept {
  return op >= Op::cbo_inval && op <= Op::cbo_zero;
}

/// The immediate as it takes part in what is computed.
[[nodiscard]] constexpr std::uint64_t immediate(Instruction const& instruction) noexcept {
  return static_cast<std::uint64_t>(std::int64_t{instruction.imm});
}

static_assert(sizeof(Instruction) == 16, "a page of decoded slots is eight pages of memory");

}  // namespace mutirao::machine
