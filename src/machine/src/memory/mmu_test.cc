#include "memory/mmu.h"

#include <gtest/gtest.h>

#include "testing/test_hart.h"

namespace mutirao::machine {
namespace {

using T = TestTables;
constexpr std::uint64_t kPage = 0x40000000;  // a virtual address of user or supervisor
constexpr GuestAddress kFrame = TestHart::kData;

struct MmuTest : testing::Test {
  TestHart test;
  TestTables tables{test};

  void SetUp() override {
    ASSERT_TRUE(test.memory().store<std::uint64_t>(kFrame, 0x1122334455667788));
    test.enter(Privilege::supervisor);
  }
  std::expected<std::uint64_t, Exception> load(std::uint64_t address, unsigned size = 8) {
    return test.mmu().load(address, size);
  }
  void expect_fault(auto const& outcome, Cause cause, std::uint64_t value) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().cause, cause);
    EXPECT_EQ(outcome.error().value, value);
  }
  void status_bit(std::uint64_t bit, bool on) {
    test.hart().mstatus = on ? test.hart().mstatus | bit : test.hart().mstatus & ~bit;
    test.mmu().context_changed();
  }
};

TEST_F(MmuTest, translates_pages_of_sv39_and_says_who_faults_where) {
  tables.map(kPage, kFrame, T::kAll);
  tables.map(kPage + 0x1000, kFrame, T::kV | T::kR | T::kA);
  tables.map(kPage + 0x2000, kFrame, T::kV | T::kX | T::kA);
  tables.use();
  EXPECT_EQ(load(kPage), 0x1122334455667788u);
  EXPECT_EQ(load(kPage + 3, 2), 0x4455u);
  EXPECT_TRUE(test.mmu().store(kPage, 1, 0x99));
  EXPECT_EQ(test.load<std::uint8_t>(kFrame), 0x99);
  expect_fault(test.mmu().store(kPage + 0x1008, 4, 0), Cause::store_page, kPage + 0x1008);
  expect_fault(load(kPage + 0x2004), Cause::load_page, kPage + 0x2004);
  expect_fault(load(kPage + 0x3008), Cause::load_page, kPage + 0x3008);
  expect_fault(test.mmu().fetchable(kPage + 0x1000), Cause::instruction_page, kPage + 0x1000);
  EXPECT_TRUE(test.mmu().fetchable(kPage + 0x2000));
}

TEST_F(MmuTest, refuses_addresses_whose_upper_bits_are_not_the_sign) {
  tables.map(0x3FFFFFF000, kFrame, T::kAll);
  tables.use();
  EXPECT_TRUE(load(0x3FFFFFF000));
  expect_fault(load(0x4000000000), Cause::load_page, 0x4000000000);
  expect_fault(load(0x8000003FFFFFF000), Cause::load_page, 0x8000003FFFFFF000);
}

TEST_F(MmuTest, walks_four_levels_in_sv48) {
  TestTables wide{test, 4};
  std::uint64_t const address = 0xFFFF800012345000;
  wide.map(address, kFrame, T::kAll);
  wide.use();
  EXPECT_EQ(load(address), 0x1122334455667788u);
  expect_fault(load(0x0000800000000000), Cause::load_page, 0x0000800000000000);
}

TEST_F(MmuTest, takes_superpages_that_are_aligned_and_no_others) {
  tables.map(0, TestHart::kRam, T::kAll, 2);
  tables.map(kPage, TestHart::kRam + 0x200000, T::kAll, 1);
  tables.map(kPage + 0x200000, TestHart::kRam + 0x201000, T::kAll, 1);
  tables.use();
  EXPECT_EQ(load(kFrame - TestHart::kRam), 0x1122334455667788u);
  ASSERT_TRUE(test.memory().store<std::uint64_t>(TestHart::kRam + 0x2ABCD8, 5));
  EXPECT_EQ(load(kPage + 0xABCD8), 5u);
  expect_fault(load(kPage + 0x200000), Cause::load_page, kPage + 0x200000);
}

TEST_F(MmuTest, faults_on_entries_that_the_standard_reserves) {
  std::uint64_t const good = T::kAll;
  for (std::uint64_t const bad : {good & ~T::kV, good & ~T::kR & ~T::kX,
                                  good | std::uint64_t{1} << 54, good | std::uint64_t{1} << 60,
                                  good | std::uint64_t{1} << 61, good | std::uint64_t{3} << 61}) {
    tables.map(kPage, kFrame, bad);
    tables.use();
    test.mmu().fence(nullptr, nullptr);
    expect_fault(load(kPage), Cause::load_page, kPage);
  }
  // In a pointer to the next table, what says something about a page.
  GuestAddress const root = TestHart::kTables + (kPage >> 30) * 8;
  tables.map(kPage, kFrame, good);
  auto const pointer = test.load<std::uint64_t>(root);
  for (std::uint64_t const bit : {T::kU, T::kA, T::kD, T::kN, std::uint64_t{1} << 62}) {
    tables.set(root, pointer | bit);
    test.mmu().fence(nullptr, nullptr);
    expect_fault(load(kPage), Cause::load_page, kPage);
  }
}

