#include "hart/csr.h"

#include <gtest/gtest.h>

#include "testing/test_hart.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;

bool is_illegal(TestHart& test, as::Word word) {
  test.hart().pc = TestHart::kCode;
  test.run({word});
  bool const trapped = test.trapped_to_machine() && test.cause() == Cause::illegal_instruction;
  if (trapped) {
    EXPECT_EQ(test.hart().mtval, word);
  }
  return trapped;
}

TEST(Csr, traps_writes_to_what_can_only_be_read_and_not_reads_that_look_like_writes) {
  TestHart test;
  test.x(as::a1) = 1;
  EXPECT_TRUE(is_illegal(test, as::csrrw(as::zero, csr::kCycle, as::a1)));
  EXPECT_TRUE(is_illegal(test, as::csrrs(as::a0, csr::kMhartid, as::a1)));
  EXPECT_TRUE(is_illegal(test, as::csrrsi(as::a0, csr::kTime, 1)));
  EXPECT_FALSE(is_illegal(test, as::csrrs(as::a0, csr::kCycle, as::zero)));
  EXPECT_FALSE(is_illegal(test, as::csrrsi(as::a0, csr::kMhartid, 0)));
  // Setting through a register that happens to hold zero is a write all the same.
  test.x(as::a1) = 0;
  EXPECT_TRUE(is_illegal(test, as::csrrs(as::a0, csr::kMhartid, as::a1)));
}

TEST(Csr, knows_who_may_touch_what) {
  TestHart test;
  test.enter(Privilege::supervisor);
  EXPECT_FALSE(is_illegal(test, as::csrr(as::a0, csr::kSstatus)));
  EXPECT_TRUE(is_illegal(test, as::csrr(as::a0, csr::kMstatus)));
  test.enter(Privilege::user);
  EXPECT_TRUE(is_illegal(test, as::csrr(as::a0, csr::kSstatus)));
  test.enter(Privilege::machine);
  EXPECT_TRUE(is_illegal(test, as::csrr(as::a0, 0x5C0)));
  EXPECT_TRUE(is_illegal(test, as::csrr(as::a0, 0x3A1)));  // odd pmpcfg are of 32-bit harts
  EXPECT_TRUE(is_illegal(test, as::csrr(as::a0, 0x747)));
}

TEST(Csr, shows_counters_to_those_below_when_those_above_allow) {
  TestHart test;
  for (unsigned const number : {csr::kCycle, csr::kTime, csr::kInstret, csr::kCycle + 5}) {
    std::uint32_t const bit = 1u << (number - csr::kCycle);
    test.hart().mcounteren = test.hart().scounteren = 0;
    auto const illegal_in = [&](Privilege privilege) {
      test.enter(privilege);
      return is_illegal(test, as::csrr(as::a0, number));
    };
    EXPECT_FALSE(illegal_in(Privilege::machine));
    EXPECT_TRUE(illegal_in(Privilege::supervisor));
    test.hart().mcounteren = bit;
    EXPECT_FALSE(illegal_in(Privilege::supervisor));
    EXPECT_TRUE(illegal_in(Privilege::user));
    test.hart().scounteren = bit;
    EXPECT_FALSE(illegal_in(Privilege::user));
    test.hart().mcounteren = 0;
    EXPECT_TRUE(illegal_in(Privilege::user));
  }
}

TEST(Csr, counts_retired_instructions_and_starts_from_what_was_written) {
  TestHart test;
  test.run(
      {as::nop(), as::nop(), as::csrr(as::a0, csr::kMinstret), as::csrr(as::a1, csr::kMcycle)});
  EXPECT_EQ(test.x(as::a0), 2u);
  EXPECT_EQ(test.x(as::a1), 3u);
  test.x(as::a2) = 1000;
  test.run({as::csrw(csr::kMinstret, as::a2), as::csrr(as::a0, csr::kMinstret),
            as::csrr(as::a1, csr::kInstret)});
  EXPECT_EQ(test.x(as::a0), 1000u);
  EXPECT_EQ(test.x(as::a1), 1001u);
  // A trap is a cycle and no instruction.
  test.run({as::ecall()});
  test.run({as::csrr(as::a0, csr::kMinstret)});
  EXPECT_EQ(test.x(as::a0), 1002u);
}

