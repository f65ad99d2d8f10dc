#include "isa/decode.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace mutirao::machine {
namespace {

/// Where the registers and the immediate of an encoding lie.
// clang-format off
enum class Layout : std::uint8_t {
  none, r, r4, r_rm, i, shift, shift_w, s, b, u, j, csr,
  // Compressed; the names follow Unpriv. table 27.1, with what the immediate means.
  c_addi4spn, c_load_w, c_load_d, c_store_w, c_store_d, c_imm, c_li, c_lui, c_addi16sp, c_shift,
  c_shift_prime, c_andi, c_arith, c_jump, c_branch, c_lwsp, c_ldsp, c_swsp, c_sdsp, c_jr, c_jalr,
  c_mv, c_add
};
// clang-format on

struct Encoding {
  std::string_view name;
  Op op;
  Layout layout;
  /// Most significant bit first; '.' is any bit, spaces separate fields.
  std::string_view pattern;
};

// Within a row of the index below the first match wins: special cases stand before the general
// ones.
constexpr Encoding kEncodings[] = {
    // RV64I (Unpriv. 2, 4)
    {"lui", Op::lui, Layout::u, ".................... ..... 0110111"},
    {"auipc", Op::auipc, Layout::u, ".................... ..... 0010111"},
    {"jal", Op::jal, Layout::j, ".................... ..... 1101111"},
    {"jalr", Op::jalr, Layout::i, "............ ..... 000 ..... 1100111"},
    {"beq", Op::beq, Layout::b, "....... ..... ..... 000 ..... 1100011"},
    {"bne", Op::bne, Layout::b, "....... ..... ..... 001 ..... 1100011"},
    {"blt", Op::blt, Layout::b, "....... ..... ..... 100 ..... 1100011"},
    {"bge", Op::bge, Layout::b, "....... ..... ..... 101 ..... 1100011"},
    {"bltu", Op::bltu, Layout::b, "....... ..... ..... 110 ..... 1100011"},
    {"bgeu", Op::bgeu, Layout::b, "....... ..... ..... 111 ..... 1100011"},
    {"lb", Op::lb, Layout::i, "............ ..... 000 ..... 0000011"},
    {"lh", Op::lh, Layout::i, "............ ..... 001 ..... 0000011"},
    {"lw", Op::lw, Layout::i, "............ ..... 010 ..... 0000011"},
    {"ld", Op::ld, Layout::i, "............ ..... 011 ..... 0000011"},
    {"lbu", Op::lbu, Layout::i, "............ ..... 100 ..... 0000011"},
    {"lhu", Op::lhu, Layout::i, "............ ..... 101 ..... 0000011"},
    {"lwu", Op::lwu, Layout::i, "............ ..... 110 ..... 0000011"},
    {"sb", Op::sb, Layout::s, "....... ..... ..... 000 ..... 0100011"},
    {"sh", Op::sh, Layout::s, "....... ..... ..... 001 ..... 0100011"},
    {"sw", Op::sw, Layout::s, "....... ..... ..... 010 ..... 0100011"},
    {"sd", Op::sd, Layout::s, "....... ..... ..... 011 ..... 0100011"},
    {"addi", Op::addi, Layout::i, "............ ..... 000 ..... 0010011"},
    {"slti", Op::slti, Layout::i, "............ ..... 010 ..... 0010011"},
    {"sltiu", Op::sltiu, Layout::i, "............ ..... 011 ..... 0010011"},
    {"xori", Op::xori, Layout::i, "............ ..... 100 ..... 0010011"},
    {"ori", Op::ori, Layout::i, "............ ..... 110 ..... 0010011"},
    {"andi", Op::andi, Layout::i, "............ ..... 111 ..... 0010011"},
    {"slli", Op::slli, Layout::shift, "000000 ...... ..... 001 ..... 0010011"},
    {"srli", Op::srli, Layout::shift, "000000 ...... ..... 101 ..... 0010011"},
    {"srai", Op::srai, Layout::shift, "010000 ...... ..... 101 ..... 0010011"},
    {"add", Op::add, Layout::r, "0000000 ..... ..... 000 ..... 0110011"},
    {"sub", Op::sub, Layout::r, "0100000 ..... ..... 000 ..... 0110011"},
    {"sll", Op::sll, Layout::r, "0000000 ..... ..... 001 ..... 0110011"},
    {"slt", Op::slt, Layout::r, "0000000 ..... ..... 010 ..... 0110011"},
    {"sltu", Op::sltu, Layout::r, "0000000 ..... ..... 011 ..... 0110011"},
    {"xor", Op::xor_, Layout::r, "0000000 ..... ..... 100 ..... 0110011"},
    {"srl", Op::srl, Layout::r, "0000000 ..... ..... 101 ..... 0110011"},
    {"sra", Op::sra, Layout::r, "0100000 ..... ..... 101 ..... 0110011"},
    {"or", Op::or_, Layout::r, "0000000 ..... ..... 110 ..... 0110011"},
    {"and", Op::and_, Layout::r, "0000000 ..... ..... 111 ..... 0110011"},
    {"addiw", Op::addiw, Layout::i, "............ ..... 000 ..... 0011011"},
    {"slliw", Op::slliw, Layout::shift_w, "0000000 ..... ..... 001 ..... 0011011"},
    {"srliw", Op::srliw, Layout::shift_w, "0000000 ..... ..... 101 ..... 0011011"},
    {"sraiw", Op::sraiw, Layout::shift_w, "0100000 ..... ..... 101 ..... 0011011"},
    {"addw", Op::addw, Layout::r, "0000000 ..... ..... 000 ..... 0111011"},
    {"subw", Op::subw, Layout::r, "0100000 ..... ..... 000 ..... 0111011"},
    {"sllw", Op::sllw, Layout::r, "0000000 ..... ..... 001 ..... 0111011"},
    {"srlw", Op::srlw, Layout::r, "0000000 ..... ..... 101 ..... 0111011"},
    {"sraw", Op::sraw, Layout::r, "0100000 ..... ..... 101 ..... 0111011"},
    {"pause", Op::pause, Layout::none, "000000010000 00000 000 00000 0001111"},
    // All other fences, reserved ones too, order everything (Unpriv. 2.7).
    {"fence", Op::fence, Layout::none, "............ ..... 000 ..... 0001111"},
    {"ecall", Op::ecall, Layout::none, "000000000000 00000 000 00000 1110011"},
    {"ebreak", Op::ebreak, Layout::none, "000000000001 00000 000 00000 1110011"},
    // Zifencei (6), Zicsr (7)
    {"fence.i", Op::fence_i, Layout::none, "............ ..... 001 ..... 0001111"},
    {"csrrw", Op::csrrw, Layout::csr, "............ ..... 001 ..... 1110011"},
    {"csrrs", Op::csrrs, Layout::csr, "............ ..... 010 ..... 1110011"},
    {"csrrc", Op::csrrc, Layout::csr, "............ ..... 011 ..... 1110011"},
    {"csrrwi", Op::csrrwi, Layout::csr, "............ ..... 101 ..... 1110011"},
    {"csrrsi", Op::csrrsi, Layout::csr, "............ ..... 110 ..... 1110011"},
    {"csrrci", Op::csrrci, Layout::csr, "............ ..... 111 ..... 1110011"},
    // Priv. 3.3, 10.6
    {"mret", Op::mret, Layout::none, "0011000 00010 00000 000 00000 1110011"},
    {"sret", Op::sret, Layout::none, "0001000 00010 00000 000 00000 1110011"},
    {"wfi", Op::wfi, Layout::none, "0001000 00101 00000 000 00000 1110011"},
    {"sfence.vma", Op::sfence_vma, Layout::r, "0001001 ..... ..... 000 00000 1110011"},
    // M (12)
    {"mul", Op::mul, Layout::r, "0000001 ..... ..... 000 ..... 0110011"},
    {"mulh", Op::mulh, Layout::r, "0000001 ..... ..... 001 ..... 0110011"},
    {"mulhsu", Op::mulhsu, Layout::r, "0000001 ..... ..... 010 ..... 0110011"},
    {"mulhu", Op::mulhu, Layout::r, "0000001 ..... ..... 011 ..... 0110011"},
    {"div", Op::div, Layout::r, "0000001 ..... ..... 100 ..... 0110011"},
    {"divu", Op::divu, Layout::r, "0000001 ..... ..... 101 ..... 0110011"},
    {"rem", Op::rem, Layout::r, "0000001 ..... ..... 110 ..... 0110011"},
    {"remu", Op::remu, Layout::r, "0000001 ..... ..... 111 ..... 0110011"},
    {"mulw", Op::mulw, Layout::r, "0000001 ..... ..... 000 ..... 0111011"},
    {"divw", Op::divw, Layout::r, "0000001 ..... ..... 100 ..... 0111011"},
    {"divuw", Op::divuw, Layout::r, "0000001 ..... ..... 101 ..... 0111011"},
    {"remw", Op::remw, Layout::r, "0000001 ..... ..... 110 ..... 0111011"},
    {"remuw", Op::remuw, Layout::r, "0000001 ..... ..... 111 ..... 0111011"},
    // A (13), Zacas (15); the two bits aq and rl ask for no more than what every access here gives.
    {"lr.w", Op::lr_w, Layout::r, "00010 .. 00000 ..... 010 ..... 0101111"},
    {"sc.w", Op::sc_w, Layout::r, "00011 .. ..... ..... 010 ..... 0101111"},
    {"amoswap.w", Op::amoswap_w, Layout::r, "00001 .. ..... ..... 010 ..... 0101111"},
    {"amoadd.w", Op::amoadd_w, Layout::r, "00000 .. ..... ..... 010 ..... 0101111"},
    {"amoxor.w", Op::amoxor_w, Layout::r, "00100 .. ..... ..... 010 ..... 0101111"},
    {"amoand.w", Op::amoand_w, Layout::r, "01100 .. ..... ..... 010 ..... 0101111"},
    {"amoor.w", Op::amoor_w, Layout::r, "01000 .. ..... ..... 010 ..... 0101111"},
    {"amomin.w", Op::amomin_w, Layout::r, "10000 .. ..... ..... 010 ..... 0101111"},
    {"amomax.w", Op::amomax_w, Layout::r, "10100 .. ..... ..... 010 ..... 0101111"},
    {"amominu.w", Op::amominu_w, Layout::r, "11000 .. ..... ..... 010 ..... 0101111"},
    {"amomaxu.w", Op::amomaxu_w, Layout::r, "11100 .. ..... ..... 010 ..... 0101111"},
    {"amocas.w", Op::amocas_w, Layout::r, "00101 .. ..... ..... 010 ..... 0101111"},
    {"lr.d", Op::lr_d, Layout::r, "00010 .. 00000 ..... 011 ..... 0101111"},
    {"sc.d", Op::sc_d, Layout::r, "00011 .. ..... ..... 011 ..... 0101111"},
    {"amoswap.d", Op::amoswap_d, Layout::r, "00001 .. ..... ..... 011 ..... 0101111"},
    {"amoadd.d", Op::amoadd_d, Layout::r, "00000 .. ..... ..... 011 ..... 0101111"},
    {"amoxor.d", Op::amoxor_d, Layout::r, "00100 .. ..... ..... 011 ..... 0101111"},
    {"amoand.d", Op::amoand_d, Layout::r, "01100 .. ..... ..... 011 ..... 0101111"},
    {"amoor.d", Op::amoor_d, Layout::r, "01000 .. ..... ..... 011 ..... 0101111"},
    {"amomin.d", Op::amomin_d, Layout::r, "10000 .. ..... ..... 011 ..... 0101111"},
    {"amomax.d", Op::amomax_d, Layout::r, "10100 .. ..... ..... 011 ..... 0101111"},
    {"amominu.d", Op::amominu_d, Layout::r, "11000 .. ..... ..... 011 ..... 0101111"},
    {"amomaxu.d", Op::amomaxu_d, Layout::r, "11100 .. ..... ..... 011 ..... 0101111"},
    {"amocas.d", Op::amocas_d, Layout::r, "00101 .. ..... ..... 011 ..... 0101111"},
    // Register pairs: odd numbers are reserved (15.1).
    {"amocas.q", Op::amocas_q, Layout::r, "00101 .. ....0 ..... 100 ....0 0101111"},
    // Zawrs (14)
    {"wrs.nto", Op::wrs_nto, Layout::none, "000000001101 00000 000 00000 1110011"},
    {"wrs.sto", Op::wrs_sto, Layout::none, "000000011101 00000 000 00000 1110011"},
    // F (20)
    {"flw", Op::flw, Layout::i, "............ ..... 010 ..... 0000111"},
    {"fsw", Op::fsw, Layout::s, "....... ..... ..... 010 ..... 0100111"},
    {"fmadd.s", Op::fmadd_s, Layout::r4, "..... 00 ..... ..... ... ..... 1000011"},
    {"fmsub.s", Op::fmsub_s, Layout::r4, "..... 00 ..... ..... ... ..... 1000111"},
    {"fnmsub.s", Op::fnmsub_s, Layout::r4, "..... 00 ..... ..... ... ..... 1001011"},
    {"fnmadd.s", Op::fnmadd_s, Layout::r4, "..... 00 ..... ..... ... ..... 1001111"},
    {"fadd.s", Op::fadd_s, Layout::r_rm, "0000000 ..... ..... ... ..... 1010011"},
    {"fsub.s", Op::fsub_s, Layout::r_rm, "0000100 ..... ..... ... ..... 1010011"},
    {"fmul.s", Op::fmul_s, Layout::r_rm, "0001000 ..... ..... ... ..... 1010011"},
    {"fdiv.s", Op::fdiv_s, Layout::r_rm, "0001100 ..... ..... ... ..... 1010011"},
    {"fsqrt.s", Op::fsqrt_s, Layout::r_rm, "0101100 00000 ..... ... ..... 1010011"},
    {"fsgnj.s", Op::fsgnj_s, Layout::r, "0010000 ..... ..... 000 ..... 1010011"},
    {"fsgnjn.s", Op::fsgnjn_s, Layout::r, "0010000 ..... ..... 001 ..... 1010011"},
    {"fsgnjx.s", Op::fsgnjx_s, Layout::r, "0010000 ..... ..... 010 ..... 1010011"},
    {"fmin.s", Op::fmin_s, Layout::r, "0010100 ..... ..... 000 ..... 1010011"},
    {"fmax.s", Op::fmax_s, Layout::r, "0010100 ..... ..... 001 ..... 1010011"},
    {"fcvt.w.s", Op::fcvt_w_s, Layout::r_rm, "1100000 00000 ..... ... ..... 1010011"},
    {"fcvt.wu.s", Op::fcvt_wu_s, Layout::r_rm, "1100000 00001 ..... ... ..... 1010011"},
    {"fcvt.l.s", Op::fcvt_l_s, Layout::r_rm, "1100000 00010 ..... ... ..... 1010011"},
    {"fcvt.lu.s", Op::fcvt_lu_s, Layout::r_rm, "1100000 00011 ..... ... ..... 1010011"},
    {"fmv.x.w", Op::fmv_x_w, Layout::r, "1110000 00000 ..... 000 ..... 1010011"},
    {"feq.s", Op::feq_s, Layout::r, "1010000 ..... ..... 010 ..... 1010011"},
    {"flt.s", Op::flt_s, Layout::r, "1010000 ..... ..... 001 ..... 1010011"},
    {"fle.s", Op::fle_s, Layout::r, "1010000 ..... ..... 000 ..... 1010011"},
    {"fclass.s", Op::fclass_s, Layout::r, "1110000 00000 ..... 001 ..... 1010011"},
    {"fcvt.s.w", Op::fcvt_s_w, Layout::r_rm, "1101000 00000 ..... ... ..... 1010011"},
    {"fcvt.s.wu", Op::fcvt_s_wu, Layout::r_rm, "1101000 00001 ..... ... ..... 1010011"},
    {"fcvt.s.l", Op::fcvt_s_l, Layout::r_rm, "1101000 00010 ..... ... ..... 1010011"},
    {"fcvt.s.lu", Op::fcvt_s_lu, Layout::r_rm, "1101000 00011 ..... ... ..... 1010011"},
    {"fmv.w.x", Op::fmv_w_x, Layout::r, "1111000 00000 ..... 000 ..... 1010011"},
    // D (21)
    {"fld", Op::fld, Layout::i, "............ ..... 011 ..... 0000111"},
    {"fsd", Op::fsd, Layout::s, "....... ..... ..... 011 ..... 0100111"},
    {"fmadd.d", Op::fmadd_d, Layout::r4, "..... 01 ..... ..... ... ..... 1000011"},
    {"fmsub.d", Op::fmsub_d, Layout::r4, "..... 01 ..... ..... ... ..... 1000111"},
    {"fnmsub.d", Op::fnmsub_d, Layout::r4, "..... 01 ..... ..... ... ..... 1001011"},
    {"fnmadd.d", Op::fnmadd_d, Layout::r4, "..... 01 ..... ..... ... ..... 1001111"},
    {"fadd.d", Op::fadd_d, Layout::r_rm, "0000001 ..... ..... ... ..... 1010011"},
    {"fsub.d", Op::fsub_d, Layout::r_rm, "0000101 ..... ..... ... ..... 1010011"},
    {"fmul.d", Op::fmul_d, Layout::r_rm, "0001001 ..... ..... ... ..... 1010011"},
    {"fdiv.d", Op::fdiv_d, Layout::r_rm, "0001101 ..... ..... ... ..... 1010011"},
    {"fsqrt.d", Op::fsqrt_d, Layout::r_rm, "0101101 00000 ..... ... ..... 1010011"},
    {"fsgnj.d", Op::fsgnj_d, Layout::r, "0010001 ..... ..... 000 ..... 1010011"},
    {"fsgnjn.d", Op::fsgnjn_d, Layout::r, "0010001 ..... ..... 001 ..... 1010011"},
    {"fsgnjx.d", Op::fsgnjx_d, Layout::r, "0010001 ..... ..... 010 ..... 1010011"},
    {"fmin.d", Op::fmin_d, Layout::r, "0010101 ..... ..... 000 ..... 1010011"},
    {"fmax.d", Op::fmax_d, Layout::r, "0010101 ..... ..... 001 ..... 1010011"},
    {"fcvt.s.d", Op::fcvt_s_d, Layout::r_rm, "0100000 00001 ..... ... ..... 1010011"},
    {"fcvt.d.s", Op::fcvt_d_s, Layout::r_rm, "0100001 00000 ..... ... ..... 1010011"},
    {"fcvt.w.d", Op::fcvt_w_d, Layout::r_rm, "1100001 00000 ..... ... ..... 1010011"},
    {"fcvt.wu.d", Op::fcvt_wu_d, Layout::r_rm, "1100001 00001 ..... ... ..... 1010011"},
    {"fcvt.l.d", Op::fcvt_l_d, Layout::r_rm, "1100001 00010 ..... ... ..... 1010011"},
    {"fcvt.lu.d", Op::fcvt_lu_d, Layout::r_rm, "1100001 00011 ..... ... ..... 1010011"},
    {"fmv.x.d", Op::fmv_x_d, Layout::r, "1110001 00000 ..... 000 ..... 1010011"},
    {"feq.d", Op::feq_d, Layout::r, "1010001 ..... ..... 010 ..... 1010011"},
    {"flt.d", Op::flt_d, Layout::r, "1010001 ..... ..... 001 ..... 1010011"},
    {"fle.d", Op::fle_d, Layout::r, "1010001 ..... ..... 000 ..... 1010011"},
    {"fclass.d", Op::fclass_d, Layout::r, "1110001 00000 ..... 001 ..... 1010011"},
    {"fcvt.d.w", Op::fcvt_d_w, Layout::r_rm, "1101001 00000 ..... ... ..... 1010011"},
    {"fcvt.d.wu", Op::fcvt_d_wu, Layout::r_rm, "1101001 00001 ..... ... ..... 1010011"},
    {"fcvt.d.l", Op::fcvt_d_l, Layout::r_rm, "1101001 00010 ..... ... ..... 1010011"},
    {"fcvt.d.lu", Op::fcvt_d_lu, Layout::r_rm, "1101001 00011 ..... ... ..... 1010011"},
    {"fmv.d.x", Op::fmv_d_x, Layout::r, "1111001 00000 ..... 000 ..... 1010011"},
    // Zba (28.4.1)
    {"add.uw", Op::add_uw, Layout::r, "0000100 ..... ..... 000 ..... 0111011"},
    {"sh1add", Op::sh1add, Layout::r, "0010000 ..... ..... 010 ..... 0110011"},
    {"sh2add", Op::sh2add, Layout::r, "0010000 ..... ..... 100 ..... 0110011"},
    {"sh3add", Op::sh3add, Layout::r, "0010000 ..... ..... 110 ..... 0110011"},
    {"sh1add.uw", Op::sh1add_uw, Layout::r, "0010000 ..... ..... 010 ..... 0111011"},
    {"sh2add.uw", Op::sh2add_uw, Layout::r, "0010000 ..... ..... 100 ..... 0111011"},
    {"sh3add.uw", Op::sh3add_uw, Layout::r, "0010000 ..... ..... 110 ..... 0111011"},
    {"slli.uw", Op::slli_uw, Layout::shift, "000010 ...... ..... 001 ..... 0011011"},
    // Zbb (28.4.2)
    {"andn", Op::andn, Layout::r, "0100000 ..... ..... 111 ..... 0110011"},
    {"orn", Op::orn, Layout::r, "0100000 ..... ..... 110 ..... 0110011"},
    {"xnor", Op::xnor, Layout::r, "0100000 ..... ..... 100 ..... 0110011"},
    {"clz", Op::clz, Layout::r, "0110000 00000 ..... 001 ..... 0010011"},
    {"ctz", Op::ctz, Layout::r, "0110000 00001 ..... 001 ..... 0010011"},
    {"cpop", Op::cpop, Layout::r, "0110000 00010 ..... 001 ..... 0010011"},
    {"clzw", Op::clzw, Layout::r, "0110000 00000 ..... 001 ..... 0011011"},
    {"ctzw", Op::ctzw, Layout::r, "0110000 00001 ..... 001 ..... 0011011"},
    {"cpopw", Op::cpopw, Layout::r, "0110000 00010 ..... 001 ..... 0011011"},
    {"max", Op::max, Layout::r, "0000101 ..... ..... 110 ..... 0110011"},
    {"maxu", Op::maxu, Layout::r, "0000101 ..... ..... 111 ..... 0110011"},
    {"min", Op::min, Layout::r, "0000101 ..... ..... 100 ..... 0110011"},
    {"minu", Op::minu, Layout::r, "0000101 ..... ..... 101 ..... 0110011"},
    {"sext.b", Op::sext_b, Layout::r, "0110000 00100 ..... 001 ..... 0010011"},
    {"sext.h", Op::sext_h, Layout::r, "0110000 00101 ..... 001 ..... 0010011"},
    {"zext.h", Op::zext_h, Layout::r, "0000100 00000 ..... 100 ..... 0111011"},
    {"rol", Op::rol, Layout::r, "0110000 ..... ..... 001 ..... 0110011"},
    {"ror", Op::ror, Layout::r, "0110000 ..... ..... 101 ..... 0110011"},
    {"rori", Op::rori, Layout::shift, "011000 ...... ..... 101 ..... 0010011"},
    {"rolw", Op::rolw, Layout::r, "0110000 ..... ..... 001 ..... 0111011"},
    {"rorw", Op::rorw, Layout::r, "0110000 ..... ..... 101 ..... 0111011"},
    {"roriw", Op::roriw, Layout::shift_w, "0110000 ..... ..... 101 ..... 0011011"},
    {"orc.b", Op::orc_b, Layout::r, "0010100 00111 ..... 101 ..... 0010011"},
    {"rev8", Op::rev8, Layout::r, "0110101 11000 ..... 101 ..... 0010011"},
    // Zbc (28.4.3)
    {"clmul", Op::clmul, Layout::r, "0000101 ..... ..... 001 ..... 0110011"},
    {"clmulh", Op::clmulh, Layout::r, "0000101 ..... ..... 011 ..... 0110011"},
    {"clmulr", Op::clmulr, Layout::r, "0000101 ..... ..... 010 ..... 0110011"},
    // Zbs (28.4.4)
    {"bclr", Op::bclr, Layout::r, "0100100 ..... ..... 001 ..... 0110011"},
    {"bclri", Op::bclri, Layout::shift, "010010 ...... ..... 001 ..... 0010011"},
    {"bext", Op::bext, Layout::r, "0100100 ..... ..... 101 ..... 0110011"},
    {"bexti", Op::bexti, Layout::shift, "010010 ...... ..... 101 ..... 0010011"},
    {"binv", Op::binv, Layout::r, "0110100 ..... ..... 001 ..... 0110011"},
    {"binvi", Op::binvi, Layout::shift, "011010 ...... ..... 001 ..... 0010011"},
    {"bset", Op::bset, Layout::r, "0010100 ..... ..... 001 ..... 0110011"},
    {"bseti", Op::bseti, Layout::shift, "001010 ...... ..... 001 ..... 0010011"},
    // Zicbom, Zicboz (19.7)
    {"cbo.inval", Op::cbo_inval, Layout::r, "0000000 00000 ..... 010 00000 0001111"},
    {"cbo.clean", Op::cbo_clean, Layout::r, "0000000 00001 ..... 010 00000 0001111"},
    {"cbo.flush", Op::cbo_flush, Layout::r, "0000000 00010 ..... 010 00000 0001111"},
    {"cbo.zero", Op::cbo_zero, Layout::r, "0000000 00100 ..... 010 00000 0001111"},

    // C (27.8), quadrant 0
    {"c.illegal", Op::illegal, Layout::none, "000 00000000 ... 00"},  // c.addi4spn by 0 is reserved
    {"c.addi4spn", Op::addi, Layout::c_addi4spn, "000 ........ ... 00"},
    {"c.fld", Op::fld, Layout::c_load_d, "001 ... ... .. ... 00"},
    {"c.lw", Op::lw, Layout::c_load_w, "010 ... ... .. ... 00"},
    {"c.ld", Op::ld, Layout::c_load_d, "011 ... ... .. ... 00"},
    {"c.fsd", Op::fsd, Layout::c_store_d, "101 ... ... .. ... 00"},
    {"c.sw", Op::sw, Layout::c_store_w, "110 ... ... .. ... 00"},
    {"c.sd", Op::sd, Layout::c_store_d, "111 ... ... .. ... 00"},
    // Quadrant 1
    {"c.addi", Op::addi, Layout::c_imm, "000 . ..... ..... 01"},
    {"c.illegal", Op::illegal, Layout::none, "001 . 00000 ..... 01"},  // c.addiw of x0 is reserved
    {"c.addiw", Op::addiw, Layout::c_imm, "001 . ..... ..... 01"},
    {"c.li", Op::addi, Layout::c_li, "010 . ..... ..... 01"},
    {"c.illegal", Op::illegal, Layout::none, "011 0 ..... 00000 01"},  // by 0 is reserved
    {"c.addi16sp", Op::addi, Layout::c_addi16sp, "011 . 00010 ..... 01"},
    {"c.lui", Op::lui, Layout::c_lui, "011 . ..... ..... 01"},
    {"c.srli", Op::srli, Layout::c_shift_prime, "100 . 00 ... ..... 01"},
    {"c.srai", Op::srai, Layout::c_shift_prime, "100 . 01 ... ..... 01"},
    {"c.andi", Op::andi, Layout::c_andi, "100 . 10 ... ..... 01"},
    {"c.sub", Op::sub, Layout::c_arith, "100 0 11 ... 00 ... 01"},
    {"c.xor", Op::xor_, Layout::c_arith, "100 0 11 ... 01 ... 01"},
    {"c.or", Op::or_, Layout::c_arith, "100 0 11 ... 10 ... 01"},
    {"c.and", Op::and_, Layout::c_arith, "100 0 11 ... 11 ... 01"},
    {"c.subw", Op::subw, Layout::c_arith, "100 1 11 ... 00 ... 01"},
    {"c.addw", Op::addw, Layout::c_arith, "100 1 11 ... 01 ... 01"},
    {"c.j", Op::jal, Layout::c_jump, "101 ........... 01"},
    {"c.beqz", Op::beq, Layout::c_branch, "110 ... ... ..... 01"},
    {"c.bnez", Op::bne, Layout::c_branch, "111 ... ... ..... 01"},
    // Quadrant 2
    {"c.slli", Op::slli, Layout::c_shift, "000 . ..... ..... 10"},
    {"c.fldsp", Op::fld, Layout::c_ldsp, "001 . ..... ..... 10"},
    {"c.illegal", Op::illegal, Layout::none, "010 . 00000 ..... 10"},  // into x0 is reserved
    {"c.lwsp", Op::lw, Layout::c_lwsp, "010 . ..... ..... 10"},
    {"c.illegal", Op::illegal, Layout::none, "011 . 00000 ..... 10"},  // into x0 is reserved
    {"c.ldsp", Op::ld, Layout::c_ldsp, "011 . ..... ..... 10"},
    {"c.illegal", Op::illegal, Layout::none, "100 0 00000 00000 10"},  // c.jr of x0 is reserved
    {"c.jr", Op::jalr, Layout::c_jr, "100 0 ..... 00000 10"},
    {"c.mv", Op::add, Layout::c_mv, "100 0 ..... ..... 10"},
    {"c.ebreak", Op::ebreak, Layout::none, "100 1 00000 00000 10"},
    {"c.jalr", Op::jalr, Layout::c_jalr, "100 1 ..... 00000 10"},
    {"c.add", Op::add, Layout::c_add, "100 1 ..... ..... 10"},
    {"c.fsdsp", Op::fsd, Layout::c_sdsp, "101 ...... ..... 10"},
    {"c.swsp", Op::sw, Layout::c_swsp, "110 ...... ..... 10"},
    {"c.sdsp", Op::sd, Layout::c_sdsp, "111 ...... ..... 10"},
};
constexpr std::size_t kEncodingCount = std::size(kEncodings);

/// A pattern as the two words that decide it: the bits that count, and what they must be.
struct Match {
  std::uint32_t mask = 0;
  std::uint32_t value = 0;
  unsigned width = 0;
};
consteval Match match_of(std::string_view pattern) {
  Match match;
  for (char const letter : pattern) {
    if (letter == ' ') continue;
    match.mask = match.mask << 1 | (letter != '.');
    match.value = match.value << 1 | (letter == '1');
    ++match.width;
  }
  if (match.width != 16 && match.width != 32) throw "a pattern has 16 or 32 bits";
  return match;
}

/// The encodings by what tells most: bits 6:2 and 14:12 of a long instruction, 15:13 and 1:0 of a
/// compressed one. Each row is a run in `order`.
constexpr std::size_t row_of(std::uint32_t bits) {
  return is_compressed(bits) ? 256 + ((bits >> 13 & 7) << 2 | (bits & 3))
                             : (bits >> 2 & 31) << 3 | (bits >> 12 & 7);
}
constexpr std::size_t kRows = 256 + 32;

struct Index {
  std::array<Match, kEncodingCount> matches{};
  std::array<std::uint16_t, kRows + 1> begin{};
  std::array<std::uint16_t, 1024> order{};
};
consteval Index make_index() {
  Index index;
  for (std::size_t i = 0; i < kEncodingCount; ++i)
    index.matches[i] = match_of(kEncodings[i].pattern);
  std::uint16_t used = 0;
  for (std::size_t row = 0; row < kRows; ++row) {
    index.begin[row] = used;
    bool const compressed = row >= 256;
    std::uint32_t const bits =
        compressed ? (static_cast<std::uint32_t>(row - 256) >> 2) << 13 | (row & 3)
                   : (static_cast<std::uint32_t>(row) >> 3) << 2 | (row & 7) << 12 | 3;
    std::uint32_t const told = compressed ? 0xE003u : 0x707Fu;
    for (std::size_t i = 0; i < kEncodingCount; ++i) {
      Match const& match = index.matches[i];
      if ((match.width == 16) != compressed || ((match.value ^ bits) & match.mask & told) != 0)
        continue;
      index.order[used++] = static_cast<std::uint16_t>(i);
    }
  }
  index.begin[kRows] = used;
  return index;
}
constexpr Index kIndex = make_index();

constexpr std::uint32_t field(std::uint32_t bits, unsigned high, unsigned low) {
  return bits >> low & ((2u << (high - low)) - 1);
}
/// `value` has `width` bits and a sign.
constexpr std::int32_t sign_extend(std::uint32_t value, unsigned width) {
  return static_cast<std::int32_t>(value << (32 - width)) >> (32 - width);
}
/// The eight registers that three bits can name: x8 to x15.
constexpr std::uint8_t prime(std::uint32_t bits, unsigned low) {
  return static_cast<std::uint8_t>(8 + field(bits, low + 2, low));
}
constexpr std::uint8_t reg(std::uint32_t bits, unsigned low) {
  return static_cast<std::uint8_t>(field(bits, low + 4, low));
}
constexpr std::int32_t compressed_imm6(std::uint32_t bits) {
  return sign_extend(field(bits, 12, 12) << 5 | field(bits, 6, 2), 6);
}

constexpr std::uint8_t kRa = 1;
constexpr std::uint8_t kSp = 2;

void take_long(Instruction& out, Layout layout, std::uint32_t bits) {
  out.rd = reg(bits, 7);
  out.rs1 = reg(bits, 15);
  out.rs2 = reg(bits, 20);
  switch (layout) {
    case Layout::r4:
      out.rs3 = reg(bits, 27);
      [[fallthrough]];
    case Layout::r_rm:
      out.rm = static_cast<std::uint8_t>(field(bits, 14, 12));
      if (out.rm == 5 || out.rm == 6) out.op = Op::illegal;  // reserved (Unpriv. 20.2)
      return;
    case Layout::i:
      out.rs2 = 0;
      out.imm = static_cast<std::int32_t>(bits) >> 20;
      return;
    case Layout::shift:
      out.rs2 = 0;
      out.imm = static_cast<std::int32_t>(field(bits, 25, 20));
      return;
    case Layout::shift_w:
      out.rs2 = 0;
      out.imm = static_cast<std::int32_t>(field(bits, 24, 20));
      return;
    case Layout::s:
      out.rd = 0;
      out.imm = sign_extend(field(bits, 31, 25) << 5 | field(bits, 11, 7), 12);
      return;
    case Layout::b:
      out.rd = 0;
      out.imm = sign_extend(field(bits, 31, 31) << 12 | field(bits, 7, 7) << 11 |
                                field(bits, 30, 25) << 5 | field(bits, 11, 8) << 1,
                            13);
      return;
    case Layout::u:
      out.rs1 = out.rs2 = 0;
      out.imm = static_cast<std::int32_t>(bits & 0xFFFFF000u);
      return;
    case Layout::j:
      out.rs1 = out.rs2 = 0;
      out.imm = sign_extend(field(bits, 31, 31) << 20 | field(bits, 19, 12) << 12 |
                                field(bits, 20, 20) << 11 | field(bits, 30, 21) << 1,
                            21);
      return;
    case Layout::csr:
      out.rs2 = 0;
      out.imm = static_cast<std::int32_t>(field(bits, 31, 20));
      return;
    case Layout::none:
      out.rd = out.rs1 = out.rs2 = 0;
      return;
    default:
      return;
  }
}

void take_compressed(Instruction& out, Layout layout, std::uint32_t bits) {
  std::uint32_t imm = 0;
  switch (layout) {
    case Layout::c_addi4spn:
      out.rd = prime(bits, 2);
      out.rs1 = kSp;
      imm = field(bits, 12, 11) << 4 | field(bits, 10, 7) << 6 | field(bits, 6, 6) << 2 |
            field(bits, 5, 5) << 3;
      break;
    case Layout::c_load_w:
    case Layout::c_store_w:
      out.rs1 = prime(bits, 7);
      (layout == Layout::c_load_w ? out.rd : out.rs2) = prime(bits, 2);
      imm = field(bits, 12, 10) << 3 | field(bits, 6, 6) << 2 | field(bits, 5, 5) << 6;
      break;
    case Layout::c_load_d:
    case Layout::c_store_d:
      out.rs1 = prime(bits, 7);
      (layout == Layout::c_load_d ? out.rd : out.rs2) = prime(bits, 2);
      imm = field(bits, 12, 10) << 3 | field(bits, 6, 5) << 6;
      break;
    case Layout::c_imm:
      out.rd = out.rs1 = reg(bits, 7);
      out.imm = compressed_imm6(bits);
      return;
    case Layout::c_li:
      out.rd = reg(bits, 7);
      out.imm = compressed_imm6(bits);
      return;
    case Layout::c_lui:
      out.rd = reg(bits, 7);
      out.imm = compressed_imm6(bits) * 4096;
      return;
    case Layout::c_addi16sp:
      out.rd = out.rs1 = kSp;
      out.imm =
          sign_extend(field(bits, 12, 12) << 9 | field(bits, 6, 6) << 4 | field(bits, 5, 5) << 6 |
                          field(bits, 4, 3) << 7 | field(bits, 2, 2) << 5,
                      10);
      return;
    case Layout::c_shift:
    case Layout::c_shift_prime:
      out.rd = out.rs1 = layout == Layout::c_shift ? reg(bits, 7) : prime(bits, 7);
      imm = field(bits, 12, 12) << 5 | field(bits, 6, 2);
      break;
    case Layout::c_andi:
      out.rd = out.rs1 = prime(bits, 7);
      out.imm = compressed_imm6(bits);
      return;
    case Layout::c_arith:
      out.rd = out.rs1 = prime(bits, 7);
      out.rs2 = prime(bits, 2);
      return;
    case Layout::c_jump:
      out.imm = sign_extend(field(bits, 12, 12) << 11 | field(bits, 11, 11) << 4 |
                                field(bits, 10, 9) << 8 | field(bits, 8, 8) << 10 |
                                field(bits, 7, 7) << 6 | field(bits, 6, 6) << 7 |
                                field(bits, 5, 3) << 1 | field(bits, 2, 2) << 5,
                            12);
      return;
    case Layout::c_branch:
      out.rs1 = prime(bits, 7);
      out.imm =
          sign_extend(field(bits, 12, 12) << 8 | field(bits, 11, 10) << 3 | field(bits, 6, 5) << 6 |
                          field(bits, 4, 3) << 1 | field(bits, 2, 2) << 5,
                      9);
      return;
    case Layout::c_lwsp:
      out.rd = reg(bits, 7);
      out.rs1 = kSp;
      imm = field(bits, 12, 12) << 5 | field(bits, 6, 4) << 2 | field(bits, 3, 2) << 6;
      break;
    case Layout::c_ldsp:
      out.rd = reg(bits, 7);
      out.rs1 = kSp;
      imm = field(bits, 12, 12) << 5 | field(bits, 6, 5) << 3 | field(bits, 4, 2) << 6;
      break;
    case Layout::c_swsp:
      out.rs1 = kSp;
      out.rs2 = reg(bits, 2);
      imm = field(bits, 12, 9) << 2 | field(bits, 8, 7) << 6;
      break;
    case Layout::c_sdsp:
      out.rs1 = kSp;
      out.rs2 = reg(bits, 2);
      imm = field(bits, 12, 10) << 3 | field(bits, 9, 7) << 6;
      break;
    case Layout::c_jr:
    case Layout::c_jalr:
      out.rd = layout == Layout::c_jr ? 0 : kRa;
      out.rs1 = reg(bits, 7);
      return;
    case Layout::c_mv:
      out.rd = reg(bits, 7);
      out.rs2 = reg(bits, 2);
      return;
    case Layout::c_add:
      out.rd = out.rs1 = reg(bits, 7);
      out.rs2 = reg(bits, 2);
      return;
    default:
      return;
  }
  out.imm = static_cast<std::int32_t>(imm);
}

}  // namespace

std::string_view to_string(Op op) noexcept {
  // The long form stands before the compressed ones.
  for (Encoding const& encoding : kEncodings)
    if (encoding.op == op && op != Op::illegal) return encoding.name;
  return "illegal";
}

Instruction decode(std::uint32_t bits) noexcept {
  bool const compressed = is_compressed(bits);
  Instruction out;
  out.length = compressed ? 2 : 4;
  out.bits = compressed ? bits & 0xFFFFu : bits;
  std::size_t const row = row_of(bits);
  for (std::size_t i = kIndex.begin[row]; i < kIndex.begin[row + 1]; ++i) {
    std::size_t const candidate = kIndex.order[i];
    if ((out.bits & kIndex.matches[candidate].mask) != kIndex.matches[candidate].value) continue;
    Encoding const& encoding = kEncodings[candidate];
    out.op = encoding.op;
    if (compressed)
      take_compressed(out, encoding.layout, bits);
    else
      take_long(out, encoding.layout, bits);
    break;
  }
  if (out.op == Op::illegal) out = Instruction{.length = out.length, .bits = out.bits};
  return out;
}

}  // namespace mutirao::machine