TEST_F(MmuTest, takes_memory_types_only_when_firmware_allows_them) {
  tables.map(kPage, kFrame, T::kAll | 1ull << 61);
  tables.use();
  expect_fault(load(kPage), Cause::load_page, kPage);
  test.hart().menvcfg = envcfg::kPbmte;
  test.mmu().rules_changed();
  EXPECT_TRUE(load(kPage));
}

TEST_F(MmuTest, sets_accessed_and_dirty_when_told_to_and_faults_otherwise) {
  GuestAddress const entry = tables.map(kPage, kFrame, T::kV | T::kR | T::kW);
  tables.use();
  expect_fault(load(kPage), Cause::load_page, kPage);
  test.hart().menvcfg = envcfg::kAdue;
  test.mmu().rules_changed();
  EXPECT_TRUE(load(kPage));
  EXPECT_EQ(test.load<std::uint64_t>(entry) & (T::kA | T::kD), T::kA);
  // The load entry that is there now must not let a store pass unseen.
  EXPECT_TRUE(test.mmu().store(kPage, 8, 1));
  EXPECT_EQ(test.load<std::uint64_t>(entry) & (T::kA | T::kD), T::kA | T::kD);
}

TEST_F(MmuTest, marks_nothing_in_a_page_that_may_not_be_touched) {
  test.hart().menvcfg = envcfg::kAdue;
  test.mmu().rules_changed();
  GuestAddress const entry = tables.map(kPage, kFrame, T::kV | T::kR | T::kU);
  tables.use();
  expect_fault(load(kPage), Cause::load_page, kPage);
  status_bit(status::kSum, true);
  expect_fault(test.mmu().store(kPage, 1, 0), Cause::store_page, kPage);
  EXPECT_EQ(test.load<std::uint64_t>(entry) & (T::kA | T::kD), 0u);
}

TEST_F(MmuTest, lets_the_supervisor_into_user_pages_only_with_sum_and_never_to_execute) {
  tables.map(kPage, kFrame, T::kAll | T::kU);
  tables.use();
  expect_fault(load(kPage), Cause::load_page, kPage);
  status_bit(status::kSum, true);
  EXPECT_TRUE(load(kPage));
  EXPECT_NE(test.mmu().loadable<std::uint64_t>(kPage), nullptr);
  status_bit(status::kSum, false);
  EXPECT_EQ(test.mmu().loadable<std::uint64_t>(kPage), nullptr);
  expect_fault(load(kPage), Cause::load_page, kPage);
  status_bit(status::kSum, true);
  expect_fault(test.mmu().fetchable(kPage), Cause::instruction_page, kPage);
  test.enter(Privilege::user);
  EXPECT_TRUE(test.mmu().fetchable(kPage));
}

TEST_F(MmuTest, keeps_users_out_of_supervisor_pages) {
  tables.map(kPage, kFrame, T::kAll);
  tables.use();
  EXPECT_TRUE(load(kPage));
  test.enter(Privilege::user);
  expect_fault(load(kPage), Cause::load_page, kPage);
}

TEST_F(MmuTest, reads_executable_pages_with_mxr) {
  tables.map(kPage, kFrame, T::kV | T::kX | T::kA);
  tables.use();
  expect_fault(load(kPage), Cause::load_page, kPage);
  status_bit(status::kMxr, true);
  EXPECT_TRUE(load(kPage));
  status_bit(status::kMxr, false);
  expect_fault(load(kPage), Cause::load_page, kPage);
}

TEST_F(MmuTest, gives_machine_mode_the_rights_of_the_mode_before_with_mprv) {
  tables.map(kPage, kFrame, T::kAll | T::kU);
  tables.use();
  test.enter(Privilege::machine);
  expect_fault(load(kPage), Cause::load_access, kPage);  // physical, and nothing is there
  status_bit(status::kMprv, true);                       // MPP is user
  EXPECT_TRUE(load(kPage));
  status_bit(1ull << status::kMppShift, true);
  expect_fault(load(kPage), Cause::load_page, kPage);
  EXPECT_TRUE(test.mmu().fetchable(TestHart::kCode));
}

