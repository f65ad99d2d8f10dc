#include "hart/floating_point.h"

#include <bit>

#include <gtest/gtest.h>

#include "soft_float/soft_float.h"
#include "testing/test_hart.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;
constexpr as::Word kSingle = 0, kDouble = 1;
constexpr std::uint64_t kOne = std::bit_cast<std::uint64_t>(1.0);
constexpr std::uint32_t kOneS = std::bit_cast<std::uint32_t>(1.0f);
constexpr std::uint32_t kQuietNanS = 0x7FC00000;
constexpr std::uint64_t kQuietNan = 0x7FF8000000000000;

struct FloatingPointTest : testing::Test {
  TestHart test;
  void SetUp() override { test.hart().mstatus |= 1ull << status::kFsShift; }
  std::uint8_t flags() { return std::exchange(test.hart().fflags, std::uint8_t{0}); }
};

TEST_F(FloatingPointTest, boxes_singles_in_ones_and_takes_what_is_not_boxed_for_nan) {
  test.f(1) = boxed(kOneS);
  test.f(2) = kOneS;  // not boxed
  test.run({as::fadd(kSingle, 3, 1, 1), as::fadd(kSingle, 4, 1, 2), as::fsgnj(kSingle, 5, 2, 2)});
  EXPECT_EQ(test.f(3), boxed(std::bit_cast<std::uint32_t>(2.0f)));
  EXPECT_EQ(test.f(4), boxed(kQuietNanS));
  EXPECT_EQ(test.f(5), boxed(kQuietNanS));
  EXPECT_EQ(flags(), 0);
}

TEST_F(FloatingPointTest, moves_bits_as_they_are) {
  test.f(1) = 0x1234567889ABCDEF;
  test.x(as::a1) = 0xFFFFFFFF7F800001;
  test.run({as::fmv_to_x(kSingle, as::a0, 1), as::fmv_to_x(kDouble, as::a2, 1),
            as::fmv_from_x(kSingle, 2, as::a1)});
  EXPECT_EQ(test.x(as::a0), 0xFFFFFFFF89ABCDEFu);
  EXPECT_EQ(test.x(as::a2), 0x1234567889ABCDEFu);
  EXPECT_EQ(test.f(2), 0xFFFFFFFF7F800001u);
}

TEST_F(FloatingPointTest, loads_and_stores_boxed_values) {
  test.x(as::a0) = TestHart::kData;
  test.f(1) = 0x1234567889ABCDEF;
  test.run({as::fsw(1, as::a0), as::flw(2, as::a0), as::fsd(1, as::a0, 8), as::fld(3, as::a0, 8)});
  EXPECT_EQ(test.load<std::uint64_t>(TestHart::kData), 0x89ABCDEFu);
  EXPECT_EQ(test.f(2), 0xFFFFFFFF89ABCDEFu);
  EXPECT_EQ(test.f(3), 0x1234567889ABCDEFu);
}

TEST_F(FloatingPointTest, traps_everything_while_it_is_off) {
  test.hart().mstatus &= ~status::kFs;
  for (as::Word const word : {as::fadd(kDouble, 1, 2, 3), as::fsw(1, as::a0), as::fld(1, as::a0),
                              as::fmv_to_x(kDouble, as::a0, 1), as::fmadd(kSingle, 1, 2, 3, 4)}) {
    test.hart().pc = TestHart::kCode;
    test.run({word});
    EXPECT_TRUE(test.trapped_to_machine());
    EXPECT_EQ(test.cause(), Cause::illegal_instruction);
    EXPECT_EQ(test.hart().mtval, word);
  }
}

TEST_F(FloatingPointTest, is_dirty_after_a_register_or_a_flag_changed_and_not_before) {
  test.f(1) = kOne;
  test.x(as::a0) = TestHart::kData;
  test.run({as::fsd(1, as::a0), as::fmv_to_x(kDouble, as::a1, 1)});
  EXPECT_EQ(test.hart().mstatus & status::kFs, 1ull << status::kFsShift);
  test.f(2) = kQuietNan;
  test.run({as::fcvt_to_integer(2, kDouble, as::a1, 2)});  // invalid
  EXPECT_EQ(test.hart().mstatus & status::kFs, status::kFs);
  test.hart().mstatus ^= 2ull << status::kFsShift;
  test.run({as::fmv_from_x(kDouble, 3, as::zero)});
  EXPECT_EQ(test.hart().mstatus & status::kFs, status::kFs);
}

