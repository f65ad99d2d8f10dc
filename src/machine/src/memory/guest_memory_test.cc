#include "memory/guest_memory.h"

#include <gtest/gtest.h>

#include "memory/bus.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kBase = 0x80000000;
constexpr std::uint64_t kSize = 64 * 1024;

TEST(GuestMemory, has_no_byte_outside_its_range_however_the_sum_wraps) {
  auto const memory = *GuestMemory::create(kBase, kSize);
  EXPECT_TRUE(memory->contains(kBase, kSize));
  EXPECT_TRUE(memory->contains(kBase + kSize - 1, 1));
  EXPECT_FALSE(memory->contains(kBase, kSize + 1));
  EXPECT_FALSE(memory->contains(kBase + kSize, 0));
  EXPECT_FALSE(memory->contains(kBase - 1, 2));
  EXPECT_FALSE(memory->contains(kBase + 16, ~std::uint64_t{0} - 8));
  EXPECT_FALSE(memory->contains(~std::uint64_t{0} - 7, 16));
  EXPECT_FALSE(memory->load<std::uint64_t>(kBase + kSize - 7));
  EXPECT_FALSE(memory->store<std::uint64_t>(kBase + kSize - 7, 1));
  EXPECT_EQ(memory->load<std::uint32_t>(kBase + kSize - 4), 0u);
}

TEST(GuestMemory, refuses_sizes_that_are_no_pages_and_ranges_that_no_table_can_name) {
  EXPECT_EQ(GuestMemory::create(kBase, 0).error().fault, Fault::invalid);
  EXPECT_EQ(GuestMemory::create(kBase, 4095).error().fault, Fault::invalid);
  EXPECT_EQ(GuestMemory::create(kBase + 8, 4096).error().fault, Fault::invalid);
  EXPECT_EQ(GuestMemory::create((1ull << 56) - 4096, 8192).error().fault, Fault::invalid);
}

struct Recorder final : CodeWatcher {
  std::vector<GuestAddress> pages;
  std::vector<std::pair<GuestAddress, std::uint64_t>> written;
  void page_became_code(GuestAddress page) override { pages.push_back(page); }
  void code_was_written(GuestAddress address, std::uint64_t size) override {
    written.emplace_back(address, size);
  }
};

TEST(GuestMemory, tells_of_writes_to_lines_that_hold_code_and_of_no_others) {
  auto const memory = *GuestMemory::create(kBase, kSize);
  Recorder recorder;
  memory->watch(recorder);
  EXPECT_TRUE(memory->mark_code(kBase + 130, 4));
  EXPECT_TRUE(memory->mark_code(kBase + 140, 4));
  EXPECT_EQ(recorder.pages, std::vector<GuestAddress>{kBase});
  EXPECT_TRUE(memory->store<std::uint8_t>(kBase + 127, 1));
  EXPECT_TRUE(memory->store<std::uint8_t>(kBase + 192, 1));
  EXPECT_TRUE(recorder.written.empty());
  EXPECT_TRUE(memory->store<std::uint8_t>(kBase + 191, 1));
  ASSERT_EQ(recorder.written.size(), 1u);
  EXPECT_EQ(recorder.written[0], (std::pair{kBase + 128, std::uint64_t{64}}));
  // It holds none any more.
  EXPECT_FALSE(memory->holds_code(kBase));
  EXPECT_TRUE(memory->store<std::uint8_t>(kBase + 131, 1));
  EXPECT_EQ(recorder.written.size(), 1u);
}

TEST(GuestMemory, tells_of_a_write_by_a_device_over_several_pages_of_code) {
  auto const memory = *GuestMemory::create(kBase, kSize);
  Recorder recorder;
  memory->watch(recorder);
  EXPECT_TRUE(memory->mark_code(kBase + 4096 - 2, 4));
  EXPECT_EQ(recorder.pages.size(), 2u);
  Bytes const bytes(3 * 4096, 1);
  EXPECT_TRUE(memory->write(kBase, bytes));
  EXPECT_EQ(recorder.written.size(), 2u);
  EXPECT_FALSE(memory->holds_code(kBase));
  EXPECT_FALSE(memory->holds_code(kBase + 4096));
}

struct OneRegister final : Device {
  std::uint64_t value = 7;
  std::uint64_t read(std::uint64_t offset, unsigned) override { return value + offset; }
  void write(std::uint64_t, unsigned, std::uint64_t written) override { value = written; }
};

TEST(Bus, finds_devices_by_address_and_refuses_what_is_not_aligned_or_half_outside) {
  auto const memory = *GuestMemory::create(kBase, kSize);
  Bus bus{*memory};
  OneRegister device;
  bus.attach(0x1000, 12, device);
  EXPECT_EQ(bus.read(0x1004, 4), 11u);
  EXPECT_FALSE(bus.read(0x1002, 4));
  EXPECT_FALSE(bus.read(0x1008, 8));
  EXPECT_FALSE(bus.read(0x100C, 4));
  EXPECT_FALSE(bus.read(0xFFC, 4));
  EXPECT_TRUE(bus.write(0x1008, 4, 1));
  EXPECT_EQ(device.value, 1u);
  EXPECT_FALSE(bus.write(0x1009, 2, 1));
}

}  // namespace
}  // namespace mutirao::machine
