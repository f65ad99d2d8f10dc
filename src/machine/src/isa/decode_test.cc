#include "isa/decode.h"

#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "testing/assembler.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;

Instruction expect_op(std::uint32_t bits, Op op) {
  Instruction const decoded = decode(bits);
  EXPECT_EQ(to_string(decoded.op), to_string(op)) << std::hex << bits;
  return decoded;
}

TEST(Decode, gives_immediates_with_their_sign_for_every_layout) {
  for (std::int32_t const imm : {-2048, -1, 0, 1, 42, 2047}) {
    EXPECT_EQ(expect_op(as::addi(1, 2, imm), Op::addi).imm, imm);
    EXPECT_EQ(expect_op(as::ld(1, 2, imm), Op::ld).imm, imm);
    EXPECT_EQ(expect_op(as::sd(1, 2, imm), Op::sd).imm, imm);
    EXPECT_EQ(expect_op(as::fsw(1, 2, imm), Op::fsw).imm, imm);
  }
  for (std::int32_t imm = -4096; imm < 4096; imm += 2)
    EXPECT_EQ(expect_op(as::bgeu(3, 4, imm), Op::bgeu).imm, imm);
  for (std::int32_t imm = -(1 << 20); imm < 1 << 20; imm += 1022)
    EXPECT_EQ(expect_op(as::jal(1, imm), Op::jal).imm, imm);
  EXPECT_EQ(expect_op(as::lui(1, 0x80000), Op::lui).imm, INT32_MIN);
  EXPECT_EQ(expect_op(as::csrrw(1, 0xFFF, 2), Op::csrrw).imm, 0xFFF);
}

TEST(Decode, gives_the_registers_of_each_layout) {
  Instruction const fmadd = expect_op(as::fmadd(1, 1, 2, 3, 4, 2), Op::fmadd_d);
  EXPECT_EQ(fmadd.rd, 1);
  EXPECT_EQ(fmadd.rs1, 2);
  EXPECT_EQ(fmadd.rs2, 3);
  EXPECT_EQ(fmadd.rs3, 4);
  EXPECT_EQ(fmadd.rm, 2);
  Instruction const store = expect_op(as::sb(31, 30, -1), Op::sb);
  EXPECT_EQ(store.rs2, 31);
  EXPECT_EQ(store.rs1, 30);
  EXPECT_EQ(store.rd, 0);
}

TEST(Decode, has_all_of_zba_zbb_zbc_and_zbs) {
  expect_op(as::r_type(0x04, 3, 2, 0, 1, 0x3B), Op::add_uw);
  expect_op(as::r_type(0x10, 3, 2, 6, 1, 0x3B), Op::sh3add_uw);
  EXPECT_EQ(expect_op(as::i_type(0x080 | 63, 2, 1, 1, 0x1B), Op::slli_uw).imm, 63);
  expect_op(as::i_type(0x287, 2, 5, 1, 0x13), Op::orc_b);
  expect_op(as::i_type(0x6B8, 2, 5, 1, 0x13), Op::rev8);
  expect_op(as::r_type(0x04, 0, 2, 4, 1, 0x3B), Op::zext_h);
  expect_op(as::r_type(0x04, 1, 2, 4, 1, 0x3B), Op::illegal);
  expect_op(as::i_type(0x604, 2, 1, 1, 0x13), Op::sext_b);
  EXPECT_EQ(expect_op(as::i_type(0x600 | 40, 2, 5, 1, 0x13), Op::rori).imm, 40);
  EXPECT_EQ(expect_op(as::i_type(0x280 | 33, 2, 1, 1, 0x13), Op::bseti).imm, 33);
  expect_op(as::r_type(0x05, 3, 2, 2, 1, 0x33), Op::clmulr);
}

TEST(Decode, refuses_what_the_standard_reserves) {
  expect_op(0x00000000, Op::illegal);
  expect_op(0xFFFFFFFF, Op::illegal);
  expect_op(as::fadd(0, 1, 2, 3, 5), Op::illegal);        // rounding mode 5
  expect_op(as::fadd(2, 1, 2, 3, 0), Op::illegal);        // half precision
  expect_op(as::amo(5, 4, 3, 4, 10), Op::illegal);        // odd pair
  expect_op(as::amo(2, 2, 1, 1, 10), Op::illegal);        // lr with rs2
  expect_op(as::i_type(32, 2, 1, 1, 0x1B), Op::illegal);  // slliw by 32
  expect_op(as::i_type(0, 0, 4, 0, 0x73), Op::illegal);   // funct3 of hypervisor loads
  expect_op(as::ecall() | 1 << 7, Op::illegal);           // rd is not zero
}

TEST(Decode, takes_hints_and_odd_fences_for_what_they_encode) {
  expect_op(0x0100000F, Op::pause);
  expect_op(0x0FF0000F, Op::fence);
  expect_op(0x8330000F, Op::fence);  // fence.tso
  expect_op(as::fence_i(), Op::fence_i);
  expect_op(as::i_type(0x021, 10, 6, 0, 0x13), Op::ori);  // prefetch.r
}

struct Pair {
  std::uint16_t compressed;
  std::uint32_t full;
};

