#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

/// Writes RISC-V instructions for tests.
///
/// Says nothing that the decoder says: fields are put where the standard's figures have them, by
/// hand, so that a mistake in one of the two shows.
namespace mutirao::machine::assembler {

using Word = std::uint32_t;
using Reg = unsigned;

constexpr Reg zero = 0, ra = 1, sp = 2, gp = 3, tp = 4, t0 = 5, t1 = 6, t2 = 7, s0 = 8, s1 = 9,
              a0 = 10, a1 = 11, a2 = 12, a3 = 13, a4 = 14, a5 = 15, a6 = 16, a7 = 17, s2 = 18,
              s3 = 19, s4 = 20, s5 = 21, s6 = 22, s7 = 23, t3 = 28, t4 = 29, t5 = 30, t6 = 31;

constexpr Word r_type(Word funct7, Reg rs2, Reg rs1, Word funct3, Reg rd, Word opcode) {
  return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}
constexpr Word i_type(std::int32_t imm, Reg rs1, Word funct3, Reg rd, Word opcode) {
  return static_cast<Word>(imm) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}
constexpr Word s_type(std::int32_t imm, Reg rs2, Reg rs1, Word funct3, Word opcode) {
  auto const bits = static_cast<Word>(imm);
  return (bits >> 5 & 0x7F) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (bits & 31) << 7 |
         opcode;
}
constexpr Word b_type(std::int32_t imm, Reg rs1, Reg rs2, Word funct3) {
  auto const bits = static_cast<Word>(imm);
  return (bits >> 12 & 1) << 31 | (bits >> 5 & 63) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 |
         (bits >> 1 & 15) << 8 | (bits >> 11 & 1) << 7 | 0x63;
}

constexpr Word lui(Reg rd, Word imm20) { return imm20 << 12 | rd << 7 | 0x37; }
constexpr Word auipc(Reg rd, Word imm20) { return imm20 << 12 | rd << 7 | 0x17; }
constexpr Word jal(Reg rd, std::int32_t imm) {
  auto const bits = static_cast<Word>(imm);
  return (bits >> 20 & 1) << 31 | (bits >> 1 & 0x3FF) << 21 | (bits >> 11 & 1) << 20 |
         (bits >> 12 & 0xFF) << 12 | rd << 7 | 0x6F;
}
constexpr Word j(std::int32_t imm) { return jal(zero, imm); }
constexpr Word jalr(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 0, rd, 0x67); }
constexpr Word beq(Reg rs1, Reg rs2, std::int32_t imm) { return b_type(imm, rs1, rs2, 0); }
constexpr Word bne(Reg rs1, Reg rs2, std::int32_t imm) { return b_type(imm, rs1, rs2, 1); }
constexpr Word blt(Reg rs1, Reg rs2, std::int32_t imm) { return b_type(imm, rs1, rs2, 4); }
constexpr Word bge(Reg rs1, Reg rs2, std::int32_t imm) { return b_type(imm, rs1, rs2, 5); }
constexpr Word bltu(Reg rs1, Reg rs2, std::int32_t imm) { return b_type(imm, rs1, rs2, 6); }
constexpr Word bgeu(Reg rs1, Reg rs2, std::int32_t imm) { return b_type(imm, rs1, rs2, 7); }
constexpr Word lb(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 0, rd, 3); }
constexpr Word lh(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 1, rd, 3); }
constexpr Word lw(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 2, rd, 3); }
constexpr Word ld(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 3, rd, 3); }
constexpr Word lbu(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 4, rd, 3); }
constexpr Word lhu(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 5, rd, 3); }
constexpr Word lwu(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 6, rd, 3); }
constexpr Word sb(Reg rs2, Reg rs1, std::int32_t imm = 0) { return s_type(imm, rs2, rs1, 0, 0x23); }
constexpr Word sh(Reg rs2, Reg rs1, std::int32_t imm = 0) { return s_type(imm, rs2, rs1, 1, 0x23); }
constexpr Word sw(Reg rs2, Reg rs1, std::int32_t imm = 0) { return s_type(imm, rs2, rs1, 2, 0x23); }
constexpr Word sd(Reg rs2, Reg rs1, std::int32_t imm = 0) { return s_type(imm, rs2, rs1, 3, 0x23); }
constexpr Word addi(Reg rd, Reg rs1, std::int32_t imm) { return i_type(imm, rs1, 0, rd, 0x13); }
constexpr Word nop() { return addi(zero, zero, 0); }
constexpr Word mv(Reg rd, Reg rs1) { return addi(rd, rs1, 0); }
constexpr Word slli(Reg rd, Reg rs1, std::int32_t by) { return i_type(by, rs1, 1, rd, 0x13); }
constexpr Word srli(Reg rd, Reg rs1, std::int32_t by) { return i_type(by, rs1, 5, rd, 0x13); }
constexpr Word xori(Reg rd, Reg rs1, std::int32_t imm) { return i_type(imm, rs1, 4, rd, 0x13); }
constexpr Word ori(Reg rd, Reg rs1, std::int32_t imm) { return i_type(imm, rs1, 6, rd, 0x13); }
constexpr Word andi(Reg rd, Reg rs1, std::int32_t imm) { return i_type(imm, rs1, 7, rd, 0x13); }
constexpr Word add(Reg rd, Reg rs1, Reg rs2) { return r_type(0, rs2, rs1, 0, rd, 0x33); }
constexpr Word sub(Reg rd, Reg rs1, Reg rs2) { return r_type(0x20, rs2, rs1, 0, rd, 0x33); }
constexpr Word xor_(Reg rd, Reg rs1, Reg rs2) { return r_type(0, rs2, rs1, 4, rd, 0x33); }
constexpr Word or_(Reg rd, Reg rs1, Reg rs2) { return r_type(0, rs2, rs1, 6, rd, 0x33); }
constexpr Word mul(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 0, rd, 0x33); }
constexpr Word mulh(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 1, rd, 0x33); }
constexpr Word mulhsu(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 2, rd, 0x33); }
constexpr Word mulhu(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 3, rd, 0x33); }
constexpr Word div(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 4, rd, 0x33); }
constexpr Word divu(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 5, rd, 0x33); }
constexpr Word rem(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 6, rd, 0x33); }
constexpr Word remu(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 7, rd, 0x33); }
constexpr Word divw(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 4, rd, 0x3B); }
constexpr Word remw(Reg rd, Reg rs1, Reg rs2) { return r_type(1, rs2, rs1, 6, rd, 0x3B); }
constexpr Word fence() { return 0x0FF0000F; }
constexpr Word fence_i() { return 0x0000100F; }
constexpr Word ecall() { return 0x00000073; }
constexpr Word ebreak() { return 0x00100073; }
constexpr Word mret() { return 0x30200073; }
constexpr Word sret() { return 0x10200073; }
constexpr Word wfi() { return 0x10500073; }
constexpr Word sfence_vma(Reg address = zero, Reg asid = zero) {
  return r_type(9, asid, address, 0, 0, 0x73);
}
constexpr Word csrrw(Reg rd, Word csr, Reg rs1) {
  return csr << 20 | rs1 << 15 | 1 << 12 | rd << 7 | 0x73;
}
constexpr Word csrrs(Reg rd, Word csr, Reg rs1) {
  return csr << 20 | rs1 << 15 | 2 << 12 | rd << 7 | 0x73;
}
constexpr Word csrrc(Reg rd, Word csr, Reg rs1) {
  return csr << 20 | rs1 << 15 | 3 << 12 | rd << 7 | 0x73;
}
constexpr Word csrrwi(Reg rd, Word csr, Word imm) {
  return csr << 20 | imm << 15 | 5 << 12 | rd << 7 | 0x73;
}
constexpr Word csrrsi(Reg rd, Word csr, Word imm) {
  return csr << 20 | imm << 15 | 6 << 12 | rd << 7 | 0x73;
}
constexpr Word csrr(Reg rd, Word csr) { return csrrs(rd, csr, zero); }
constexpr Word csrw(Word csr, Reg rs1) { return csrrw(zero, csr, rs1); }

