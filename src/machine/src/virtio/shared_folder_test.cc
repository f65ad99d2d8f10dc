#include "virtio/shared_folder.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <gtest/gtest.h>

#include "testing/fuse_client.h"
#include "testing/virtio_driver.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kShareRam = 0x80000000, kRequestAt = kShareRam + 0x8000,
                       kAnswerAt = kShareRam + 0x9000;
constexpr unsigned kRequests = 1;  // the queue

class VirtioSharedFolderTest : public ::testing::Test {
 protected:
  VirtioSharedFolderTest() {
    ring.set_up(queue);
    static_cast<void>(tree->make("file", 0100644, {}));
  }

  /// Puts a request into the queue, with so much room for its answer.
  void offer(FuseRequest const& request, std::uint32_t room) {
    Bytes const bytes = request.bytes();
    ASSERT_TRUE(memory->write(kRequestAt, bytes));
    auto const size = static_cast<std::uint32_t>(bytes.size());
    ring.describe(0, kRequestAt, size, room == 0 ? 0 : TestRing::kNext, 1);
    ring.describe(1, kAnswerAt, room, TestRing::kWritable);
    ring.offer(0);
    device.serve(kRequests, queue);
  }
  void do_jobs() {
    for (auto& job : std::exchange(jobs, {})) {
      job.carry_out();
      device.answer(std::move(job));
    }
    device.serve(kRequests, queue);
  }
  [[nodiscard]] int error() const {
    return -static_cast<int>(ring.get<std::uint32_t>(kAnswerAt + 4));
  }

  std::unique_ptr<GuestMemory> memory = *GuestMemory::create(kShareRam, 64 << 10);
  std::shared_ptr<world::TreeNode> tree = world::make_memory_tree();
  std::vector<VirtioSharedFolder::Job> jobs;
  VirtioSharedFolder device{tree,
                            {},
                            "stuff",
                            [this](VirtioSharedFolder::Job job) { jobs.push_back(std::move(job)); },
                            *memory};
  VirtQueue queue{*memory};
  TestRing ring{*memory, kShareRam};
  FuseRequest const look_up = FuseRequest{FUSE_LOOKUP, FUSE_ROOT_ID} << "file";
};

TEST_F(VirtioSharedFolderTest, says_its_tag_and_how_many_queues_it_has) {
  EXPECT_EQ(device.kind().id, 26);
  EXPECT_EQ(device.kind().queues, 2);
  EXPECT_EQ(device.config(0), 's');
  EXPECT_EQ(device.config(4), 'f');
  EXPECT_EQ(device.config(5), 0);
  EXPECT_EQ(device.config(36), 1);
  EXPECT_EQ(device.config(37), 0);
  EXPECT_EQ(device.config(1 << 20), 0);
}

TEST_F(VirtioSharedFolderTest, carries_requests_and_answers) {
  offer(look_up, 1000);
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(ring.given(), 0);
  do_jobs();
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(ring.given_bytes(0), sizeof(fuse_out_header) + sizeof(fuse_entry_out));
  EXPECT_EQ(error(), 0);
  EXPECT_EQ(ring.get<std::uint64_t>(kAnswerAt + sizeof(fuse_out_header)), 2u);
}

TEST_F(VirtioSharedFolderTest, gives_back_what_wants_no_answer_or_has_no_room_for_one) {
  offer(FuseRequest{FUSE_FORGET, 2} << fuse_forget_in{1}, 0);
  do_jobs();
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(ring.given_bytes(0), 0u);
  offer(look_up, 20);
  do_jobs();
  EXPECT_EQ(ring.given_bytes(1), sizeof(fuse_out_header));
  EXPECT_EQ(error(), EIO);
}

TEST_F(VirtioSharedFolderTest, answers_nothing_that_was_asked_before_a_reset) {
  offer(look_up, 1000);
  auto stale = std::exchange(jobs, {});
  device.reset();
  queue.reset();
  ring.start_anew();
  ring.put<std::uint16_t>(ring.device_area() + 2, 0);
  ring.set_up(queue);
  stale[0].carry_out();
  device.answer(std::move(stale[0]));
  device.serve(kRequests, queue);
  EXPECT_EQ(ring.given(), 0);
  offer(FuseRequest{FUSE_GETATTR, 2} << fuse_getattr_in{}, 1000);
  do_jobs();
  EXPECT_EQ(error(), ESTALE) << "it knows what the last driver was told";
}

// As many as there are bytes for; the rest stays in the queue until some are answered.
TEST_F(VirtioSharedFolderTest, holds_only_so_many_bytes_at_once) {
  auto const large = *GuestMemory::create(kShareRam, 32 << 20);
  std::vector<VirtioSharedFolder::Job> held;
  VirtioSharedFolder busy{tree,
                          {},
                          "stuff",
                          [&](VirtioSharedFolder::Job job) { held.push_back(std::move(job)); },
                          *large};
  TestRing wide{*large, kShareRam, 16};
  VirtQueue requests{*large};
  wide.set_up(requests);
  wide.describe(0, kShareRam + (1 << 20), 15 << 20, 0);
  for (int i = 0; i < 8; ++i) wide.offer(0);
  busy.serve(kRequests, requests);
  EXPECT_EQ(held.size(), 5u);
  for (auto& job : std::exchange(held, {})) {
    job.carry_out();
    busy.answer(std::move(job));
  }
  busy.serve(kRequests, requests);
  EXPECT_EQ(wide.given(), 5);
  EXPECT_EQ(held.size(), 3u);
}

}  // namespace
}  // namespace mutirao::machine