TEST_F(FloatingPointTest, rounds_as_the_instruction_or_frm_says_and_traps_on_modes_that_are_none) {
  test.f(1) = kOne;
  test.f(2) = std::bit_cast<std::uint64_t>(3.0);
  test.hart().frm = 3;
  test.run({as::fdiv(kDouble, 3, 1, 2, 1), as::fdiv(kDouble, 4, 1, 2, 7)});
  EXPECT_EQ(test.f(4), test.f(3) + 1);
  EXPECT_EQ(flags(), soft_float::kInexact);
  test.hart().frm = 5;
  test.run({as::fdiv(kDouble, 3, 1, 2, 0), as::fdiv(kDouble, 4, 1, 2, 7)});
  EXPECT_TRUE(test.trapped_to_machine());
  EXPECT_EQ(test.cause(), Cause::illegal_instruction);
}

TEST_F(FloatingPointTest, fuses_with_the_signs_that_the_names_promise) {
  auto const value = [](double number) { return std::bit_cast<std::uint64_t>(number); };
  test.f(1) = value(2);
  test.f(2) = value(3);
  test.f(3) = value(10);
  as::Word const fmadd = as::fmadd(kDouble, 4, 1, 2, 3);
  test.run({fmadd});
  EXPECT_EQ(test.f(4), value(16));
  test.run({fmadd ^ 0x43 ^ 0x47});
  EXPECT_EQ(test.f(4), value(-4));
  test.run({fmadd ^ 0x43 ^ 0x4B});
  EXPECT_EQ(test.f(4), value(4));
  test.run({fmadd ^ 0x43 ^ 0x4F});
  EXPECT_EQ(test.f(4), value(-16));
}

TEST_F(FloatingPointTest, calls_infinity_times_zero_plus_a_quiet_nan_invalid) {
  test.f(1) = 0x7FF0000000000000;
  test.f(2) = 0;
  test.f(3) = kQuietNan;
  test.run({as::fmadd(kDouble, 4, 1, 2, 3)});
  EXPECT_EQ(test.f(4), kQuietNan);
  EXPECT_EQ(flags(), soft_float::kInvalid);
}

TEST_F(FloatingPointTest, extends_the_sign_of_unsigned_words_too) {
  test.f(1) = std::bit_cast<std::uint64_t>(4294967295.0);
  test.f(2) = kQuietNan;
  test.run({as::fcvt_to_integer(1, kDouble, as::a0, 1), as::fcvt_to_integer(1, kDouble, as::a1, 2),
            as::fcvt_to_integer(3, kDouble, as::a2, 2),
            as::fcvt_to_integer(0, kDouble, as::a3, 2)});
  EXPECT_EQ(test.x(as::a0), ~0ull);
  EXPECT_EQ(test.x(as::a1), ~0ull);
  EXPECT_EQ(test.x(as::a2), ~0ull);
  EXPECT_EQ(test.x(as::a3), 0x7FFFFFFFu);
}

TEST_F(FloatingPointTest, accumulates_flags_until_they_are_cleared) {
  test.f(1) = kOne;
  test.f(2) = 0;
  test.f(3) = std::bit_cast<std::uint64_t>(3.0);
  test.run({as::fdiv(kDouble, 4, 1, 2), as::fdiv(kDouble, 4, 1, 3),
            as::csrrw(as::a0, csr::kFflags, as::zero), as::csrr(as::a1, csr::kFcsr)});
  EXPECT_EQ(test.x(as::a0), soft_float::kDivideByZero | soft_float::kInexact);
  EXPECT_EQ(test.x(as::a1), 0u);
}

TEST_F(FloatingPointTest, prefers_a_number_to_nan_in_min_and_max) {
  test.f(1) = boxed(kQuietNanS);
  test.f(2) = boxed(kOneS);
  test.run({as::fmin(kSingle, 3, 1, 2), as::fmax(kSingle, 4, 2, 1), as::fmin(kSingle, 5, 1, 1)});
  EXPECT_EQ(test.f(3), boxed(kOneS));
  EXPECT_EQ(test.f(4), boxed(kOneS));
  EXPECT_EQ(test.f(5), boxed(kQuietNanS));
}

}  // namespace
}  // namespace mutirao::machine
