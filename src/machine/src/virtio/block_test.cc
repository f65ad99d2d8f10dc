#include "virtio/block.h"

#include <gtest/gtest.h>

#include "testing/virtio_driver.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kBlockRam = 0x80000000, kHeaderAt = kBlockRam + 0x4000,
                       kDataAt = kBlockRam + 0x8000, kStatusAt = kBlockRam + 0x6000;
constexpr std::uint64_t kSectorSize = VirtioBlock::kSector;

struct MemorySource final : BlockSource {
  Bytes content = Bytes(64 * kSectorSize);
  bool may_write = true;
  bool broken = false;
  int flushes = 0;

  std::uint64_t size() const override { return content.size(); }
  bool writable() const override { return may_write; }
  Result<void> read(std::uint64_t offset, MutableBytes into, BlockPriority, Deadline) override {
    if (broken) return fail(Fault::io, "broken");
    std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }
  Result<void> write(std::uint64_t offset, ByteView bytes, Deadline) override {
    std::ranges::copy(bytes, content.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<void> flush(Deadline) override {
    ++flushes;
    return {};
  }
};

struct VirtioBlockTest : testing::Test {
  static constexpr std::uint32_t kRead = 0, kWrite = 1, kFlushRequest = 4, kId = 8;
  static constexpr std::uint8_t kUntouched = 0xEE;

  std::unique_ptr<GuestMemory> memory = *GuestMemory::create(kBlockRam, 256 << 10);
  MemorySource source;
  std::vector<VirtioBlock::Job> jobs;
  VirtioBlock device{source, "disk0",
                     [this](VirtioBlock::Job job) { jobs.push_back(std::move(job)); }, *memory};
  TestRing ring{*memory, kBlockRam, 16};
  VirtQueue queue{*memory};

  void SetUp() override { ring.set_up(queue); }

  /// Header, data and status in three descriptors, as drivers do.
  void request(std::uint32_t type, std::uint64_t sector, std::uint32_t data_size) {
    ring.put<std::uint32_t>(kHeaderAt, type);
    ring.put<std::uint64_t>(kHeaderAt + 8, sector);
    ring.put<std::uint8_t>(kStatusAt, kUntouched);
    std::uint16_t const data_flags =
        type == kWrite ? TestRing::kNext : TestRing::kNext | TestRing::kWritable;
    ring.describe(0, kHeaderAt, 16, TestRing::kNext, data_size == 0 ? 2 : 1);
    ring.describe(1, kDataAt, data_size, data_flags, 2);
    ring.describe(2, kStatusAt, 1, TestRing::kWritable);
    ring.offer(0);
    device.serve(0, queue);
  }
  void do_jobs() {
    for (VirtioBlock::Job& job : std::exchange(jobs, {})) {
      device.carry_out(job, Deadline::never());
      device.answer(std::move(job));
    }
    device.serve(0, queue);
  }
  [[nodiscard]] std::uint8_t status() const { return ring.get<std::uint8_t>(kStatusAt); }
};

TEST_F(VirtioBlockTest, reads_when_the_source_has_answered_and_not_before) {
  source.content[3 * kSectorSize] = 42;
  source.content[5 * kSectorSize - 1] = 43;
  request(kRead, 3, 2 * kSectorSize);
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(ring.given(), 0);
  do_jobs();
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(ring.given_bytes(0), 2 * kSectorSize + 1);
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(ring.get<std::uint8_t>(kDataAt), 42);
  EXPECT_EQ(ring.get<std::uint8_t>(kDataAt + 2 * kSectorSize - 1), 43);
}

TEST_F(VirtioBlockTest, writes_what_was_in_the_buffer_when_it_was_lent) {
  ring.put<std::uint32_t>(kDataAt, 0x11223344);
  request(kWrite, 63, kSectorSize);
  ring.put<std::uint32_t>(kDataAt, 0);
  do_jobs();
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(source.content[63 * kSectorSize], 0x44);
  request(kFlushRequest, 0, 0);
  do_jobs();
  EXPECT_EQ(source.flushes, 1);
  EXPECT_EQ(status(), 0);
}

TEST_F(VirtioBlockTest, refuses_what_lies_beyond_the_end_or_is_no_sector) {
  struct {
    std::uint64_t sector;
    std::uint32_t size;
  } const cases[] = {{63, 2 * kSectorSize}, {64, kSectorSize},    {~0ull, kSectorSize},
                     {1ull << 55, 512},     {0, kSectorSize - 1}, {(1ull << 55) - 1, 1024}};
  for (auto const& bad : cases) {
    for (std::uint32_t const type : {kRead, kWrite}) {
      request(type, bad.sector, bad.size);
      EXPECT_TRUE(jobs.empty());
      EXPECT_EQ(status(), 1) << bad.sector;
    }
  }
}

TEST_F(VirtioBlockTest, tells_of_failures_of_the_source_and_goes_on) {
  source.broken = true;
  request(kRead, 0, kSectorSize);
  do_jobs();
  EXPECT_EQ(status(), 1);
  EXPECT_EQ(ring.given_bytes(0), 1u);
  source.broken = false;
  request(kRead, 0, kSectorSize);
  do_jobs();
  EXPECT_EQ(status(), 0);
}

TEST_F(VirtioBlockTest, says_who_it_is_and_that_it_knows_no_more) {
  request(kId, 0, 20);
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(ring.get<std::uint32_t>(kDataAt), 0x6B736964u);
  request(77, 0, 0);
  EXPECT_EQ(status(), 2);
  EXPECT_EQ(device.config(0), 64);
  EXPECT_EQ(device.config(1), 0);
  EXPECT_EQ(device.config(21), 2);
  EXPECT_EQ(device.config(1000), 0);
}

TEST_F(VirtioBlockTest, is_read_only_when_its_source_is) {
  source.may_write = false;
  EXPECT_NE(device.kind().features & 1u << 5, 0u);
  request(kWrite, 0, kSectorSize);
  EXPECT_TRUE(jobs.empty());
  EXPECT_EQ(status(), 1);
}

TEST_F(VirtioBlockTest, answers_nothing_that_was_asked_before_a_reset) {
  request(kRead, 0, kSectorSize);
  auto stale = std::move(jobs);
  jobs.clear();
  device.reset();
  queue.reset();
  ring.start_anew();
  ring.put<std::uint16_t>(ring.device_area() + 2, 0);
  ring.set_up(queue);
  device.carry_out(stale[0], Deadline::never());
  device.answer(std::move(stale[0]));
  device.serve(0, queue);
  EXPECT_EQ(ring.given(), 0);
  EXPECT_EQ(status(), kUntouched);
}

TEST_F(VirtioBlockTest, breaks_the_queue_for_a_request_without_room_for_an_answer) {
  ring.describe(0, kHeaderAt, 16, 0);
  ring.offer(0);
  device.serve(0, queue);
  EXPECT_TRUE(queue.broken());
}

}  // namespace
}  // namespace mutirao::machine