/// `width` is 2 for .w, 3 for .d, 4 for .q.
constexpr Word amo(Word funct5, Word width, Reg rd, Reg rs2, Reg rs1) {
  return r_type(funct5 << 2, rs2, rs1, width, rd, 0x2F);
}
constexpr Word lr(Word width, Reg rd, Reg rs1) { return amo(2, width, rd, 0, rs1); }
constexpr Word sc(Word width, Reg rd, Reg rs2, Reg rs1) { return amo(3, width, rd, rs2, rs1); }
constexpr Word amoswap(Word width, Reg rd, Reg rs2, Reg rs1) { return amo(1, width, rd, rs2, rs1); }
constexpr Word amoadd(Word width, Reg rd, Reg rs2, Reg rs1) { return amo(0, width, rd, rs2, rs1); }
constexpr Word amomin(Word width, Reg rd, Reg rs2, Reg rs1) { return amo(16, width, rd, rs2, rs1); }
constexpr Word amomaxu(Word width, Reg rd, Reg rs2, Reg rs1) {
  return amo(28, width, rd, rs2, rs1);
}
constexpr Word amocas(Word width, Reg rd, Reg rs2, Reg rs1) { return amo(5, width, rd, rs2, rs1); }

/// Floating point; `format` is 0 for .s, 1 for .d.
constexpr Word fp(Word funct5, Word format, Reg rd, Reg rs1, Reg rs2, Word rm = 7) {
  return r_type(funct5 << 2 | format, rs2, rs1, rm, rd, 0x53);
}
constexpr Word fadd(Word format, Reg rd, Reg rs1, Reg rs2, Word rm = 7) {
  return fp(0, format, rd, rs1, rs2, rm);
}
constexpr Word fdiv(Word format, Reg rd, Reg rs1, Reg rs2, Word rm = 7) {
  return fp(3, format, rd, rs1, rs2, rm);
}
constexpr Word fsgnj(Word format, Reg rd, Reg rs1, Reg rs2) {
  return fp(4, format, rd, rs1, rs2, 0);
}
constexpr Word fmin(Word format, Reg rd, Reg rs1, Reg rs2) {
  return fp(5, format, rd, rs1, rs2, 0);
}
constexpr Word fmax(Word format, Reg rd, Reg rs1, Reg rs2) {
  return fp(5, format, rd, rs1, rs2, 1);
}
constexpr Word fmadd(Word format, Reg rd, Reg rs1, Reg rs2, Reg rs3, Word rm = 7) {
  return rs3 << 27 | format << 25 | rs2 << 20 | rs1 << 15 | rm << 12 | rd << 7 | 0x43;
}
/// `kind`: 0 w, 1 wu, 2 l, 3 lu.
constexpr Word fcvt_to_integer(Word kind, Word format, Reg rd, Reg rs1, Word rm = 1) {
  return fp(0x18, format, rd, rs1, kind, rm);
}
constexpr Word fcvt_from_integer(Word kind, Word format, Reg rd, Reg rs1, Word rm = 7) {
  return fp(0x1A, format, rd, rs1, kind, rm);
}
constexpr Word fmv_to_x(Word format, Reg rd, Reg rs1) { return fp(0x1C, format, rd, rs1, 0, 0); }
constexpr Word fmv_from_x(Word format, Reg rd, Reg rs1) { return fp(0x1E, format, rd, rs1, 0, 0); }
constexpr Word flw(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 2, rd, 7); }
constexpr Word fld(Reg rd, Reg rs1, std::int32_t imm = 0) { return i_type(imm, rs1, 3, rd, 7); }
constexpr Word fsw(Reg rs2, Reg rs1, std::int32_t imm = 0) {
  return s_type(imm, rs2, rs1, 2, 0x27);
}
constexpr Word fsd(Reg rs2, Reg rs1, std::int32_t imm = 0) {
  return s_type(imm, rs2, rs1, 3, 0x27);
}