TEST(Csr, holds_counters_still_while_they_are_inhibited) {
  TestHart test;
  test.run({as::nop(), as::nop(), as::csrrwi(as::zero, csr::kMcountinhibit, 4), as::nop(),
            as::nop(), as::csrr(as::a0, csr::kMinstret),
            as::csrrwi(as::zero, csr::kMcountinhibit, 0), as::nop(),
            as::csrr(as::a1, csr::kMinstret), as::csrr(as::a2, csr::kMcycle)});
  EXPECT_EQ(test.x(as::a0), 3u);
  EXPECT_EQ(test.x(as::a1), 4u);
  EXPECT_EQ(test.x(as::a2), 9u);
}

TEST(Csr, keeps_fields_at_values_that_exist) {
  TestHart test;
  Core& core = test.core();
  Hart& hart = test.hart();
  EXPECT_TRUE(write_csr(core, csr::kMstatus, ~0ull));
  EXPECT_EQ(*read_csr(core, csr::kMstatus), 0x8000000A007E79AAull);
  EXPECT_TRUE(write_csr(core, csr::kMstatus, 2ull << status::kMppShift));
  EXPECT_EQ(hart.mstatus & status::kMpp, status::kMpp);  // mode 2 is none: it stays
  EXPECT_TRUE(write_csr(core, csr::kMtvec, ~0ull));
  EXPECT_EQ(hart.mtvec, ~2ull);
  EXPECT_TRUE(write_csr(core, csr::kMepc, ~0ull));
  EXPECT_EQ(hart.mepc, ~1ull);
  EXPECT_TRUE(write_csr(core, csr::kMedeleg, ~0ull));
  EXPECT_EQ(hart.medeleg, 0xB3FFull);
  EXPECT_TRUE(write_csr(core, csr::kMideleg, ~0ull));
  EXPECT_EQ(hart.mideleg, interrupt::kSupervisor);
  EXPECT_TRUE(write_csr(core, csr::kMisa, 0));
  EXPECT_EQ(*read_csr(core, csr::kMisa), 0x800000000014112Dull);
  EXPECT_TRUE(write_csr(core, csr::kSatp, 10ull << 60 | 5));
  EXPECT_EQ(hart.satp, 0u);
  EXPECT_TRUE(write_csr(core, csr::kSatp, 9ull << 60 | 0xFFFFull << 44 | 5));
  EXPECT_EQ(hart.satp, 9ull << 60 | 0xFFFFull << 44 | 5);
  hart.mstatus |= status::kFs;
  EXPECT_TRUE(write_csr(core, csr::kFcsr, ~0ull));
  EXPECT_EQ(*read_csr(core, csr::kFcsr), 0xFFu);
}

TEST(Csr, shows_the_supervisor_its_part_of_the_machine) {
  TestHart test;
  Core& core = test.core();
  Hart& hart = test.hart();
  hart.mstatus |= status::kMie | status::kMprv | status::kFs;
  EXPECT_EQ(*read_csr(core, csr::kSstatus), status::kSd | status::kFs | 2ull << 32);
  EXPECT_TRUE(write_csr(core, csr::kSstatus, ~0ull));
  EXPECT_EQ(hart.mstatus & (status::kMie | status::kMprv | status::kTvm | status::kMpie),
            status::kMie | status::kMprv);
  hart.mideleg = interrupt::kSeip;
  EXPECT_TRUE(write_csr(core, csr::kSie, ~0ull));
  EXPECT_EQ(hart.mie, interrupt::kSeip);
  hart.mip_written = interrupt::kSsip | interrupt::kSeip;
  EXPECT_EQ(*read_csr(core, csr::kSip), interrupt::kSeip);
  EXPECT_TRUE(write_csr(core, csr::kSip, 0));
  EXPECT_EQ(hart.mip_written, interrupt::kSsip | interrupt::kSeip);
}

