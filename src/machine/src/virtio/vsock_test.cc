#include "virtio/vsock.h"

#include <gtest/gtest.h>

#include "testing/virtio_driver.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kVsockRam = 0x80000000, kEventAt = kVsockRam + 0x8000;
constexpr unsigned kEvents = 2;

TEST(VirtioVsock, tells_the_driver_once_that_connections_did_not_outlive_a_snapshot) {
  auto const memory = *GuestMemory::create(kVsockRam, 64 << 10);
  VirtQueue queue{*memory};
  TestRing ring{*memory, kVsockRam};
  ring.set_up(queue);
  nat::FrameLink link{[] {}};
  VirtioVsock device{link, *memory};
  auto const offer = [&](std::uint16_t number) {
    ring.put<std::uint64_t>(kEventAt + number * 8, ~std::uint64_t{0});
    ring.describe(number, kEventAt + number * 8, 8, TestRing::kWritable);
    ring.offer(number);
    device.serve(kEvents, queue);
  };
  offer(0);
  EXPECT_EQ(ring.given(), 0) << "nothing has happened";

  StateWriter saved;
  ASSERT_TRUE(device.save(saved));
  StateReader from{saved.bytes(), 1};
  ASSERT_TRUE(device.restore(from) && from.complete());
  device.serve(kEvents, queue);
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(ring.given_bytes(0), 4u);
  EXPECT_EQ(ring.get<std::uint32_t>(kEventAt), 0u);  // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET
  offer(1);
  EXPECT_EQ(ring.given(), 1);
}

}  // namespace
}  // namespace mutirao::machine