TEST(Decode, gives_compressed_instructions_the_meaning_of_the_long_ones) {
  Pair const pairs[] = {
      {0x0040, as::addi(as::s0, as::sp, 4)},
      {0x1FFC, as::addi(as::a5, as::sp, 1020)},
      {0x4398, as::lw(as::a4, as::a5)},
      {0x6398, as::ld(as::a4, as::a5)},
      {0xC398, as::sw(as::a4, as::a5)},
      {0xE398, as::sd(as::a4, as::a5)},
      {0x2398, as::fld(as::a4, as::a5)},
      {0xA398, as::fsd(as::a4, as::a5)},
      {0x0001, as::nop()},
      {0x157D, as::addi(as::a0, as::a0, -1)},
      {0x2501, as::i_type(0, as::a0, 0, as::a0, 0x1B)},
      {0x557D, as::addi(as::a0, as::zero, -1)},
      {0x7139, as::addi(as::sp, as::sp, -64)},
      {0x6121, as::addi(as::sp, as::sp, 64)},
      {0x757D, as::lui(as::a0, 0xFFFFF)},
      {0x9101, as::srli(as::a0, as::a0, 32)},
      {0x957D, as::i_type(0x400 | 63, as::a0, 5, as::a0, 0x13)},
      {0x8905, as::andi(as::a0, as::a0, 1)},
      {0x8D09, as::sub(as::a0, as::a0, as::a0)},
      {0x8D2D, as::xor_(as::a0, as::a0, as::a1)},
      {0x8D4D, as::or_(as::a0, as::a0, as::a1)},
      {0x9D2D, as::r_type(0, as::a1, as::a0, 0, as::a0, 0x3B)},
      {0xA001, as::j(0)},
      {0xBFFD, as::j(-2)},
      {0xC101, as::beq(as::a0, as::zero, 0)},
      {0xFD7D, as::bne(as::a0, as::zero, -2)},
      {0x1502, as::slli(as::a0, as::a0, 32)},
      {0x4502, as::lw(as::a0, as::sp)},
      {0x60E2, as::ld(as::ra, as::sp, 24)},
      {0x8082, as::jalr(as::zero, as::ra)},
      {0x9502, as::jalr(as::ra, as::a0)},
      {0x852E, as::add(as::a0, as::zero, as::a1)},
      {0x952E, as::add(as::a0, as::a0, as::a1)},
      {0x9002, as::ebreak()},
      {0xEC06, as::sd(as::ra, as::sp, 24)},
      {0xC22A, as::sw(as::a0, as::sp, 4)},
  };
  for (Pair const& pair : pairs) {
    Instruction compressed = decode(pair.compressed);
    Instruction const full = decode(pair.full);
    EXPECT_EQ(compressed.length, 2);
    EXPECT_EQ(compressed.bits, pair.compressed);
    compressed.length = full.length;
    compressed.bits = full.bits;
    EXPECT_EQ(compressed, full) << std::hex << pair.compressed << " is "
                                << to_string(compressed.op);
  }
}

// Every compressed encoding, by count: 3 * 16384 patterns, of which the standard names the
// reserved.
TEST(Decode, refuses_exactly_the_reserved_among_all_compressed_patterns) {
  unsigned illegal = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    if (!is_compressed(bits)) continue;
    Instruction const decoded = decode(bits);
    ASSERT_EQ(decoded.length, 2);
    ASSERT_LT(decoded.rd, 32);
    if (decoded.op == Op::illegal) ++illegal;
    // The high half says nothing.
    ASSERT_EQ(decode(bits | 0xABCD0000u), decoded);
  }
  unsigned const addi4spn_by_0 = 8, quadrant_0_funct3_4 = 2048;
  unsigned const addiw_of_x0 = 64, lui_by_0 = 32, arith_reserved = 2 * 64;
  unsigned const lwsp_ldsp_x0 = 2 * 64, jr_of_x0 = 1;
  EXPECT_EQ(illegal, addi4spn_by_0 + quadrant_0_funct3_4 + addiw_of_x0 + lui_by_0 + arith_reserved +
                         lwsp_ldsp_x0 + jr_of_x0);
}

TEST(Decode, is_total_and_never_names_a_register_that_is_none) {
  std::mt19937_64 random{1};
  std::set<Op> seen;
  for (int i = 0; i < 3'000'000; ++i) {
    auto const bits = static_cast<std::uint32_t>(random());
    Instruction const decoded = decode(bits);
    seen.insert(decoded.op);
    ASSERT_TRUE(decoded.length == 2 || decoded.length == 4);
    ASSERT_LT(decoded.rd | decoded.rs1 | decoded.rs2 | decoded.rs3, 32);
    ASSERT_LT(decoded.rm, 8);
  }
  EXPECT_GT(seen.size(), 150u);
}

TEST(Decode, names_every_operation) {
  std::set<std::string_view> names;
  for (std::size_t op = 0; op < kOpCount; ++op) names.insert(to_string(static_cast<Op>(op)));
  EXPECT_EQ(names.size(), kOpCount);
}

}  // namespace
}  // namespace mutirao::machine
