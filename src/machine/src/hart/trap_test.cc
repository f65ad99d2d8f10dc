#include "hart/trap.h"

#include <gtest/gtest.h>

#include "testing/test_hart.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;
constexpr std::uint64_t kInterruptBit = 1ull << 63;

TEST(Trap, enters_machine_mode_with_everything_remembered) {
  TestHart test;
  test.hart().mstatus |= status::kMie;
  test.enter(Privilege::user);
  test.run({as::ecall()});
  EXPECT_TRUE(test.trapped_to_machine());
  EXPECT_EQ(test.cause(), Cause::ecall_user);
  EXPECT_EQ(test.hart().mepc, TestHart::kCode);
  EXPECT_EQ(test.hart().mtval, 0u);
  EXPECT_EQ(test.hart().privilege, Privilege::machine);
  EXPECT_EQ(test.hart().mstatus & status::kMpp, 0u);
  EXPECT_EQ(test.hart().mstatus & (status::kMie | status::kMpie), status::kMpie);
  // An instruction that traps does not retire.
  EXPECT_EQ(test.hart().steps, 1u);
  EXPECT_EQ(test.hart().steps_trapped, 1u);
}

TEST(Trap, delegates_from_below_and_never_from_machine_mode) {
  TestHart test;
  test.hart().medeleg = 1u << 2 | 1u << 8;
  test.enter(Privilege::user);
  test.run({0xFFFFFFFF});
  EXPECT_TRUE(test.trapped_to_supervisor());
  EXPECT_EQ(test.hart().scause, 2u);
  EXPECT_EQ(test.hart().stval, 0xFFFFFFFFu);
  EXPECT_EQ(test.hart().sepc, TestHart::kCode);
  EXPECT_EQ(test.hart().mstatus & status::kSpp, 0u);
  test.enter(Privilege::machine);
  test.hart().pc = TestHart::kCode;
  test.step();
  EXPECT_TRUE(test.trapped_to_machine());
  EXPECT_EQ(test.cause(), Cause::illegal_instruction);
}

TEST(Trap, shows_a_compressed_illegal_instruction_in_sixteen_bits) {
  TestHart test;
  test.run({0xABCD0000});
  EXPECT_TRUE(test.trapped_to_machine());
  EXPECT_EQ(test.hart().mtval, 0u);
  test.hart().pc = TestHart::kCode;
  test.run({0xABCD8000});  // quadrant 0, funct3 4: reserved
  EXPECT_EQ(test.hart().mtval, 0x8000u);
}

TEST(Trap, returns_to_where_it_came_from_and_restores_the_enables) {
  TestHart test;
  test.hart().mepc = TestHart::kData;
  test.hart().mstatus |= status::kMpie | 1ull << status::kMppShift | status::kMprv;
  test.run({as::mret()});
  EXPECT_EQ(test.hart().pc, TestHart::kData);
  EXPECT_EQ(test.hart().privilege, Privilege::supervisor);
  EXPECT_EQ(test.hart().mstatus & (status::kMie | status::kMpie | status::kMpp | status::kMprv),
            status::kMie | status::kMpie);
  test.hart().sepc = TestHart::kCode;
  test.hart().mstatus |= status::kSpie;
  test.run({as::sret()});
  EXPECT_EQ(test.hart().privilege, Privilege::user);
  EXPECT_EQ(test.hart().mstatus & (status::kSie | status::kSpie | status::kSpp),
            status::kSie | status::kSpie);
}

TEST(Trap, keeps_returns_waiting_and_fences_from_those_below) {
  for (auto const word : {as::mret(), as::sret(), as::wfi(), as::sfence_vma()}) {
    TestHart test;
    test.enter(Privilege::user);
    test.run({word});
    EXPECT_EQ(test.cause(), Cause::illegal_instruction) << std::hex << word;
    EXPECT_EQ(test.hart().mtval, word);
  }
  struct {
    as::Word word;
    std::uint64_t bit;
  } const traps[] = {{as::sret(), status::kTsr},
                     {as::wfi(), status::kTw},
                     {as::sfence_vma(), status::kTvm},
                     {as::csrr(as::a0, csr::kSatp), status::kTvm}};
  for (auto const& trap : traps) {
    TestHart test;
    test.hart().mstatus |= trap.bit;
    test.enter(Privilege::supervisor);
    test.run({trap.word});
    EXPECT_EQ(test.cause(), Cause::illegal_instruction) << std::hex << trap.word;
    EXPECT_TRUE(test.trapped_to_machine());
  }
}

TEST(Trap, takes_interrupts_in_the_order_of_the_standard) {
  TestHart test;
  Hart& hart = test.hart();
  hart.mie = 0xAAA;
  hart.mideleg = interrupt::kSupervisor;
  hart.lines = interrupt::kMachine | interrupt::kSeip;
  hart.mip_written = interrupt::kSsip | interrupt::kStip;
  test.enter(Privilege::user);
  for (unsigned const number : {11u, 3u, 7u, 9u, 1u, 5u}) {
    hart.pc = TestHart::kCode;
    test.enter(Privilege::user);
    EXPECT_TRUE(take_interrupt(test.core()));
    EXPECT_EQ(number % 4 == 3 ? hart.mcause : hart.scause, kInterruptBit | number);
    EXPECT_EQ(hart.privilege, number % 4 == 3 ? Privilege::machine : Privilege::supervisor);
    hart.lines = hart.lines & ~(1ull << number);
    hart.mip_written &= ~(1ull << number);
  }
  EXPECT_FALSE(take_interrupt(test.core()));
}

