#include "virtio/balloon.h"

#include <gtest/gtest.h>

#include "testing/virtio_driver.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kBalloonRam = 0x80000000, kBalloonRing = kBalloonRam,
                       kFree = kBalloonRam + 0x400000;
constexpr std::uint64_t kFreeBytes = 0x3000000;  // more than any other device takes in one chain

struct BalloonTest : testing::Test {
  std::unique_ptr<GuestMemory> memory = *GuestMemory::create(kBalloonRam, 64 << 20);
  VirtioBalloon balloon{*memory};
  VirtQueue queue{*memory};
  TestRing ring{*memory, kBalloonRing};

  void SetUp() override {
    queue.chain_bytes_max = balloon.kind().chain_bytes_max;
    ring.set_up(queue);
  }
  std::uint64_t at(GuestAddress address) { return *memory->load<std::uint64_t>(address); }
  void fill(GuestAddress address) { EXPECT_TRUE(memory->store<std::uint64_t>(address, 7)); }
};

TEST_F(BalloonTest, takes_pages_that_are_reported_free_and_no_others) {
  for (auto const address :
       {kFree - 8, kFree, kFree + kFreeBytes - 8, kFree + kFreeBytes, kFree + kFreeBytes + 4096})
    fill(address);
  ring.describe(0, kFree, kFreeBytes, TestRing::kWritable);
  ring.offer(0);
  balloon.serve(2, queue);
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(at(kFree), 0u);
  EXPECT_EQ(at(kFree + kFreeBytes - 8), 0u);
  EXPECT_EQ(at(kFree - 8), 7u);
  EXPECT_EQ(at(kFree + kFreeBytes), 7u);
  fill(kFree);  // it is the guest's all the same
  EXPECT_EQ(at(kFree), 7u);
}

TEST_F(BalloonTest, takes_only_whole_pages) {
  fill(kFree + 4096 - 8);
  fill(kFree + 4096);
  fill(kFree + 8192);
  ring.describe(0, kFree + 8, 8192, TestRing::kWritable);
  ring.offer(0);
  balloon.serve(2, queue);
  EXPECT_EQ(at(kFree + 4096 - 8), 7u);
  EXPECT_EQ(at(kFree + 4096), 0u);
  EXPECT_EQ(at(kFree + 8192), 7u);
}

TEST_F(BalloonTest, takes_pages_that_a_driver_lists_and_passes_over_what_is_no_memory) {
  fill(kFree);
  fill(kFree + 8192);
  GuestAddress const list = kBalloonRam + 0x10000;
  ring.put(list, static_cast<std::uint32_t>(kFree >> 12));
  ring.put(list + 4, std::uint32_t{0xFFFFFFFF});
  ring.put(list + 8, std::uint32_t{3});
  ring.describe(0, list, 12, 0);
  ring.offer(0);
  balloon.serve(0, queue);
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(at(kFree), 0u);
  EXPECT_EQ(at(kFree + 8192), 7u);
}

TEST_F(BalloonTest, lets_no_code_be_kept_of_what_is_gone) {
  struct Recorder final : CodeWatcher {
    unsigned written = 0;
    void page_became_code(GuestAddress) override {}
    void code_was_written(GuestAddress, std::uint64_t) override { ++written; }
  } recorder;
  memory->watch(recorder);
  ASSERT_TRUE(memory->mark_code(kFree, 4));
  ring.describe(0, kFree, 4096, TestRing::kWritable);
  ring.offer(0);
  balloon.serve(2, queue);
  EXPECT_EQ(recorder.written, 1u);
  EXPECT_FALSE(memory->holds_code(kFree));
}

}  // namespace
}  // namespace mutirao::machine
