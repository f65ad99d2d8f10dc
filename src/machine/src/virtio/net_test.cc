#include "virtio/net.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "testing/virtio_driver.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kNetRam = 0x80000000, kNetBuffers = kNetRam + 0x10000;
constexpr std::uint64_t kNetRamSize = 1 << 20;
constexpr std::uint32_t kNetHeader = 12;
constexpr unsigned kReceive = 0, kTransmit = 1;
constexpr std::uint64_t kChecksumBit = 1u << 0, kGuestChecksumBit = 1u << 1, kGuestTsoBit = 1u << 7,
                        kHostTsoBit = 1u << 11, kMergeBit = 1u << 15;

struct VirtioNetTest : testing::Test {
  std::unique_ptr<GuestMemory> memory = *GuestMemory::create(kNetRam, kNetRamSize);
  unsigned news = 0;
  nat::FrameLink link{[this] { ++news; }};
  VirtioNet device{link, *memory};
  TestRing ring{*memory, kNetRam, 32};
  VirtQueue queue{*memory};

  void SetUp() override { ring.set_up(queue); }

  GuestAddress buffer(unsigned number) const { return kNetBuffers + number * 0x1000; }
  void offer_room(unsigned count, std::uint32_t size) {
    for (unsigned i = 0; i < count; ++i) {
      auto const number = static_cast<std::uint16_t>(next_++ % 32);
      ring.describe(number, buffer(number), size, TestRing::kWritable);
      ring.offer(number);
    }
  }
  void offer_frame(Bytes const& header, Bytes const& frame) {
    ASSERT_TRUE(memory->write(buffer(0), header));
    ASSERT_TRUE(memory->write(buffer(1), frame));
    ring.describe(0, buffer(0), static_cast<std::uint32_t>(header.size()), TestRing::kNext, 1);
    ring.describe(1, buffer(1), static_cast<std::uint32_t>(frame.size()), 0);
    ring.offer(0);
  }
  std::vector<nat::Frame> sent() {
    auto frames = link.wait(Deadline::at(TimePoint{}));
    return frames ? *std::move(frames) : std::vector<nat::Frame>{};
  }
  Bytes bytes_at(GuestAddress address, std::size_t size) const {
    auto const view = *memory->view(address, size);
    return {view.begin(), view.end()};
  }

 private:
  unsigned next_ = 0;
};

Bytes numbered(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  return bytes;
}

TEST_F(VirtioNetTest, tells_its_address_and_that_its_link_is_up) {
  Bytes config;
  for (std::uint64_t i = 0; i < 10; ++i) config.push_back(device.config(i));
  EXPECT_EQ(config, (Bytes{0x52, 0x54, 0, 0x12, 0x34, 0x56, 1, 0, 0, 0}));
  EXPECT_EQ(device.kind().id, 1);
  EXPECT_EQ(device.kind().queues, 2);
}

TEST_F(VirtioNetTest, hands_frames_of_the_driver_over) {
  auto const frame = numbered(60);
  offer_frame(Bytes(kNetHeader), frame);
  device.serve(kTransmit, queue);
  auto const frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].bytes, frame);
  EXPECT_FALSE(frames[0].missing_checksum);
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(ring.given_bytes(0), 0u);
}

TEST_F(VirtioNetTest, says_which_checksums_the_driver_left_out) {
  Bytes header(kNetHeader);
  header[0] = 1;
  header[6] = 34;
  header[8] = 16;
  offer_frame(header, numbered(60));
  device.serve(kTransmit, queue);
  auto const frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  ASSERT_TRUE(frames[0].missing_checksum);
  EXPECT_EQ(frames[0].missing_checksum->begin, 34);
  EXPECT_EQ(frames[0].missing_checksum->offset, 16);
}