TEST(Csr, never_writes_back_what_a_device_raises) {
  TestHart test;
  test.hart().lines = interrupt::kSeip;
  test.run({as::csrrsi(as::a0, csr::kMip, 2)});
  EXPECT_EQ(test.x(as::a0), interrupt::kSeip);
  test.hart().lines = 0;
  EXPECT_EQ(*read_csr(test.core(), csr::kMip), interrupt::kSsip);
}

TEST(Csr, locks_protection_entries_until_reset) {
  TestHart test;
  Core& core = test.core();
  EXPECT_TRUE(write_csr(core, csr::kPmpaddr0 + 3, 100));
  EXPECT_TRUE(
      write_csr(core, csr::kPmpcfg0, 0x88ull << 32 | 0x1F));  // entry 4: locked, top of range
  EXPECT_TRUE(write_csr(core, csr::kPmpaddr0 + 4, 200));
  EXPECT_TRUE(write_csr(core, csr::kPmpaddr0 + 3, 200));
  EXPECT_EQ(*read_csr(core, csr::kPmpaddr0 + 4), 0u);
  EXPECT_EQ(*read_csr(core, csr::kPmpaddr0 + 3), 100u);
  EXPECT_TRUE(write_csr(core, csr::kPmpcfg0, 0x1A));  // writable and not readable is reserved
  EXPECT_EQ(*read_csr(core, csr::kPmpcfg0), 0x88ull << 32 | 0x18);
}

TEST(Csr, hides_floating_point_while_it_is_off) {
  TestHart test;
  EXPECT_TRUE(is_illegal(test, as::csrr(as::a0, csr::kFcsr)));
  test.hart().mstatus |= 1ull << status::kFsShift;
  EXPECT_FALSE(is_illegal(test, as::csrr(as::a0, csr::kFcsr)));
  EXPECT_EQ(test.hart().mstatus & status::kFs, 1ull << status::kFsShift);
  EXPECT_FALSE(is_illegal(test, as::csrrwi(as::zero, csr::kFrm, 2)));
  EXPECT_EQ(test.hart().mstatus & status::kFs, status::kFs);
}

TEST(Csr, gives_cache_block_instructions_to_those_whom_envcfg_names) {
  TestHart test;
  test.x(as::a0) = TestHart::kData + 70;
  ASSERT_TRUE(test.memory().store<std::uint64_t>(TestHart::kData + 64, ~0ull));
  ASSERT_TRUE(test.memory().store<std::uint64_t>(TestHart::kData + 128, ~0ull));
  test.enter(Privilege::user);
  EXPECT_TRUE(is_illegal(test, as::cbo_zero(as::a0)));
  test.hart().menvcfg = envcfg::kCbze | envcfg::kCbcfe;
  test.enter(Privilege::user);
  EXPECT_TRUE(is_illegal(test, as::cbo_zero(as::a0)));
  test.hart().senvcfg = envcfg::kCbze;
  test.enter(Privilege::user);
  EXPECT_FALSE(is_illegal(test, as::cbo_zero(as::a0)));
  EXPECT_EQ(test.load<std::uint64_t>(TestHart::kData + 64), 0u);
  EXPECT_EQ(test.load<std::uint64_t>(TestHart::kData + 128), ~0ull);
  EXPECT_TRUE(is_illegal(test, as::cbo_flush(as::a0)));
  test.enter(Privilege::supervisor);
  EXPECT_FALSE(is_illegal(test, as::cbo_flush(as::a0)));
}

}  // namespace
}  // namespace mutirao::machine
