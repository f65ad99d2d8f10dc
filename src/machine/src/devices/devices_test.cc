#include <gtest/gtest.h>

#include "devices/clint.h"
#include "devices/plic.h"
#include "devices/rtc.h"
#include "devices/syscon.h"
#include "devices/uart.h"

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kEnableOfSupervisor = 0x2080, kThresholdOfSupervisor = 0x201000,
                        kClaimOfSupervisor = 0x201004;

struct PlicTest : testing::Test {
  Hart hart;
  Plic plic{{&hart}};

  bool raised() { return (hart.lines & interrupt::kSeip) != 0; }
  void use(unsigned source, unsigned priority) {
    plic.write(source * 4, 4, priority);
    auto const word = kEnableOfSupervisor + source / 32 * 4;
    plic.write(word, 4, plic.read(word, 4) | 1u << source % 32);
  }
};

TEST_F(PlicTest, raises_the_line_of_the_context_that_enabled_the_source) {
  plic.set_level(10, true);
  EXPECT_FALSE(raised());
  use(10, 1);
  EXPECT_TRUE(raised());
  EXPECT_EQ(hart.lines & interrupt::kMeip, 0u);
  EXPECT_TRUE(hart.attention);
  plic.set_level(10, false);
  EXPECT_FALSE(raised());
}

TEST_F(PlicTest, gives_the_highest_priority_first_and_the_lowest_number_among_equals) {
  for (unsigned const source : {40u, 7u, 9u}) {
    use(source, source == 40 ? 3 : 2);
    plic.set_level(source, true);
  }
  EXPECT_EQ(plic.read(kClaimOfSupervisor, 4), 40u);
  EXPECT_EQ(plic.read(kClaimOfSupervisor, 4), 7u);
  EXPECT_EQ(plic.read(kClaimOfSupervisor, 4), 9u);
  EXPECT_EQ(plic.read(kClaimOfSupervisor, 4), 0u);
  EXPECT_FALSE(raised());
}

TEST_F(PlicTest, asks_again_when_the_level_is_still_high_at_completion) {
  use(10, 1);
  plic.set_level(10, true);
  EXPECT_EQ(plic.read(kClaimOfSupervisor, 4), 10u);
  plic.set_level(10, true);
  EXPECT_FALSE(raised());
  plic.write(kClaimOfSupervisor, 4, 10);
  EXPECT_TRUE(raised());
  EXPECT_EQ(plic.read(kClaimOfSupervisor, 4), 10u);
  plic.set_level(10, false);
  plic.write(kClaimOfSupervisor, 4, 10);
  EXPECT_FALSE(raised());
}

TEST_F(PlicTest, keeps_quiet_at_or_below_the_threshold_and_at_priority_0) {
  use(10, 3);
  use(11, 0);
  plic.set_level(11, true);
  EXPECT_FALSE(raised());
  plic.write(kThresholdOfSupervisor, 4, 3);
  plic.set_level(10, true);
  EXPECT_FALSE(raised());
  plic.write(kThresholdOfSupervisor, 4, 2);
  EXPECT_TRUE(raised());
}

TEST_F(PlicTest, ignores_what_is_not_there) {
  plic.write(kClaimOfSupervisor, 4, 4000);
  plic.write(0x201000 + 0x1000 * 900, 4, 1);
  plic.write(kEnableOfSupervisor + 12, 4, ~0u);
  EXPECT_EQ(plic.read(0x201000 + 0x1000 * 900, 4), 0u);
  EXPECT_EQ(plic.read(Plic::kSize - 4, 4), 0u);
  plic.write(0, 4, 7);  // source 0 is none
  EXPECT_EQ(plic.read(0, 4), 0u);
}

struct UartTest : testing::Test {
  Hart hart;
  Plic plic{{&hart}};
  std::string sent;
  Uart uart{[this](std::uint8_t byte) { sent.push_back(static_cast<char>(byte)); },
            InterruptWire{plic, 10}};