constexpr Word cbo_zero(Reg rs1) { return i_type(4, rs1, 2, 0, 0x0F); }
constexpr Word cbo_flush(Reg rs1) { return i_type(2, rs1, 2, 0, 0x0F); }

/// Any 64-bit constant, in as many instructions as it takes.
inline std::vector<Word> li(Reg rd, std::uint64_t value) {
  auto const as_signed = static_cast<std::int64_t>(value);
  if (as_signed >= -2048 && as_signed < 2048)
    return {addi(rd, zero, static_cast<std::int32_t>(as_signed))};
  std::int64_t const low = static_cast<std::int64_t>(value << 52) >> 52;
  std::uint64_t const rest = (value - static_cast<std::uint64_t>(low)) >> 12;
  if (as_signed == static_cast<std::int32_t>(as_signed) && (rest & 0xFFFFF) != 0) {
    auto const r32 = static_cast<std::int32_t>(low);
    return {lui(rd, static_cast<Word>(rest & 0xFFFFF)), i_type(r32, rd, 0, rd, 0x1B)};  // addiw
  }
  std::uint64_t const upper =
      static_cast<std::uint64_t>(static_cast<std::int64_t>(rest << 12) >> 12);
  auto words = li(rd, upper);
  words.push_back(slli(rd, rd, 12));
  if (low != 0) words.push_back(addi(rd, rd, static_cast<std::int32_t>(low)));
  return words;
}

/// Instructions in order, from single words and from sequences.
class Code {
 public:
  Code() = default;
  Code(std::initializer_list<Word> words) : words_{words} {}
  Code& operator<<(Word word) {
    words_.push_back(word);
    return *this;
  }
  Code& operator<<(std::vector<Word> const& words) {
    words_.insert(words_.end(), words.begin(), words.end());
    return *this;
  }
  [[nodiscard]] std::vector<Word> const& words() const noexcept { return words_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return words_.size() * 4; }

 private:
  std::vector<Word> words_;
};

}  // namespace mutirao::machine::assembler
