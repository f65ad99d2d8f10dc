#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "testing/virtio_driver.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/transport.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kVirtioRam = 0x80000000, kRings = kVirtioRam, kBuffers = kVirtioRam + 0x8000;
constexpr std::uint64_t kVirtioRamSize = 64 << 10;
using R = TestRing;

struct VirtQueueTest : testing::Test {
  std::unique_ptr<GuestMemory> memory = *GuestMemory::create(kVirtioRam, kVirtioRamSize);
  TestRing ring{*memory, kRings};
  VirtQueue queue{*memory};

  void SetUp() override { ring.set_up(queue); }
  void expect_broken() {
    EXPECT_FALSE(queue.take());
    EXPECT_TRUE(queue.broken());
    EXPECT_FALSE(queue.waiting());
  }
};

TEST_F(VirtQueueTest, gives_chains_in_order_and_hands_them_back) {
  EXPECT_FALSE(queue.waiting());
  EXPECT_FALSE(queue.take());
  ring.describe(3, kBuffers, 10, R::kNext, 5);
  ring.describe(5, kBuffers + 100, 20, R::kNext | R::kWritable, 1);
  ring.describe(1, kBuffers + 200, 30, R::kWritable);
  ring.describe(0, kBuffers, 1, 0);
  ring.offer(3);
  ring.offer(0);
  EXPECT_TRUE(queue.waiting());
  auto const chain = queue.take();
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->readable_size(), 10u);
  EXPECT_EQ(chain->writable_size(), 50u);
  auto const second = queue.take();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->head, 0);
  EXPECT_FALSE(queue.take());
  EXPECT_FALSE(queue.broken());

  queue.give_back(*second, 0);
  queue.give_back(*chain, 50);
  EXPECT_EQ(ring.given(), 2);
  EXPECT_EQ(ring.given_head(1), 3u);
  EXPECT_EQ(ring.given_bytes(1), 50u);
  EXPECT_TRUE(queue.take_interrupt());
  EXPECT_FALSE(queue.take_interrupt());
}

TEST_F(VirtQueueTest, goes_round_for_longer_than_its_indexes_count) {
  ring.describe(0, kBuffers, 4, R::kWritable);
  for (unsigned i = 0; i < 70'000; ++i) {
    ring.offer(0);
    auto const chain = queue.take();
    ASSERT_TRUE(chain) << i;
    queue.give_back(*chain, 4);
    ASSERT_EQ(ring.given(), static_cast<std::uint16_t>(i + 1));
  }
}

TEST_F(VirtQueueTest, copies_over_the_borders_of_buffers) {
  ring.describe(0, kBuffers, 3, R::kNext, 1);
  ring.describe(1, kBuffers + 64, 5, R::kNext, 2);
  ring.describe(2, kBuffers + 128, 2, R::kNext | R::kWritable, 3);
  ring.describe(3, kBuffers + 192, 4, R::kWritable);
  ASSERT_TRUE(memory->write(kBuffers, base::view_of("abc")));
  ASSERT_TRUE(memory->write(kBuffers + 64, base::view_of("defgh")));
  ring.offer(0);
  auto const chain = queue.take();
  ASSERT_TRUE(chain);
  Bytes out(10);
  EXPECT_EQ(chain->read(*memory, 0, out), 8u);
  EXPECT_EQ(base::text_of(out).substr(0, 8), "abcdefgh");
  EXPECT_EQ(chain->read(*memory, 2, {out.data(), 3}), 3u);
  EXPECT_EQ(base::text_of(out).substr(0, 3), "cde");
  EXPECT_EQ(chain->read(*memory, 8, out), 0u);
  EXPECT_EQ(chain->write(*memory, 1, base::view_of("123456789")), 5u);
  EXPECT_EQ(ring.get<std::uint8_t>(kBuffers + 129), '1');
  EXPECT_EQ(ring.get<std::uint32_t>(kBuffers + 192), 0x35343332u);
}

