#include "hart/interpreter.h"

#include <gtest/gtest.h>

#include "testing/test_hart.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;

TEST(Interpreter, executes_exactly_as_many_instructions_as_it_was_given) {
  TestHart test;
  test.put(TestHart::kCode, {as::addi(as::a0, as::a0, 1), as::j(-4)});
  test.step(1'000'001);
  EXPECT_EQ(test.hart().steps, 1'000'001u);
  EXPECT_EQ(test.x(as::a0), 500'001u);
  EXPECT_EQ(test.hart().pc, TestHart::kCode + 4);
  test.step(0);
  EXPECT_EQ(test.hart().steps, 1'000'001u);
}

TEST(Interpreter, keeps_x0_zero) {
  TestHart test;
  test.x(as::a0) = TestHart::kData;
  ASSERT_TRUE(test.memory().store<std::uint64_t>(TestHart::kData, 5));
  test.run({as::addi(as::zero, as::zero, 1), as::ld(as::zero, as::a0), as::jal(as::zero, 4),
            as::amoadd(3, as::zero, as::a0, as::a0), as::csrr(as::zero, csr::kMstatus),
            as::add(as::a1, as::zero, as::zero)});
  EXPECT_EQ(test.x(0), 0u);
  EXPECT_EQ(test.x(as::a1), 0u);
}

TEST(Interpreter, makes_any_constant) {
  for (std::uint64_t const value :
       {0ull, 1ull, ~0ull, 0x7FFull, 0x800ull, 0x7FFFFFFFull, 0x80000000ull, 0xFFFFFFFF80000000ull,
        0x123456789ABCDEFull, 0x8000000000000000ull, 0xFFFFFFFFFFFFF800ull}) {
    TestHart test;
    test.run(as::Code{} << as::li(as::a0, value));
    EXPECT_EQ(test.x(as::a0), value);
  }
}

TEST(Interpreter, divides_by_zero_and_overflows_without_a_trap) {
  TestHart test;
  std::uint64_t const least = 1ull << 63;
  test.x(as::a0) = least;
  test.x(as::a1) = ~0ull;
  test.run({as::div(as::t0, as::a0, as::a1), as::rem(as::t1, as::a0, as::a1),
            as::div(as::t2, as::a0, as::zero), as::rem(as::t3, as::a0, as::zero),
            as::divu(as::t4, as::a0, as::zero), as::remu(as::t5, as::a0, as::zero)});
  EXPECT_EQ(test.x(as::t0), least);
  EXPECT_EQ(test.x(as::t1), 0u);
  EXPECT_EQ(test.x(as::t2), ~0ull);
  EXPECT_EQ(test.x(as::t3), least);
  EXPECT_EQ(test.x(as::t4), ~0ull);
  EXPECT_EQ(test.x(as::t5), least);
  test.x(as::a0) = 0x80000000;
  test.run({as::divw(as::t0, as::a0, as::a1), as::remw(as::t1, as::a0, as::a1),
            as::divw(as::t2, as::a0, as::zero), as::remw(as::t3, as::a0, as::zero)});
  EXPECT_EQ(test.x(as::t0), 0xFFFFFFFF80000000u);
  EXPECT_EQ(test.x(as::t1), 0u);
  EXPECT_EQ(test.x(as::t2), ~0ull);
  EXPECT_EQ(test.x(as::t3), 0xFFFFFFFF80000000u);
}

TEST(Interpreter, multiplies_into_the_upper_half_with_and_without_signs) {
  TestHart test;
  test.x(as::a0) = ~0ull;
  test.x(as::a1) = 2;
  test.run({as::mulh(as::t0, as::a0, as::a1), as::mulhu(as::t1, as::a0, as::a1),
            as::mulhsu(as::t2, as::a0, as::a1), as::mulhsu(as::t3, as::a1, as::a0)});
  EXPECT_EQ(test.x(as::t0), ~0ull);
  EXPECT_EQ(test.x(as::t1), 1u);
  EXPECT_EQ(test.x(as::t2), ~0ull);
  EXPECT_EQ(test.x(as::t3), 1u);
}

TEST(Interpreter, loads_and_stores_that_are_not_aligned) {
  TestHart test;
  test.x(as::a0) = TestHart::kData + 0xFFD;
  test.x(as::a1) = 0x8877665544332211;
  test.run({as::sd(as::a1, as::a0), as::ld(as::a2, as::a0), as::lh(as::a3, as::a0, 6),
            as::lw(as::a4, as::a0, 1), as::lbu(as::a5, as::a0, 7)});
  EXPECT_EQ(test.x(as::a2), 0x8877665544332211u);
  EXPECT_EQ(test.x(as::a3), 0xFFFFFFFFFFFF8877u);
  EXPECT_EQ(test.x(as::a4), 0x55443322u);
  EXPECT_EQ(test.x(as::a5), 0x88u);
}

TEST(Interpreter, runs_over_the_end_of_a_page_and_through_instructions_that_lie_in_two) {
  TestHart test;
  GuestAddress const start = TestHart::kCode + 0xFF8;
  // A compressed instruction shifts the rest: the third long one lies across.
  ASSERT_TRUE(test.memory().store<std::uint16_t>(start, 0x0505));  // c.addi a0, 1
  test.put(start + 2,
           {as::addi(as::a0, as::a0, 2), as::addi(as::a0, as::a0, 4), as::addi(as::a0, as::a0, 8)});
  test.hart().pc = start;
  test.step(4);
  EXPECT_EQ(test.x(as::a0), 15u);
  EXPECT_EQ(test.hart().pc, start + 14);
  // And jumps from there back into the page.
  test.put(TestHart::kCode + 0xFFE, {as::j(-0xFFE)});
  test.put(TestHart::kCode, {as::addi(as::a1, as::a1, 1)});
  test.hart().pc = TestHart::kCode + 0xFFE;
  test.step(2);
  EXPECT_EQ(test.x(as::a1), 1u);
}

TEST(Interpreter, executes_what_was_stored_over_instructions_that_it_knew) {
  TestHart test;
  test.x(as::a0) = TestHart::kCode;
  // Twice through a loop whose first instruction the first round changes.
  test.x(as::a1) = as::addi(as::a2, as::a2, 100);
  as::Code const code{as::addi(as::a2, as::a2, 1), as::sw(as::a1, as::a0), as::fence_i(),
                      as::j(-12)};
  test.put(TestHart::kCode, code);
  test.step(8);
  EXPECT_EQ(test.x(as::a2), 101u);
}

TEST(Interpreter, goes_on_behind_a_store_that_changed_itself) {
  TestHart test;
  test.x(as::a0) = TestHart::kCode;
  test.put(TestHart::kCode, {as::sw(as::zero, as::a0), as::addi(as::a1, as::a1, 1)});
  test.step(2);
  EXPECT_EQ(test.x(as::a1), 1u);
  EXPECT_EQ(test.hart().pc, TestHart::kCode + 8);
}

TEST(Interpreter, executes_what_a_device_wrote) {
  TestHart test;
  test.run({as::addi(as::a0, as::a0, 1)});
  auto const word = as::addi(as::a0, as::a0, 10);
  std::uint8_t bytes[4];
  std::memcpy(bytes, &word, 4);
  ASSERT_TRUE(test.memory().write(TestHart::kCode, bytes));
  test.hart().pc = TestHart::kCode;
  test.step();
  EXPECT_EQ(test.x(as::a0), 11u);
}

TEST(Interpreter, sees_the_second_half_of_a_long_instruction_change) {
  TestHart test;
  GuestAddress const place = TestHart::kCode + 62;  // ends in the next line
  test.put(place, {as::addi(as::a0, as::a0, 1)});
  test.hart().pc = place;
  test.step();
  ASSERT_TRUE(test.memory().store<std::uint16_t>(place + 2, as::addi(as::a0, as::a0, 5) >> 16));
  test.hart().pc = place;
  test.step();
  EXPECT_EQ(test.x(as::a0), 6u);
}

TEST(Interpreter, returns_at_the_next_jump_when_attention_is_asked_for) {
  TestHart test;
  test.put(TestHart::kCode, {as::nop(), as::j(-4)});
  test.hart().attention = true;
  EXPECT_EQ(test.interpreter().run(1000), Interpreter::Stop::attention);
  EXPECT_LT(test.hart().steps, 3u);
  EXPECT_EQ(test.interpreter().run(1000), Interpreter::Stop::budget);
}

TEST(Interpreter, fetches_with_the_rights_of_the_mode_that_it_is_in_now) {
  TestHart test;
  TestTables tables{test};
  tables.map(0x10000, TestHart::kCode, TestTables::kAll | TestTables::kU);
  tables.use();
  test.put(TestHart::kCode, {as::nop(), as::nop(), as::nop()});
  test.enter(Privilege::user);
  test.hart().pc = 0x10000;
  test.step(1);
  EXPECT_EQ(test.hart().pc, 0x10004u);
  test.enter(Privilege::supervisor);
  test.step(1);
  EXPECT_EQ(test.cause(), Cause::instruction_page);
  EXPECT_EQ(test.hart().mtval, 0x10004u);
}

// The counts of a device that a program reads in the middle of a run are those of that moment.
struct Clockwork final : Device {
  Hart* hart = nullptr;
  std::uint64_t read(std::uint64_t, unsigned) override { return hart->steps; }
  void write(std::uint64_t, unsigned, std::uint64_t) override {}
};

TEST(Interpreter, shows_devices_the_present_count_of_instructions) {
  TestHart test;
  Clockwork device;
  device.hart = &test.hart();
  test.bus().attach(0x1000, 8, device);
  test.x(as::a0) = 0x1000;
  test.run({as::nop(), as::nop(), as::ld(as::a1, as::a0), as::nop(), as::ld(as::a2, as::a0)});
  EXPECT_EQ(test.x(as::a1), 3u);
  EXPECT_EQ(test.x(as::a2), 5u);
}

}  // namespace
}  // namespace mutirao::machine
