#include "firmware/sbi.h"

#include <gtest/gtest.h>

#include "testing/test_hart.h"

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kBaseExtension = 0x10, kTimeExtension = 0x54494D45,
                        kIpiExtension = 0x735049, kFenceExtension = 0x52464E43,
                        kHsmExtension = 0x48534D, kResetExtension = 0x53525354,
                        kConsoleExtension = 0x4442434E;

struct SbiTest : testing::Test, Sbi::Platform {
  TestHart harts[2];
  HartState states[2] = {HartState::started, HartState::stopped};
  std::vector<std::pair<bool, bool>> resets;
  std::string written, typed;
  Sbi sbi{*this, harts[0].memory()};

  void SetUp() override { harts[1].hart().id = 1; }
  std::size_t hart_count() const override { return 2; }
  Core& core(std::size_t number) override { return harts[number].core(); }
  HartState state(std::size_t number) const override { return states[number]; }
  bool start(std::size_t, std::size_t number, GuestAddress entry, std::uint64_t argument) override {
    Sbi::enter_kernel(core(number), entry, argument);
    states[number] = HartState::started;
    return true;
  }
  void fence(std::size_t, std::vector<std::size_t> const& harts,
             std::optional<RangeFence> const& addresses) override {
    for (std::size_t const number : harts)
      if (addresses) core(number).mmu.fence(*addresses);
  }
  void stop(std::size_t number) override { states[number] = HartState::stopped; }
  void reset(bool reboot, bool failed) override { resets.emplace_back(reboot, failed); }
  void console_write(ByteView bytes) override { written += base::text_of(bytes); }
  std::size_t console_read(MutableBytes bytes) override {
    std::size_t const count = std::min(bytes.size(), typed.size());
    std::copy_n(typed.begin(), count, bytes.begin());
    return count;
  }

  struct Answer {
    std::int64_t error;
    std::uint64_t value;
    friend bool operator==(Answer, Answer) = default;
  };
  Answer call(std::uint64_t extension, std::uint64_t function,
              std::vector<std::uint64_t> arguments) {
    Hart& hart = harts[0].hart();
    for (unsigned i = 0; i < 6; ++i) hart.x[10 + i] = i < arguments.size() ? arguments[i] : 0;
    hart.x[16] = function;
    hart.x[17] = extension;
    sbi.call(hart);
    return {static_cast<std::int64_t>(hart.x[10]), hart.x[11]};
  }
};

TEST_F(SbiTest, says_what_it_is_and_what_it_has) {
  EXPECT_EQ(call(kBaseExtension, 0, {}), (Answer{0, 0x02000000}));
  for (auto const extension : {kTimeExtension, kIpiExtension, kFenceExtension, kHsmExtension,
                               kResetExtension, kConsoleExtension, kBaseExtension})
    EXPECT_EQ(call(kBaseExtension, 3, {extension}), (Answer{0, 1}));
  EXPECT_EQ(call(kBaseExtension, 3, {0x123}), (Answer{0, 0}));
  EXPECT_EQ(call(0x123, 0, {}).error, -2);
  EXPECT_EQ(call(kBaseExtension, 99, {}).error, -2);
}

TEST_F(SbiTest, leaves_a_kernel_in_a_machine_that_is_all_its_own) {
  Sbi::enter_kernel(harts[0].core(), TestHart::kCode, 0x1234);
  Hart& hart = harts[0].hart();
  EXPECT_EQ(hart.privilege, Privilege::supervisor);
  EXPECT_EQ(hart.x[10], 0u);
  EXPECT_EQ(hart.x[11], 0x1234u);
  EXPECT_EQ(hart.satp, 0u);
  // Its exceptions are its own, and its calls are not.
  harts[0].run({assembler::ebreak()});
  EXPECT_TRUE(harts[0].trapped_to_supervisor());
  hart.pc = TestHart::kCode;
  harts[0].run({assembler::ecall()});
  EXPECT_TRUE(harts[0].trapped_to_machine());  // nobody served it here
}

TEST_F(SbiTest, sets_the_timer) {
  Sbi::enter_kernel(harts[0].core(), TestHart::kCode, 0);
  EXPECT_EQ(call(kTimeExtension, 0, {55}).error, 0);
  EXPECT_EQ(harts[0].hart().stimecmp, 55u);
}