TEST(Trap, masks_interrupts_of_its_own_mode_and_of_those_below) {
  TestHart test;
  Hart& hart = test.hart();
  hart.mie = 0xAAA;
  hart.mideleg = interrupt::kSupervisor;
  hart.mip_written = interrupt::kSsip;
  EXPECT_FALSE(take_interrupt(test.core()));  // machine mode: for supervisors only
  test.enter(Privilege::supervisor);
  EXPECT_FALSE(take_interrupt(test.core()));  // SIE is off
  hart.lines = interrupt::kMtip;
  EXPECT_TRUE(take_interrupt(test.core()));  // whatever MIE says, from below
  EXPECT_EQ(hart.privilege, Privilege::machine);
  EXPECT_FALSE(take_interrupt(test.core()));  // MIE is off now
}

TEST(Trap, goes_to_vectors_for_interrupts_and_to_the_base_for_exceptions) {
  TestHart test;
  Hart& hart = test.hart();
  hart.mtvec = TestHart::kHandler | 1;
  hart.mie = interrupt::kMtip;
  hart.lines = interrupt::kMtip;
  hart.mstatus |= status::kMie;
  test.step(0);
  EXPECT_EQ(hart.pc, TestHart::kHandler + 4 * 7);
  hart.pc = TestHart::kCode;
  test.run({as::ecall()});
  EXPECT_EQ(hart.pc, TestHart::kHandler);
}

TEST(Trap, takes_an_interrupt_right_after_the_instruction_that_lets_it_in) {
  TestHart test;
  Hart& hart = test.hart();
  hart.mie = interrupt::kMsip;
  hart.lines = interrupt::kMsip;
  test.put(TestHart::kCode,
           {as::nop(), as::csrrsi(as::zero, csr::kMstatus, 8), as::nop(), as::nop()});
  test.step(2);
  EXPECT_EQ(hart.mepc, TestHart::kCode + 8);
  EXPECT_EQ(hart.mcause, kInterruptBit | 3);
}

TEST(Trap, waits_until_something_enabled_is_pending_whatever_the_global_enable_says) {
  TestHart test;
  Hart& hart = test.hart();
  hart.mie = interrupt::kMtip;
  test.put(TestHart::kCode, {as::wfi(), as::addi(as::a0, as::a0, 1)});
  EXPECT_EQ(test.interpreter().run(10), Interpreter::Stop::waiting);
  EXPECT_EQ(hart.steps, 1u);
  EXPECT_EQ(test.interpreter().run(10), Interpreter::Stop::waiting);
  hart.lines = interrupt::kMsip;  // not enabled
  EXPECT_EQ(test.interpreter().run(1), Interpreter::Stop::waiting);
  hart.lines = interrupt::kMtip;
  EXPECT_EQ(test.interpreter().run(1), Interpreter::Stop::budget);
  EXPECT_EQ(test.x(as::a0), 1u);
  EXPECT_EQ(hart.steps, 2u);
}

TEST(Trap, raises_the_supervisor_timer_when_stimecmp_is_reached) {
  TestHart test;
  Hart& hart = test.hart();
  hart.menvcfg = envcfg::kStce;
  hart.mideleg = hart.mie = interrupt::kStip;
  hart.mcounteren = 2;
  hart.mstatus |= status::kSie;
  test.enter(Privilege::supervisor);
  test.x(as::a0) = 100;
  test.run({as::csrw(csr::kStimecmp, as::a0), as::nop()});
  EXPECT_EQ(hart.pc, TestHart::kCode + 8);
  test.host().now = 100;
  test.step(0);
  EXPECT_EQ(hart.scause, kInterruptBit | 5);
  // Pending until the comparand moves, and not for software to clear.
  hart.pc = TestHart::kCode;
  test.x(as::a0) = 101;
  test.run({as::csrr(as::a1, csr::kSip), as::csrw(csr::kSip, as::zero), as::csrr(as::a2, csr::kSip),
            as::csrw(csr::kStimecmp, as::a0), as::csrr(as::a3, csr::kSip)});
  EXPECT_EQ(test.x(as::a1), interrupt::kStip);
  EXPECT_EQ(test.x(as::a2), interrupt::kStip);
  EXPECT_EQ(test.x(as::a3), 0u);
}

TEST(Trap, tells_where_a_fetch_failed_even_in_the_middle_of_an_instruction) {
  TestHart test;
  TestTables tables{test};
  tables.map(0x10000, TestHart::kData, TestTables::kAll);
  tables.use();
  test.put(TestHart::kData + 0xFFC, {0x00130001});  // c.nop, then half of an addi
  test.enter(Privilege::supervisor);
  test.hart().pc = 0x10FFC;
  test.step(2);
  EXPECT_EQ(test.cause(), Cause::instruction_page);
  EXPECT_EQ(test.hart().mepc, 0x10FFEu);
  EXPECT_EQ(test.hart().mtval, 0x11000u);
}

TEST(Trap, gives_breakpoints_their_own_address) {
  TestHart test;
  test.run({as::nop(), as::ebreak()});
  EXPECT_EQ(test.cause(), Cause::breakpoint);
  EXPECT_EQ(test.hart().mtval, TestHart::kCode + 4);
}

}  // namespace
}  // namespace mutirao::machine