TEST_F(VirtQueueTest, follows_one_table_of_indirect_descriptors) {
  GuestAddress const table = kBuffers + 0x1000;
  ring.describe(2, table, 32, R::kIndirect);
  ring.describe(table, 0, kBuffers, 7, R::kNext, 1);
  ring.describe(table, 1, kBuffers + 16, 9, R::kWritable);
  ring.offer(2);
  auto const chain = queue.take();
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->head, 2);
  EXPECT_EQ(chain->readable_size(), 7u);
  EXPECT_EQ(chain->writable_size(), 9u);
}

TEST_F(VirtQueueTest, interrupts_when_the_index_passes_that_for_which_the_driver_asked) {
  queue.event_index = true;
  ring.describe(0, kBuffers, 4, R::kWritable);
  auto const serve = [&](unsigned count) {
    for (unsigned i = 0; i < count; ++i) ring.offer(0);
    while (auto const chain = queue.take()) queue.give_back(*chain, 0);
    EXPECT_EQ(ring.wants_notice_at(), ring.given());
    return queue.take_interrupt();
  };
  ring.want_interrupts(false);  // which says nothing any more
  ring.want_interrupt_at(0);
  EXPECT_TRUE(serve(1));
  EXPECT_FALSE(serve(1));
  ring.want_interrupt_at(5);
  EXPECT_FALSE(serve(3));  // that makes 5, and the one with index 5 comes next
  EXPECT_TRUE(serve(2));
  EXPECT_FALSE(queue.take_interrupt());
  // Round the end of the counters.
  for (unsigned i = 7; i < 65'533; ++i) ASSERT_FALSE(serve(1)) << i;
  ring.want_interrupt_at(1);
  EXPECT_FALSE(serve(4));
  EXPECT_TRUE(serve(1));
  EXPECT_EQ(ring.given(), 2);
}

TEST_F(VirtQueueTest, breaks_on_event_indexes_outside_of_memory) {
  GuestAddress const end = kVirtioRam + kVirtioRamSize;
  for (bool const driver : {false, true}) {
    VirtQueue fresh{*memory};
    ring.set_up(fresh);
    fresh.event_index = true;
    // All but the two bytes behind the ring is there.
    if (driver)
      fresh.driver_area = end - 4 - 2 * ring.size();
    else
      fresh.device_area = end - 4 - 8 * ring.size();
    ring.describe(0, kBuffers, 1, 0);
    ring.put<std::uint16_t>(fresh.driver_area + 4, 0);
    ring.put<std::uint16_t>(fresh.driver_area + 2, 1);
    auto const chain = fresh.take();
    ASSERT_TRUE(chain);
    fresh.give_back(*chain, 0);
    EXPECT_FALSE(fresh.broken());
    if (driver)
      EXPECT_FALSE(fresh.take_interrupt());
    else
      EXPECT_FALSE(fresh.take());
    EXPECT_TRUE(fresh.broken()) << driver;
  }
}

TEST_F(VirtQueueTest, breaks_on_chains_that_run_in_a_circle) {
  ring.describe(0, kBuffers, 1, R::kNext, 1);
  ring.describe(1, kBuffers, 1, R::kNext, 0);
  ring.offer(0);
  expect_broken();
}

TEST_F(VirtQueueTest, breaks_on_a_table_that_runs_in_a_circle_nests_or_is_cut) {
  GuestAddress const table = kBuffers + 0x1000;
  struct {
    std::uint32_t size;
    std::uint16_t flags;
    std::uint16_t inner_flags;
  } const cases[] = {
      {32, R::kIndirect, R::kNext}, {32, R::kIndirect, R::kIndirect}, {31, R::kIndirect, 0},
      {0, R::kIndirect, 0},         {32, R::kIndirect | R::kNext, 0}, {1u << 31, R::kIndirect, 0}};
  for (auto const& bad : cases) {
    VirtQueue fresh{*memory};
    ring.set_up(fresh);
    ring.describe(0, table, bad.size, bad.flags, 0);
    ring.describe(table, 0, bad.inner_flags == R::kIndirect ? table : kBuffers, 16, bad.inner_flags,
                  0);
    ring.put<std::uint16_t>(ring.driver_area() + 4, 0);
    ring.set_index(1);
    EXPECT_FALSE(fresh.take());
    EXPECT_TRUE(fresh.broken()) << bad.size << ' ' << bad.flags;
  }
}

TEST_F(VirtQueueTest, breaks_on_buffers_outside_of_memory) {
  for (auto const& [address, size] :
       {std::pair{kVirtioRam + kVirtioRamSize - 4, 8u}, std::pair{kVirtioRam - 1, 2u},
        std::pair{~std::uint64_t{0} - 3, 8u}, std::pair{kBuffers, 0xFFFFFFFFu}}) {
    VirtQueue fresh{*memory};
    ring.set_up(fresh);
    ring.describe(0, address, size, 0);
    ring.put<std::uint16_t>(ring.driver_area() + 4, 0);
    ring.set_index(1);
    EXPECT_FALSE(fresh.take());
    EXPECT_TRUE(fresh.broken());
  }
}

TEST_F(VirtQueueTest, breaks_on_a_head_that_is_none) {
  ring.offer(8);
  expect_broken();
}

TEST_F(VirtQueueTest, breaks_on_an_index_that_jumps) {
  ring.set_index(9);
  expect_broken();
}

TEST_F(VirtQueueTest, breaks_on_a_readable_buffer_behind_a_writable_one) {
  ring.describe(0, kBuffers, 1, R::kWritable | R::kNext, 1);
  ring.describe(1, kBuffers, 1, 0);
  ring.offer(0);
  expect_broken();
}

TEST_F(VirtQueueTest, breaks_on_rings_outside_of_memory_and_sizes_that_are_none) {
  queue.driver_area = kVirtioRam + kVirtioRamSize - 1;
  EXPECT_TRUE(queue.waiting());
  expect_broken();
  VirtQueue odd{*memory};
  ring.set_up(odd);
  ring.describe(0, kBuffers, 1, 0);
  ring.offer(0);
  for (std::uint16_t const size : {0, 3, 512}) {
    VirtQueue fresh = odd;
    fresh.size = size;
    EXPECT_FALSE(fresh.take());
    EXPECT_TRUE(fresh.broken()) << size;
  }
  odd.device_area = ~std::uint64_t{0} - 2;
  auto const chain = odd.take();
  ASSERT_TRUE(chain);
  odd.give_back(*chain, 0);
  EXPECT_TRUE(odd.broken());
}

/// A guest that reaches a function through configuration space and its window, as a kernel does.
struct PciGuest {
  static constexpr std::uint64_t kWindow = 0x40000000, kBar = kWindow + 0x10000;
  Hart hart;
  Plic plic{{&hart}};
  PciHost host{plic, 32, kWindow, 1 << 20};

  std::uint32_t config(unsigned slot, std::uint32_t offset, unsigned size = 4) {
    return static_cast<std::uint32_t>(host.ecam().read(slot << 15 | offset, size));
  }
  void set_config(unsigned slot, std::uint32_t offset, unsigned size, std::uint32_t value) {
    host.ecam().write(slot << 15 | offset, size, value);
  }
  void switch_on(unsigned slot) {
    set_config(slot, 0x10, 4, kBar);
    set_config(slot, 4, 2, 6);
  }
  std::uint64_t read(std::uint64_t offset, unsigned size) {
    return host.window().read(kBar - kWindow + offset, size);
  }
  void write(std::uint64_t offset, unsigned size, std::uint64_t value) {
    host.window().write(kBar - kWindow + offset, size, value);
  }
  [[nodiscard]] bool wire(unsigned number) {
    auto const source = 32 + number;
    return (plic.read(0x1000 + source / 32 * 4, 4) >> source % 32 & 1) != 0;
  }
};

struct VirtioPciTest : testing::Test, PciGuest {
  std::unique_ptr<GuestMemory> memory = *GuestMemory::create(kVirtioRam, kVirtioRamSize);
  std::string sent;
  VirtioConsole console{[this](ByteView bytes) { sent += base::text_of(bytes); }, *memory};
  VirtioPci function{console, *memory};
  TestRing receive{*memory, kRings}, transmit{*memory, kRings + 0x4000};

  void SetUp() override {
    host.add(3, function);
    switch_on(3);
  }
  void set_status(std::uint8_t status) { write(0x14, 1, status); }
  void set_features(std::uint64_t features) {
    for (unsigned half = 0; half < 2; ++half) {
      write(8, 4, half);
      write(12, 4, features >> 32 * half & 0xFFFFFFFF);
    }
  }
  void set_queue(unsigned number, TestRing const& ring) {
    write(0x16, 2, number);
    write(0x18, 2, ring.size());
    write(0x20, 8, ring.descriptors());
    write(0x28, 4, ring.driver_area() & 0xFFFFFFFF);
    write(0x2C, 4, ring.driver_area() >> 32);
    write(0x30, 8, ring.device_area());
    write(0x1C, 2, 1);
  }
  void drive() {
    set_status(1 | 2);
    set_features(1ull << 32);
    set_status(1 | 2 | 8);
    ASSERT_EQ(read(0x14, 1), 11u);
    set_queue(0, receive);
    set_queue(1, transmit);
    set_status(1 | 2 | 8 | 4);
  }
};

TEST_F(VirtioPciTest, is_found_by_its_ids_and_shows_where_its_parts_are) {
  EXPECT_EQ(config(3, 0), 0x10431AF4u);
  EXPECT_EQ(config(4, 0), 0xFFFFFFFFu);
  EXPECT_EQ(config(0, 8) >> 8, 0x060000u);
  EXPECT_EQ(host.ecam().read(1 << 20, 4), 0xFFFFFFFFu);  // no second bus
  EXPECT_EQ(config(3, 6, 2) & 0x10, 0x10u);
  std::uint32_t types = 0;
  for (std::uint32_t at = config(3, 0x34, 1); at != 0; at = config(3, at + 1, 1)) {
    EXPECT_EQ(config(3, at, 1), 9u);
    types |= 1u << config(3, at + 3, 1);
    EXPECT_EQ(config(3, at + 4, 1), 0u);  // BAR 0
  }
  EXPECT_EQ(types, 0x1Eu);
}

TEST_F(VirtioPciTest, sizes_and_places_its_range_as_a_kernel_probes_it) {
  set_config(3, 4, 2, 0);
  set_config(3, 0x10, 4, ~0u);
  EXPECT_EQ(config(3, 0x10), 0xFFFFC000u);
  set_config(3, 0x10, 4, PciGuest::kBar);
  EXPECT_EQ(read(0x12, 2), ~0ull);  // switched off
  set_config(3, 4, 2, 2);
  EXPECT_EQ(read(0x12, 2), 2u);
  EXPECT_EQ(read(0x4000, 4), ~0ull);
  set_config(3, 0, 4, 0);  // ids are not to be written
  EXPECT_EQ(config(3, 0), 0x10431AF4u);
}

TEST_F(VirtioPciTest, accepts_only_features_that_it_offered_and_not_the_old_interface) {
  write(0, 4, 1);
  EXPECT_EQ(read(4, 4), 1u);
  write(0, 4, 0);
  EXPECT_EQ(read(4, 4), 3u << 28);
  write(0, 4, 2);
  EXPECT_EQ(read(4, 4), 0u);
  for (std::uint64_t const features :
       {std::uint64_t{0}, std::uint64_t{1} << 28, std::uint64_t{1} << 32 | 1}) {
    set_status(0);
    set_features(features);
    set_status(11);
    EXPECT_EQ(read(0x14, 1), 3u);
  }
}

TEST_F(VirtioPciTest, carries_bytes_both_ways_and_interrupts_on_its_wire) {
  drive();
  ASSERT_TRUE(memory->write(kBuffers, base::view_of("hello")));
  transmit.describe(0, kBuffers, 5, 0);
  transmit.offer(0);
  write(0x3004, 2, 1);
  EXPECT_EQ(sent, "hello");
  EXPECT_TRUE(wire(3));
  EXPECT_EQ(config(3, 6, 2) & 8, 8u);
  EXPECT_EQ(read(0x1000, 1), 1u);
  EXPECT_FALSE(wire(3));
  EXPECT_EQ(read(0x1000, 1), 0u);

  EXPECT_EQ(console.type("typed"), 5u);
  function.poll();
  EXPECT_FALSE(wire(3));
  receive.describe(0, kBuffers + 64, 3, R::kWritable);
  receive.describe(1, kBuffers + 96, 64, R::kWritable);
  receive.offer(0);
  receive.offer(1);
  write(0x3000, 2, 0);
  EXPECT_EQ(receive.given(), 2);
  EXPECT_EQ(receive.given_bytes(0), 3u);
  EXPECT_EQ(receive.given_bytes(1), 2u);
  EXPECT_EQ(receive.get<std::uint16_t>(kBuffers + 96), 0x6465u);
  EXPECT_TRUE(wire(3));
  set_config(3, 4, 2, 0x406);  // interrupts off
  EXPECT_FALSE(wire(3));
}

TEST_F(VirtioPciTest, keeps_quiet_when_the_driver_wants_no_interrupts) {
  drive();
  transmit.want_interrupts(false);
  transmit.describe(0, kBuffers, 5, 0);
  transmit.offer(0);
  write(0x3004, 2, 1);
  EXPECT_EQ(transmit.given(), 1);
  EXPECT_FALSE(wire(3));
}

TEST_F(VirtioPciTest, does_nothing_before_the_driver_is_ready) {
  set_queue(1, transmit);
  transmit.describe(0, kBuffers, 5, 0);
  transmit.offer(0);
  write(0x3004, 2, 1);
  EXPECT_EQ(sent, "");
  // And serves what waited as soon as it is.
  set_status(3);
  set_features(1ull << 32);
  set_status(11);
  set_status(15);
  EXPECT_EQ(sent.size(), 5u);
}

TEST_F(VirtioPciTest, asks_for_a_reset_when_a_queue_makes_no_sense_and_works_again_after_it) {
  drive();
  transmit.describe(0, 0x1000, 5, 0);
  transmit.offer(0);
  write(0x3004, 2, 1);
  EXPECT_EQ(read(0x14, 1) & 64, 64u);
  EXPECT_EQ(read(0x1000, 1), 2u);
  set_status(0);
  EXPECT_EQ(read(0x14, 1), 0u);
  transmit.start_anew();
  drive();
  transmit.describe(0, kBuffers, 5, 0);
  transmit.offer(0);
  write(0x3004, 2, 1);
  EXPECT_EQ(sent.size(), 5u);
}

TEST_F(VirtioPciTest, leaves_a_queue_in_use_as_it_is) {
  drive();
  write(0x16, 2, 1);
  write(0x18, 2, 4);
  write(0x20, 8, 0);
  EXPECT_EQ(read(0x18, 2), 8u);
  EXPECT_EQ(read(0x20, 4), (kRings + 0x4000) & 0xFFFFFFFF);
  write(0x16, 2, 77);  // none
  write(0x18, 2, 4);
  EXPECT_EQ(read(0x18, 2), 0u);
  write(0x3000 + 4 * 77, 2, 77);
}

TEST(VirtioEntropy, fills_as_much_as_there_is_room_for) {
  auto const memory = *GuestMemory::create(kVirtioRam, kVirtioRamSize);
  VirtioEntropy entropy{[](MutableBytes bytes) { std::ranges::fill(bytes, 0x5A); }, *memory};
  TestRing ring{*memory, kRings};
  VirtQueue queue{*memory};
  ring.set_up(queue);
  ring.describe(0, kBuffers, 8, R::kWritable);
  ring.describe(1, kBuffers + 4096, 4096, R::kWritable);
  ring.offer(0);
  ring.offer(1);
  entropy.serve(0, queue);
  EXPECT_EQ(ring.given_bytes(0), 8u);
  EXPECT_EQ(ring.given_bytes(1), 256u);
  EXPECT_EQ(ring.get<std::uint64_t>(kBuffers), 0x5A5A5A5A5A5A5A5Au);
  EXPECT_EQ(ring.get<std::uint64_t>(kBuffers + 8), 0u);
}

}  // namespace
}  // namespace mutirao::machine
