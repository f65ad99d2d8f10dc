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
  std::vector<std::pair<std::uint64_t, std::uint64_t>> discarded{};

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
  Result<void> discard(std::uint64_t offset, std::uint64_t size, Deadline) override {
    discarded.emplace_back(offset, size);
    return {};
  }
};

struct VirtioBlockTest : testing::Test {
  static constexpr std::uint32_t kRead = 0, kWrite = 1, kFlushRequest = 4, kId = 8, kDiscard = 11,
                                 kZeroes = 13;
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
        type == kRead || type == kId ? TestRing::kNext | TestRing::kWritable : TestRing::kNext;
    ring.describe(0, kHeaderAt, 16, TestRing::kNext, data_size == 0 ? 2 : 1);
    ring.describe(1, kDataAt, data_size, data_flags, 2);
    ring.describe(2, kStatusAt, 1, TestRing::kWritable);
    ring.offer(0);
    device.serve(0, queue);
  }
  void put_extent(unsigned number, std::uint64_t sector, std::uint32_t sectors,
                  std::uint32_t flags) {
    ring.put<std::uint64_t>(kDataAt + number * 16, sector);
    ring.put<std::uint32_t>(kDataAt + number * 16 + 8, sectors);
    ring.put<std::uint32_t>(kDataAt + number * 16 + 12, flags);
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

TEST_F(VirtioBlockTest, fills_extents_with_zeros_and_passes_on_what_is_discarded) {
  std::ranges::fill(source.content, 7);
  put_extent(0, 2, 3, 0);
  put_extent(1, 60, 4, 1);
  request(kZeroes, 0, 32);
  do_jobs();
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(ring.given_bytes(0), 1u);
  for (std::size_t sector = 0; sector < 64; ++sector)
    for (std::size_t const at : {std::size_t{0}, kSectorSize - 1})
      EXPECT_EQ(source.content[sector * kSectorSize + at],
                (sector >= 2 && sector < 5) || sector >= 60 ? 0 : 7)
          << sector;
  put_extent(0, 10, 54, 0);
  request(kDiscard, 0, 16);
  do_jobs();
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(
      source.discarded,
      (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{10 * kSectorSize, 54 * kSectorSize}}));
}

TEST_F(VirtioBlockTest, refuses_extents_that_make_no_sense) {
  struct {
    std::uint32_t type;
    std::uint64_t sector;
    std::uint32_t sectors, flags;
    std::uint8_t status;
  } const cases[] = {{kZeroes, 64, 1, 0, 1},  {kZeroes, ~0ull, 1, 0, 1}, {kZeroes, 0, 65, 0, 1},
                     {kZeroes, 0, 1, 2, 2},   {kDiscard, 0, 1, 1, 2},    {kDiscard, 0, ~0u, 0, 1},
                     {kDiscard, 63, 2, 0, 1}, {kZeroes, 0, ~0u, 0, 1}};
  for (auto const& bad : cases) {
    put_extent(0, 0, 1, 0);
    put_extent(1, bad.sector, bad.sectors, bad.flags);
    request(bad.type, 0, 32);
    EXPECT_TRUE(jobs.empty());
    EXPECT_EQ(status(), bad.status) << bad.type << ' ' << bad.sector << ' ' << bad.sectors;
  }
  for (std::uint32_t const size : {0, 15, 17, 17 * 16}) {
    request(kDiscard, 0, size);
    EXPECT_TRUE(jobs.empty());
    EXPECT_EQ(status(), 1) << size;
  }
  source.may_write = false;
  put_extent(0, 0, 1, 0);
  request(kZeroes, 0, 16);
  EXPECT_TRUE(jobs.empty());
  EXPECT_EQ(status(), 1);
}

// Six requests of nearly 16 MiB each into the same buffers: five are taken, and the sixth when one
// of them is done with, also when nobody wants the answers any more.
TEST(VirtioBlock, holds_only_so_many_bytes_at_once) {
  constexpr std::uint32_t kLarge = (16 << 20) - 512;
  auto const memory = *GuestMemory::create(kBlockRam, 32 << 20);
  MemorySource source;
  source.content.resize(64 << 20);
  std::vector<VirtioBlock::Job> jobs;
  VirtioBlock device{source, "disk0", [&](VirtioBlock::Job job) { jobs.push_back(std::move(job)); },
                     *memory};
  TestRing ring{*memory, kBlockRam, 16};
  VirtQueue queue{*memory};
  auto const offer = [&] {
    ring.set_up(queue);
    ring.describe(0, kHeaderAt, 16, TestRing::kNext, 1);
    ring.describe(1, kBlockRam + (1 << 20), kLarge, TestRing::kNext | TestRing::kWritable, 2);
    ring.describe(2, kStatusAt, 1, TestRing::kWritable);
    for (unsigned i = 0; i < 6; ++i) ring.offer(0);
    device.serve(0, queue);
  };
  offer();
  EXPECT_EQ(jobs.size(), 5u);  // the last one begins below the limit
  device.answer(std::move(jobs.back()));
  jobs.pop_back();
  device.serve(0, queue);
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(jobs.size(), 5u);

  device.reset();
  queue.reset();
  ring.start_anew();
  offer();
  EXPECT_EQ(jobs.size(), 5u);
  for (auto& job : std::exchange(jobs, {})) device.answer(std::move(job));
  device.serve(0, queue);
  EXPECT_EQ(jobs.size(), 5u);
}

// Every answer is written over the ring and announces one request more. Each was made available by
// the device itself; it must not go on with them for ever.
TEST(VirtioBlock, ends_when_its_own_answers_make_requests) {
  auto const memory = *GuestMemory::create(kBlockRam, 256 << 10);
  MemorySource source;
  std::size_t done = 0;
  std::unique_ptr<VirtioBlock> device;
  TestRing ring{*memory, kBlockRam, 16};
  VirtQueue queue{*memory};
  device = std::make_unique<VirtioBlock>(
      source, "disk0",
      [&](VirtioBlock::Job job) {
        std::uint32_t const index = static_cast<std::uint16_t>(++done + 1);
        for (auto& byte : job.bytes) byte = 0;
        std::uint32_t const flags_and_index = index << 16;
        std::memcpy(job.bytes.data(), &flags_and_index, sizeof flags_and_index);
        device->answer(std::move(job));
      },
      *memory);
  ring.set_up(queue);
  ring.describe(0, kHeaderAt, 16, TestRing::kNext, 1);
  ring.describe(1, ring.driver_area(), 512, TestRing::kNext | TestRing::kWritable, 2);
  ring.describe(2, kStatusAt, 1, TestRing::kWritable);
  ring.offer(0);
  device->serve(0, queue);
  EXPECT_EQ(done, 16u);
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