TEST_F(MmuTest, maps_64_kib_at_once_with_svnapot) {
  GuestAddress const base = TestHart::kRam + 0x80000;
  for (unsigned i = 0; i < 16; ++i)
    tables.map(kPage + i * kPageSize, base | 0x8000, T::kAll | T::kN);
  tables.map(kPage + 0x10000, base | 0x4000, T::kAll | T::kN);  // no size that there is
  tables.use();
  ASSERT_TRUE(test.memory().store<std::uint64_t>(base + 0x5010, 77));
  EXPECT_EQ(load(kPage + 0x5010), 77u);
  expect_fault(load(kPage + 0x10000), Cause::load_page, kPage + 0x10000);
  // A fence for one address drops all that was cut out of the range.
  for (unsigned i = 0; i < 16; ++i) EXPECT_TRUE(load(kPage + i * kPageSize));
  std::uint64_t const address = kPage + 0x2000;
  test.mmu().fence(&address, nullptr);
  for (unsigned i = 0; i < 16; ++i)
    EXPECT_EQ(test.mmu().loadable<std::uint8_t>(kPage + i * kPageSize), nullptr);
}

TEST_F(MmuTest, keeps_translations_of_other_spaces_when_satp_changes) {
  tables.map(kPage, kFrame, T::kAll);
  tables.use(1);
  EXPECT_TRUE(load(kPage));
  tables.use(2);
  EXPECT_EQ(test.mmu().loadable<std::uint8_t>(kPage), nullptr);
  tables.use(1);
  EXPECT_NE(test.mmu().loadable<std::uint8_t>(kPage), nullptr);
}

TEST_F(MmuTest, drops_exactly_what_a_fence_names) {
  tables.map(kPage, kFrame, T::kAll);
  tables.map(kPage + 0x1000, kFrame, T::kAll | T::kG);
  auto const fill = [&] {
    tables.use(7);
    EXPECT_TRUE(load(kPage));
    EXPECT_TRUE(load(kPage + 0x1000));
  };
  auto const has = [&](std::uint64_t address) {
    return test.mmu().loadable<std::uint8_t>(address) != nullptr;
  };
  std::uint64_t const address = kPage, other = kPage + 0x5000, asid = 7, other_asid = 8;
  fill();
  test.mmu().fence(&other, nullptr);
  test.mmu().fence(nullptr, &other_asid);
  EXPECT_TRUE(has(kPage));
  test.mmu().fence(&address, nullptr);
  EXPECT_FALSE(has(kPage));
  EXPECT_TRUE(has(kPage + 0x1000));
  fill();
  tables.set(tables.map(kPage, kFrame, 0), 0);
  test.mmu().fence(nullptr, &asid);
  expect_fault(load(kPage), Cause::load_page, kPage);
  // What is global is not of that space: it may stay, though its entry is gone.
  tables.set(tables.map(kPage + 0x1000, kFrame, 0), 0);
  EXPECT_TRUE(load(kPage + 0x1000));
  test.mmu().fence(nullptr, nullptr);
  expect_fault(load(kPage + 0x1000), Cause::load_page, kPage + 0x1000);
}

TEST_F(MmuTest, finds_global_mappings_from_every_space_without_another_walk) {
  GuestAddress const entry = tables.map(kPage, kFrame, T::kAll | T::kG);
  tables.use(1);
  EXPECT_TRUE(load(kPage));
  tables.set(entry, 0);
  tables.use(2);
  EXPECT_EQ(load(kPage), 0x1122334455667788u);
  EXPECT_TRUE(test.mmu().translate(kPage + 8, 1, Access::load));
  EXPECT_EQ(*test.mmu().translate(kPage + 8, 1, Access::load), kFrame + 8);
}

TEST_F(MmuTest, knows_no_mappings_while_translation_is_off) {
  // A page whose number is that of another page's frame, global, and then physical.
  tables.map(kFrame, kFrame + 0x5000, T::kAll | T::kG);
  tables.use(1);
  ASSERT_TRUE(test.memory().store<std::uint64_t>(kFrame + 0x5000, 5));
  EXPECT_EQ(load(kFrame), 5u);
  EXPECT_TRUE(test.mmu().store(kFrame, 8, 6));
  test.hart().satp = 0;
  test.mmu().context_changed();
  EXPECT_EQ(load(kFrame), 0x1122334455667788u);
  EXPECT_TRUE(test.mmu().store(kFrame, 8, 7));
  EXPECT_EQ(test.load<std::uint64_t>(kFrame), 7u);
  test.enter(Privilege::machine);
  EXPECT_EQ(load(kFrame), 7u);
}