TEST_F(SbiTest, interrupts_the_harts_that_a_mask_names_and_no_others) {
  EXPECT_EQ(call(kIpiExtension, 0, {2, 0}).error, 0);
  EXPECT_EQ(harts[0].hart().lines, 0u);
  EXPECT_EQ(harts[1].hart().lines, interrupt::kSsip);
  EXPECT_TRUE(harts[1].hart().attention);
  // It takes the interrupt back as any other of its own.
  harts[1].hart().mideleg = interrupt::kSsip;
  EXPECT_EQ(*read_csr(harts[1].core(), csr::kSip), interrupt::kSsip);
  EXPECT_TRUE(write_csr(harts[1].core(), csr::kSip, 0));
  EXPECT_EQ(*read_csr(harts[1].core(), csr::kSip), 0u);
  EXPECT_EQ(call(kIpiExtension, 0, {0, ~0ull}).error, 0);
  EXPECT_EQ(harts[0].hart().lines, interrupt::kSsip);
  EXPECT_EQ(call(kIpiExtension, 0, {4, 0}).error, -3);
  EXPECT_EQ(call(kIpiExtension, 0, {1, 7}).error, -3);
  EXPECT_EQ(call(kIpiExtension, 0, {2, ~0ull - 1}).error, -3);
}

TEST_F(SbiTest, fences_other_harts) {
  Mmu& mmu = harts[1].mmu();
  harts[1].enter(Privilege::supervisor);
  auto const fill = [&] { EXPECT_TRUE(mmu.load(TestHart::kData, 8)); };
  auto const known = [&] { return mmu.loadable<std::uint8_t>(TestHart::kData) != nullptr; };
  fill();
  EXPECT_EQ(call(kFenceExtension, 1, {2, 0, TestHart::kData + 4096, 4096}).error, 0);
  EXPECT_TRUE(known());
  EXPECT_EQ(call(kFenceExtension, 1, {2, 0, TestHart::kData - 4096, 8192}).error, 0);
  EXPECT_FALSE(known());
  fill();
  EXPECT_EQ(call(kFenceExtension, 1, {2, 0, 0, 0}).error, 0);
  EXPECT_FALSE(known());
  fill();
  EXPECT_EQ(call(kFenceExtension, 1, {2, 0, 0, ~0ull}).error, 0);
  EXPECT_FALSE(known());
  EXPECT_EQ(call(kFenceExtension, 0, {3, 0}).error, 0);
  EXPECT_EQ(call(kFenceExtension, 4, {3, 0}).error, -2);
  EXPECT_EQ(call(kFenceExtension, 1, {8, 0, 0, 0}).error, -3);
}

TEST_F(SbiTest, starts_stops_and_tells_of_harts) {
  EXPECT_EQ(call(kHsmExtension, 2, {0}), (Answer{0, 0}));
  EXPECT_EQ(call(kHsmExtension, 2, {1}), (Answer{0, 1}));
  EXPECT_EQ(call(kHsmExtension, 2, {2}).error, -3);
  EXPECT_EQ(call(kHsmExtension, 0, {0, TestHart::kCode, 9}).error, -6);
  EXPECT_EQ(call(kHsmExtension, 0, {2, TestHart::kCode, 9}).error, -3);
  EXPECT_EQ(call(kHsmExtension, 0, {1, 0x1000, 9}).error, -5);
  EXPECT_EQ(call(kHsmExtension, 0, {1, TestHart::kCode, 9}).error, 0);
  EXPECT_EQ(states[1], HartState::started);
  EXPECT_EQ(harts[1].hart().pc, TestHart::kCode);
  EXPECT_EQ(harts[1].x(10), 1u);
  EXPECT_EQ(harts[1].x(11), 9u);
  call(kHsmExtension, 1, {});
  EXPECT_EQ(states[0], HartState::stopped);
}

TEST_F(SbiTest, resets_as_asked) {
  EXPECT_EQ(call(kResetExtension, 0, {7, 0}).error, -3);
  call(kResetExtension, 0, {0, 0});
  call(kResetExtension, 0, {1, 1});
  EXPECT_EQ(resets, (std::vector<std::pair<bool, bool>>{{false, false}, {true, true}}));
}

TEST_F(SbiTest, writes_and_reads_the_console_only_through_memory_that_there_is) {
  ASSERT_TRUE(harts[0].memory().write(TestHart::kData, base::view_of("hello")));
  EXPECT_EQ(call(kConsoleExtension, 0, {5, TestHart::kData, 0}), (Answer{0, 5}));
  EXPECT_EQ(call(kConsoleExtension, 2, {'!'}).error, 0);
  EXPECT_EQ(written, "hello!");
  EXPECT_EQ(call(kConsoleExtension, 0, {5, TestHart::kRam + TestHart::kRamSize - 2, 0}).error, -3);
  EXPECT_EQ(call(kConsoleExtension, 0, {5, TestHart::kData, 1}).error, -3);
  EXPECT_EQ(call(kConsoleExtension, 0, {~0ull, ~0ull - 4, 0}).error, -3);
  typed = "abc";
  EXPECT_EQ(call(kConsoleExtension, 1, {100, TestHart::kData, 0}), (Answer{0, 3}));
  EXPECT_EQ(harts[0].load<std::uint32_t>(TestHart::kData), 0x6C636261u);
  EXPECT_EQ(call(kConsoleExtension, 1, {1, 0x1000, 0}).error, -3);
}

}  // namespace
}  // namespace mutirao::machine
