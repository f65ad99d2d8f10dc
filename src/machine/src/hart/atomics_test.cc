#include "hart/atomics.h"

#include <gtest/gtest.h>

#include "testing/test_hart.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;
constexpr as::Word kWord = 2, kDoubleword = 3, kPair = 4;

struct AtomicsTest : testing::Test {
  TestHart test;
  void SetUp() override { test.x(as::a0) = TestHart::kData; }
  void set(std::uint64_t value) { ASSERT_TRUE(test.memory().store(TestHart::kData, value)); }
  std::uint64_t get() { return test.load<std::uint64_t>(TestHart::kData); }
};

TEST_F(AtomicsTest, stores_conditionally_once_for_each_reservation) {
  set(5);
  test.x(as::a1) = 6;
  test.run({as::lr(kDoubleword, as::a2, as::a0), as::sc(kDoubleword, as::a3, as::a1, as::a0),
            as::sc(kDoubleword, as::a4, as::a1, as::a0)});
  EXPECT_EQ(test.x(as::a2), 5u);
  EXPECT_EQ(test.x(as::a3), 0u);
  EXPECT_EQ(test.x(as::a4), 1u);
  EXPECT_EQ(get(), 6u);
}

TEST_F(AtomicsTest, fails_to_store_elsewhere_in_another_width_or_over_a_change) {
  set(5);
  test.x(as::a1) = 6;
  test.x(as::a5) = TestHart::kData + 8;
  test.run({as::lr(kDoubleword, as::a2, as::a0), as::sc(kDoubleword, as::a3, as::a1, as::a5)});
  EXPECT_EQ(test.x(as::a3), 1u);
  test.run({as::lr(kDoubleword, as::a2, as::a0), as::sc(kWord, as::a3, as::a1, as::a0)});
  EXPECT_EQ(test.x(as::a3), 1u);
  test.run({as::lr(kDoubleword, as::a2, as::a0), as::nop()});
  set(7);  // somebody else
  test.run({as::sc(kDoubleword, as::a3, as::a1, as::a0)});
  EXPECT_EQ(test.x(as::a3), 1u);
  EXPECT_EQ(get(), 7u);
}

TEST_F(AtomicsTest, sign_extends_words_and_leaves_the_other_half_alone) {
  set(0x11111111FFFFFFFF);
  test.x(as::a1) = 2;
  test.run({as::amoadd(kWord, as::a2, as::a1, as::a0)});
  EXPECT_EQ(test.x(as::a2), ~0ull);
  EXPECT_EQ(get(), 0x1111111100000001u);
  set(0x80000000);
  test.x(as::a1) = 1;
  test.run({as::amomin(kWord, as::a2, as::a1, as::a0)});
  EXPECT_EQ(get(), 0x80000000u);  // the least of all words, with its sign
  test.run({as::amomaxu(kWord, as::a2, as::a1, as::a0)});
  EXPECT_EQ(get(), 0x80000000u);
}

TEST_F(AtomicsTest, compares_and_swaps_words_doublewords_and_pairs) {
  set(5);
  test.x(as::a1) = 6;
  test.x(as::a2) = 4;
  test.run({as::amocas(kDoubleword, as::a2, as::a1, as::a0)});
  EXPECT_EQ(test.x(as::a2), 5u);
  EXPECT_EQ(get(), 5u);
  test.run({as::amocas(kDoubleword, as::a2, as::a1, as::a0)});
  EXPECT_EQ(get(), 6u);
  ASSERT_TRUE(test.memory().store<std::uint64_t>(TestHart::kData + 8, 7));
  test.x(as::a2) = 6;
  test.x(as::a3) = 7;
  test.x(as::a4) = 1;
  test.x(as::a5) = 2;
  test.run({as::amocas(kPair, as::a2, as::a4, as::a0)});
  EXPECT_EQ(test.x(as::a2), 6u);
  EXPECT_EQ(test.x(as::a3), 7u);
  EXPECT_EQ(get(), 1u);
  EXPECT_EQ(test.load<std::uint64_t>(TestHart::kData + 8), 2u);
  // Pair x0 compares with zero and keeps nothing: no match here.
  test.run({as::amocas(kPair, as::zero, as::a4, as::a0)});
  EXPECT_EQ(test.x(as::ra), 0u);
  EXPECT_EQ(get(), 1u);
}

TEST_F(AtomicsTest, refuses_addresses_that_are_not_aligned) {
  test.x(as::a0) = TestHart::kData + 4;
  test.run({as::amoadd(kDoubleword, as::a2, as::a1, as::a0)});
  EXPECT_EQ(test.cause(), Cause::store_misaligned);
  EXPECT_EQ(test.hart().mtval, TestHart::kData + 4);
  test.hart().pc = TestHart::kCode;
  test.run({as::lr(kDoubleword, as::a2, as::a0)});
  EXPECT_EQ(test.cause(), Cause::load_misaligned);
}

TEST_F(AtomicsTest, reports_faults_of_reading_and_changing_as_those_of_a_store) {
  TestTables tables{test};
  tables.map(0x10000, TestHart::kData, TestTables::kV | TestTables::kR | TestTables::kA);
  tables.map(0x20000, TestHart::kCode, TestTables::kAll);
  tables.use();
  test.put(TestHart::kCode, {as::amoswap(kDoubleword, as::a2, as::a1, as::a0)});
  test.x(as::a0) = 0x10008;
  test.enter(Privilege::supervisor);
  test.hart().pc = 0x20000;
  test.step();
  EXPECT_EQ(test.cause(), Cause::store_page);
  EXPECT_EQ(test.hart().mtval, 0x10008u);
}

TEST_F(AtomicsTest, makes_code_that_it_changes_stale) {
  // The instruction behind is executed once, changed by an amoswap, and executed again.
  test.x(as::a0) = TestHart::kCode + 4;
  test.x(as::a1) = as::addi(as::a3, as::a3, 100);
  test.put(TestHart::kCode,
           {as::amoswap(kWord, as::a2, as::a1, as::a0), as::addi(as::a3, as::a3, 1)});
  test.hart().pc = TestHart::kCode + 4;
  test.step();
  test.hart().pc = TestHart::kCode;
  test.step(2);
  EXPECT_EQ(test.x(as::a3), 101u);
  EXPECT_EQ(test.x(as::a2), as::addi(as::a3, as::a3, 1));
}

}  // namespace
}  // namespace mutirao::machine