  void SetUp() override {
    plic.write(40, 4, 1);
    plic.write(kEnableOfSupervisor, 4, 1u << 10);
  }
  bool raised() { return (hart.lines & interrupt::kSeip) != 0; }
};

TEST_F(UartTest, sends_at_once_and_receives_in_order) {
  uart.write(0, 1, 'h');
  uart.write(0, 1, 'i');
  EXPECT_EQ(sent, "hi");
  EXPECT_EQ(uart.read(5, 1), 0x60u);
  EXPECT_EQ(uart.type("ab"), 2u);
  EXPECT_EQ(uart.read(5, 1), 0x61u);
  EXPECT_EQ(uart.read(0, 1), 'a');
  EXPECT_EQ(uart.read(0, 1), 'b');
  EXPECT_EQ(uart.read(5, 1), 0x60u);
  EXPECT_EQ(uart.read(0, 1), 0u);
}

TEST_F(UartTest, interrupts_for_what_was_enabled_and_says_which) {
  EXPECT_EQ(uart.read(2, 1), 1u);
  EXPECT_EQ(uart.type("a"), 1u);
  EXPECT_FALSE(raised());
  uart.write(1, 1, 1);
  EXPECT_TRUE(raised());
  EXPECT_EQ(uart.read(2, 1), 4u);
  EXPECT_EQ(uart.read(0, 1), 'a');
  EXPECT_FALSE(raised());
  // An empty transmitter is told once, by looking, and anew after each byte.
  uart.write(1, 1, 2);
  EXPECT_TRUE(raised());
  EXPECT_EQ(uart.read(2, 1), 2u);
  EXPECT_FALSE(raised());
  uart.write(0, 1, 'x');
  EXPECT_TRUE(raised());
}

TEST_F(UartTest, has_a_divisor_behind_its_latch_and_says_that_it_has_fifos) {
  uart.write(3, 1, 0x83);
  uart.write(0, 1, 2);
  uart.write(1, 1, 1);
  EXPECT_EQ(uart.read(0, 1), 2u);
  EXPECT_EQ(uart.read(1, 1), 1u);
  uart.write(3, 1, 3);
  EXPECT_EQ(uart.read(1, 1), 0u);
  EXPECT_EQ(sent, "");
  uart.write(2, 1, 1);
  EXPECT_EQ(uart.read(2, 1), 0xC1u);
  uart.write(7, 1, 0x5A);
  EXPECT_EQ(uart.read(7, 1), 0x5Au);
}

TEST_F(UartTest, loops_back_when_told_to) {
  uart.write(4, 1, 0x1F);
  EXPECT_EQ(uart.read(6, 1), 0xF0u);
  uart.write(4, 1, 0x1A);
  EXPECT_EQ(uart.read(6, 1), 0x90u);
  uart.write(0, 1, 'x');
  EXPECT_EQ(sent, "");
  EXPECT_EQ(uart.read(0, 1), 'x');
}

TEST_F(UartTest, marks_a_break_among_what_is_typed_and_takes_one_at_a_time) {
  constexpr std::uint8_t kBreakSeen = 0x10;
  auto const next = [&] {
    bool const is_break = (uart.read(5, 1) & kBreakSeen) != 0;
    return std::pair{is_break, static_cast<char>(uart.read(0, 1))};
  };
  uart.type("a");
  uart.send_break('s');
  uart.send_break('u');  // nobody has seen the first yet
  uart.type("b");
  EXPECT_EQ(next(), std::pair(false, 'a'));
  EXPECT_EQ(next(), std::pair(true, '\0'));
  EXPECT_EQ(next(), std::pair(false, 's'));
  EXPECT_EQ(next(), std::pair(false, 'b'));
  EXPECT_EQ(uart.read(5, 1) & 1, 0u);
}

TEST_F(UartTest, takes_no_more_than_it_has_room_for) {
  std::string const much(Uart::kInputMax + 5, 'x');
  EXPECT_EQ(uart.type(much), Uart::kInputMax);
  EXPECT_EQ(uart.type("y"), 0u);
}