TEST_F(MmuTest, gives_out_more_spaces_than_there_are_numbers) {
  tables.map(kPage, kFrame, T::kAll);
  for (unsigned round = 0; round < 3; ++round) {
    for (unsigned asid = 0; asid < 700; ++asid) {
      tables.use(static_cast<std::uint16_t>(asid));
      ASSERT_EQ(load(kPage), 0x1122334455667788u);
    }
  }
  // A number that was taken from one space must not show its pages to another.
  tables.use(3);
  EXPECT_TRUE(load(kPage));
  tables.set(tables.map(kPage, kFrame, 0), 0);
  for (unsigned asid = 1000; asid < 1700; ++asid) {
    tables.use(static_cast<std::uint16_t>(asid));
    ASSERT_FALSE(load(kPage)) << asid;
  }
}

TEST_F(MmuTest, names_the_page_that_failed_when_an_access_lies_in_two) {
  tables.map(kPage, kFrame, T::kAll);
  tables.use();
  expect_fault(load(kPage + 0xFFC), Cause::load_page, kPage + 0x1000);
  expect_fault(test.mmu().store(kPage + 0xFFF, 2, ~0ull), Cause::store_page, kPage + 0x1000);
  EXPECT_EQ(test.load<std::uint8_t>(kFrame + 0xFFF), 0);  // nothing of it was done
  tables.map(kPage + 0x1000, kFrame + 0x3000, T::kAll);
  EXPECT_TRUE(test.mmu().store(kPage + 0xFFD, 8, 0x0807060504030201));
  EXPECT_EQ(test.load<std::uint16_t>(kFrame + 0xFFD), 0x0201);
  EXPECT_EQ(test.load<std::uint32_t>(kFrame + 0x3000), 0x07060504u);
  EXPECT_EQ(load(kPage + 0xFFD), 0x0807060504030201u);
}

TEST_F(MmuTest, calls_a_table_outside_memory_an_access_fault) {
  tables.map(kPage, kFrame, T::kAll);
  tables.use();
  tables.set(TestHart::kTables + (kPage >> 30) * 8, 0x1000 >> 2 | T::kV);
  expect_fault(load(kPage), Cause::load_access, kPage);
  expect_fault(test.mmu().store(kPage, 8, 0), Cause::store_access, kPage);
}

TEST_F(MmuTest, protects_physical_memory_down_to_four_bytes) {
  Hart& hart = test.hart();
  // Four bytes that may only be read, inside of all that may be anything.
  hart.pmpaddr[0] = (kFrame + 8) >> 2;
  hart.pmpcfg[0] = 0x11;
  hart.pmpaddr[1] = ~std::uint64_t{0} >> 10;
  hart.pmpcfg[1] = 0x1F;
  test.mmu().rules_changed();
  EXPECT_TRUE(test.mmu().store(kFrame + 4, 4, 1));
  EXPECT_TRUE(test.mmu().store(kFrame + 12, 4, 1));
  expect_fault(test.mmu().store(kFrame + 8, 4, 1), Cause::store_access, kFrame + 8);
  expect_fault(load(kFrame + 4, 8), Cause::load_access, kFrame + 4);  // half of it is in the entry
  EXPECT_TRUE(load(kFrame + 8, 4));
  test.enter(Privilege::machine);
  EXPECT_TRUE(test.mmu().store(kFrame + 8, 4, 1));
  hart.pmpcfg[0] |= 0x80;
  test.mmu().rules_changed();
  expect_fault(test.mmu().store(kFrame + 8, 4, 1), Cause::store_access, kFrame + 8);
}

TEST_F(MmuTest, lets_nobody_but_the_machine_in_where_no_protection_entry_says_so) {
  test.hart().pmpcfg[0] = 0;
  test.mmu().rules_changed();
  expect_fault(load(kFrame), Cause::load_access, kFrame);
  test.enter(Privilege::machine);
  EXPECT_TRUE(load(kFrame));
}

TEST_F(MmuTest, sees_stores_to_a_page_that_became_code_after_the_tlb_knew_it) {
  EXPECT_TRUE(test.mmu().store(kFrame, 8, 1));
  EXPECT_NE(test.mmu().storable<std::uint64_t>(kFrame), nullptr);
  EXPECT_TRUE(test.memory().mark_code(kFrame + 64, 4));
  EXPECT_EQ(test.mmu().storable<std::uint64_t>(kFrame), nullptr);
  EXPECT_TRUE(test.mmu().store(kFrame, 8, 1));
  EXPECT_EQ(test.mmu().storable<std::uint64_t>(kFrame), nullptr);
  EXPECT_TRUE(test.mmu().store(kFrame + 64, 8, 1));
  EXPECT_TRUE(test.mmu().store(kFrame, 8, 1));  // none there any more: quick again
  EXPECT_NE(test.mmu().storable<std::uint64_t>(kFrame), nullptr);
}

}  // namespace
}  // namespace mutirao::machine