TEST_F(VirtioNetTest, takes_no_frame_that_is_empty_or_longer_than_any) {
  ring.describe(0, buffer(0), kNetHeader, 0);
  ring.offer(0);
  ring.describe(1, kNetBuffers, 80'000, 0);
  ring.offer(1);
  device.serve(kTransmit, queue);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(ring.given(), 2);
  EXPECT_FALSE(queue.broken());
}

TEST_F(VirtioNetTest, leaves_frames_with_the_driver_while_the_link_is_full) {
  while (link.may_send()) link.send({Bytes(60'000)});
  offer_frame(Bytes(kNetHeader), numbered(60));
  device.serve(kTransmit, queue);
  EXPECT_EQ(ring.given(), 0);
  EXPECT_FALSE(sent().empty());
  EXPECT_EQ(news, 1u) << "nobody says that there is room again";
  device.serve(kTransmit, queue);
  EXPECT_EQ(ring.given(), 1);
}

TEST_F(VirtioNetTest, fills_one_buffer_with_a_frame_that_fits) {
  auto const frame = numbered(100);
  link.to_guest({frame});
  offer_room(2, 1526);
  device.serve(kReceive, queue);
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(ring.given_bytes(0), kNetHeader + 100);
  EXPECT_EQ(bytes_at(buffer(0), kNetHeader), (Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(bytes_at(buffer(0) + kNetHeader, 100), frame);
}

TEST_F(VirtioNetTest, spreads_a_large_frame_over_buffers_that_are_merged) {
  device.accept(kChecksumBit | kGuestChecksumBit | kGuestTsoBit | kHostTsoBit | kMergeBit);
  EXPECT_TRUE(link.abilities().checksums);
  EXPECT_TRUE(link.abilities().large_frames);
  auto const frame = numbered(9000);
  link.to_guest({.bytes = frame, .missing_checksum = {{34, 16}}, .segment_bytes = 1460});
  offer_room(2, 4096);
  device.serve(kReceive, queue);
  EXPECT_EQ(ring.given(), 0) << "a part of it was delivered";
  offer_room(2, 4096);
  device.serve(kReceive, queue);
  ASSERT_EQ(ring.given(), 3);
  EXPECT_EQ(bytes_at(buffer(0), kNetHeader),
            (Bytes{1, 1, 54, 0, 1460 & 0xFF, 1460 >> 8, 34, 0, 16, 0, 3, 0}));
  EXPECT_EQ(ring.given_bytes(0), 4096u);
  EXPECT_EQ(ring.given_bytes(1), 4096u);
  EXPECT_EQ(ring.given_bytes(2), 9000u + kNetHeader - 8192u);
  Bytes got = bytes_at(buffer(0) + kNetHeader, 4096 - kNetHeader);
  for (unsigned i : {1u, 2u}) {
    auto const part = bytes_at(buffer(i), ring.given_bytes(i));
    got.insert(got.end(), part.begin(), part.end());
  }
  EXPECT_EQ(got, frame);
}

TEST_F(VirtioNetTest, loses_a_frame_for_which_a_driver_that_merges_nothing_has_no_room) {
  device.accept(0);
  link.to_guest({numbered(3000)});
  link.to_guest({numbered(60)});
  offer_room(2, 1526);
  device.serve(kReceive, queue);
  ASSERT_EQ(ring.given(), 2);
  EXPECT_EQ(ring.given_bytes(0), 0u);
  EXPECT_EQ(ring.given_bytes(1), 60u + kNetHeader);
}

TEST_F(VirtioNetTest, breaks_on_buffers_that_hold_not_even_a_header) {
  device.accept(kMergeBit);
  link.to_guest({numbered(60)});
  offer_room(1, kNetHeader - 1);
  device.serve(kReceive, queue);
  EXPECT_TRUE(queue.broken());
}

TEST_F(VirtioNetTest, forgets_with_a_reset_what_was_meant_for_the_driver_of_before) {
  device.accept(kGuestChecksumBit | kGuestTsoBit | kMergeBit);
  link.to_guest({numbered(9000)});
  offer_room(1, 4096);
  device.serve(kReceive, queue);
  device.reset();
  queue.reset();
  ring.start_anew();
  ring.set_up(queue);
  EXPECT_FALSE(link.abilities().large_frames);
  offer_room(3, 4096);
  device.serve(kReceive, queue);
  EXPECT_EQ(ring.given(), 0);
  link.to_guest({numbered(60)});
  device.serve(kReceive, queue);
  EXPECT_EQ(ring.given_bytes(0), 60u + kNetHeader);
}

TEST_F(VirtioNetTest, takes_buffers_that_it_gathered_anew_when_it_is_restored) {
  device.accept(kMergeBit);
  link.to_guest({numbered(6000)});
  offer_room(1, 4096);  // not enough yet
  device.serve(kReceive, queue);
  EXPECT_EQ(device.held(kReceive), 1);
  EXPECT_EQ(device.held(kTransmit), 0);
  StateWriter saved;
  queue.save(saved, device.held(kReceive));
  ASSERT_TRUE(device.save(saved));

  nat::FrameLink other_link{[] {}};
  VirtioNet restored{other_link, *memory};
  VirtQueue same{*memory};
  StateReader from{saved.bytes(), 1};
  ASSERT_TRUE(same.restore(from) && restored.restore(from) && from.complete());
  restored.accept(kMergeBit);
  other_link.to_guest({numbered(60)});
  restored.serve(kReceive, same);
  EXPECT_EQ(ring.given(), 1);
  EXPECT_EQ(bytes_at(buffer(0) + kNetHeader, 60), numbered(60));
}

}  // namespace
}  // namespace mutirao::machine
