#include "mutirao/machine/block_profile.h"

#include <gtest/gtest.h>

#include "testing/disks.h"

namespace mutirao::machine {
namespace {

TEST(BlockProfile, tells_in_which_order_parts_were_first_read_for_a_guest) {
  constexpr std::uint64_t kPart = BlockProfile::kPart;
  auto troubled = std::make_unique<TroubledSource>(
      std::make_unique<MemoryDisk>(Bytes(10 * kPart - 512), true), TroubledSource::Trouble{});
  auto& below = *troubled;
  BlockProfile profile{std::move(troubled)};
  auto const read = [&](std::uint64_t offset, std::uint64_t size, BlockPriority priority) {
    Bytes bytes(size);
    return profile.read(offset, bytes, priority, Deadline::never()).has_value();
  };
  using enum BlockPriority;
  EXPECT_TRUE(read(7 * kPart + 512, 512, guest));
  EXPECT_TRUE(read(2 * kPart - 512, 2 * kPart, guest));  // three parts
  EXPECT_TRUE(read(7 * kPart, kPart, guest));            // again
  EXPECT_TRUE(read(5 * kPart, kPart, read_ahead));       // not by the guest
  EXPECT_TRUE(profile.write(6 * kPart, Bytes(512), Deadline::never()));
  below.set({.failures = 1});
  EXPECT_FALSE(read(8 * kPart, 512, guest));
  EXPECT_FALSE(read(10 * kPart, 512, guest));
  EXPECT_FALSE(read(~std::uint64_t{0} - 5, 512, guest));
  EXPECT_TRUE(read(10 * kPart - 1024, 512, guest));
  EXPECT_EQ(profile.first_touches(), (std::vector<std::uint64_t>{7, 1, 2, 3, 9}));
  EXPECT_EQ(profile.size(), 10 * kPart - 512);
  EXPECT_TRUE(profile.writable());
}

}  // namespace
}  // namespace mutirao::machine