struct StoppedTime final : HartHost {
  std::uint64_t now = 5;
  std::uint64_t time() override { return now; }
};

TEST(Clint, raises_the_machine_timer_and_software_interrupts_of_the_hart_that_is_named) {
  Hart first, second;
  StoppedTime host;
  Clint clint{{&first, &second}, host};
  EXPECT_EQ(clint.next_due(), ~0ull);
  clint.write(0x4008, 8, 100);
  EXPECT_EQ(clint.next_due(), 100u);
  host.now = 100;
  clint.look_at_time();
  EXPECT_EQ(second.lines, interrupt::kMtip);
  EXPECT_EQ(first.lines, 0u);
  clint.write(0x400C, 4, 1);  // the upper half
  EXPECT_EQ(clint.read(0x4008, 8), 1ull << 32 | 100);
  EXPECT_EQ(second.lines, 0u);
  clint.write(0, 4, 1);
  EXPECT_EQ(first.lines, interrupt::kMsip);
  EXPECT_EQ(clint.read(0, 4), 1u);
  clint.write(0, 4, 0);
  EXPECT_EQ(first.lines, 0u);
  EXPECT_EQ(clint.read(0xBFF8, 8), 100u);
  clint.write(8, 4, 1);  // there is no third hart
  clint.write(0x4010, 8, 1);
  EXPECT_EQ(clint.read(0x4010, 8), 0u);
}

TEST(Rtc, tells_the_time_in_two_halves_and_rings_once) {
  Hart hart;
  Plic plic{{&hart}};
  plic.write(44, 4, 1);
  plic.write(kEnableOfSupervisor, 4, 1u << 11);
  std::uint64_t civil = 0x1234567890ABCDEF;
  Rtc rtc{[&] { return civil; }, InterruptWire{plic, 11}};
  EXPECT_EQ(rtc.read(0, 4), 0x90ABCDEFu);
  civil += 1ull << 40;
  EXPECT_EQ(rtc.read(4, 4), 0x12345678u);
  std::uint64_t const alarm = civil + 1000;
  rtc.write(0x10, 4, 1);
  rtc.write(0x0C, 4, alarm >> 32);
  rtc.write(0x08, 4, alarm & 0xFFFFFFFF);
  EXPECT_EQ(rtc.read(0x18, 4), 1u);
  rtc.look_at_time();
  EXPECT_EQ(hart.lines, 0u);
  civil = alarm;
  rtc.look_at_time();
  EXPECT_EQ(hart.lines, interrupt::kSeip);
  EXPECT_EQ(rtc.read(0x18, 4), 0u);
  rtc.write(0x1C, 4, 1);
  EXPECT_EQ(hart.lines, 0u);
  // The guest sets its clock, not ours.
  rtc.write(4, 4, 0);
  rtc.write(0, 4, 77);
  EXPECT_EQ(rtc.read(0, 4), 77u);
  civil += 3;
  EXPECT_EQ(rtc.read(0, 4), 80u);
}

TEST(Syscon, ends_the_machine_with_the_code_that_it_is_given) {
  std::vector<std::pair<Syscon::Request, unsigned>> requests;
  Syscon syscon{
      [&](Syscon::Request request, unsigned code) { requests.emplace_back(request, code); }};
  syscon.write(0, 4, 0x1234);
  syscon.write(4, 4, 0x5555);
  EXPECT_TRUE(requests.empty());
  syscon.write(0, 4, 0x5555);
  syscon.write(0, 4, 7u << 16 | 0x3333);
  syscon.write(0, 4, 0x7777);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0], (std::pair{Syscon::Request::power_off, 0u}));
  EXPECT_EQ(requests[1], (std::pair{Syscon::Request::power_off, 7u}));
  EXPECT_EQ(requests[2], (std::pair{Syscon::Request::reset, 0u}));
}

}  // namespace
}  // namespace mutirao::machine
