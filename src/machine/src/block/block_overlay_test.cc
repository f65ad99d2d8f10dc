#include "mutirao/machine/block_overlay.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/sim/testing.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "block/overlay_layout.h"
#include "testing/disks.h"

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kOverlaySector = 512;
constexpr char const* kOverlayName = "overlay";

Bytes sectors_of(std::uint64_t count, std::uint8_t value) {
  return Bytes(count * kOverlaySector, value);
}

/// A host with an overlay on its disk, over one in memory whose bytes are all 0xBB.
struct OverlayHost {
  static constexpr std::uint64_t kSectors = 8 * 70 + 3;  // the last block is cut
  sim::Simulation& network;
  sim::Host& host = network.add_host("host");
  std::unique_ptr<world::Directory> folder;
  TroubledSource* below = nullptr;
  std::unique_ptr<BlockSource> overlay;

  explicit OverlayHost(sim::Simulation& inside) : network{inside} { open(); }

  Result<void> try_open(std::uint64_t sectors = kSectors) {
    folder = MUT_TRY(host.world().disk().open_directory("/", false));
    auto troubled = std::make_unique<TroubledSource>(
        std::make_unique<MemoryDisk>(sectors_of(sectors, 0xBB)), TroubledSource::Trouble{});
    below = troubled.get();
    overlay = MUT_TRY(open_block_overlay(std::move(troubled), *folder, kOverlayName));
    return {};
  }
  void open() {
    auto const opened = try_open();
    ASSERT_TRUE(opened) << opened.error().what;
  }
  /// Closes without a flush, and opens again.
  void reopen() {
    overlay.reset();
    open();
  }
  void crash() {
    network.crash(host);
    overlay.reset();
    folder.reset();
    host.restart();
    open();
  }
  Result<void> write(std::uint64_t sector, std::uint64_t count, std::uint8_t value) {
    return overlay->write(sector * kOverlaySector, sectors_of(count, value), Deadline::never());
  }
  Result<void> flush() { return overlay->flush(Deadline::never()); }
  Bytes content() {
    Bytes bytes(kSectors * kOverlaySector);
    auto const done = overlay->read(0, bytes, BlockPriority::guest, Deadline::never());
    EXPECT_TRUE(done) << done.error().what;
    return bytes;
  }
  /// Of each sector, which is all of one value.
  std::vector<int> values() {
    Bytes const bytes = content();
    std::vector<int> values;
    for (std::uint64_t at = 0; at < bytes.size(); at += kOverlaySector) {
      ByteView const sector{bytes.data() + at, kOverlaySector};
      EXPECT_EQ(std::ranges::count(sector, sector[0]), std::ptrdiff_t{kOverlaySector})
          << "sector " << at / kOverlaySector << " is torn";
      values.push_back(sector[0]);
    }
    return values;
  }
};

void with_overlay(std::size_t count, std::function<void(OverlayHost&, std::uint64_t)> const& body) {
  sim::for_seeds(count, [&](sim::Simulation& network, std::uint64_t seed) {
    OverlayHost host{network};
    if (host.overlay) body(host, seed);
  });
}

TEST(BlockOverlay, reads_what_was_written_and_everything_else_from_below) {
  with_overlay(1, [](OverlayHost& disk, std::uint64_t) {
    EXPECT_EQ(disk.overlay->size(), OverlayHost::kSectors * kOverlaySector);
    EXPECT_TRUE(disk.overlay->writable());
    EXPECT_TRUE(disk.write(5, 1, 1));    // in the middle of a block
    EXPECT_TRUE(disk.write(14, 12, 2));  // the end of one, a whole one, the start of one
    EXPECT_TRUE(disk.write(OverlayHost::kSectors - 1, 1, 3));
    EXPECT_TRUE(disk.write(6, 1, 4));  // into a block that is there
    std::vector<int> expected(OverlayHost::kSectors, 0xBB);
    expected[5] = 1;
    std::fill_n(expected.begin() + 14, 12, 2);
    expected.back() = 3;
    expected[6] = 4;
    EXPECT_EQ(disk.values(), expected);
    EXPECT_TRUE(disk.flush());
    disk.reopen();
    EXPECT_EQ(disk.values(), expected);
  });
}

TEST(BlockOverlay, fetches_nothing_from_below_for_blocks_that_are_written_whole) {
  with_overlay(1, [](OverlayHost& disk, std::uint64_t) {
    EXPECT_TRUE(disk.write(8, 16, 1));
    EXPECT_TRUE(disk.write(560, 3, 1));  // all that there is of the last
    EXPECT_EQ(disk.below->calls(), 0u);
    EXPECT_TRUE(disk.write(9, 1, 2));
    EXPECT_EQ(disk.below->calls(), 0u);
  });
}

TEST(BlockOverlay, refuses_what_lies_beyond_the_end) {
  with_overlay(1, [](OverlayHost& disk, std::uint64_t) {
    auto const fault = [](Result<void> const& done) {
      return done ? Fault::cancelled : done.error().fault;
    };
    Bytes sector(kOverlaySector);
    std::uint64_t const end = disk.overlay->size();
    for (std::uint64_t const offset : {end, end - 1, ~std::uint64_t{0} - 5}) {
      EXPECT_EQ(fault(disk.overlay->write(offset, sector, Deadline::never())), Fault::invalid);
      EXPECT_EQ(fault(disk.overlay->read(offset, sector, BlockPriority::guest, Deadline::never())),
                Fault::invalid);
    }
  });
}

// Goal: whatever was flushed is there after any crash, and everything else is, sector by sector,
// one of the values that it had since. Method: a writer that is cut off at a random moment, in the
// middle of writes and flushes too; the simulated disk keeps, loses or tears what was not synced.
// Several crashes over the same file.
TEST(BlockOverlay, keeps_what_was_flushed_through_every_crash) {
  with_overlay(60, [](OverlayHost& disk, std::uint64_t seed) {
    std::vector<int> flushed(OverlayHost::kSectors, 0xBB);
    for (unsigned crash = 0; crash < 4; ++crash) {
      auto current = flushed;
      std::vector<std::vector<int>> since(OverlayHost::kSectors);
      auto& entropy = disk.host.world().entropy();
      Duration const life{static_cast<Duration::rep>(entropy.below(40'000'000))};
      threads::scope scope;
      scope.spawn("writer", [&] {
        for (;;) {
          if (entropy.chance(0.15)) {
            if (!disk.flush()) return;
            flushed = current;
            for (auto& values : since) values.clear();
            continue;
          }
          auto const first = entropy.below(OverlayHost::kSectors);
          auto const count = 1 + entropy.below(std::min<std::uint64_t>(
                                     OverlayHost::kSectors - first, entropy.chance(0.5) ? 3 : 40));
          auto const value = static_cast<std::uint8_t>(entropy.below(256));
          for (auto sector = first; sector < first + count; ++sector)
            since[sector].push_back(value);
          if (!disk.write(first, count, value)) return;
          std::fill_n(current.begin() + static_cast<std::ptrdiff_t>(first), count, value);
        }
      });
      EXPECT_TRUE(threads::sleep_for(life));
      disk.network.crash(disk.host);
      EXPECT_TRUE(scope.join());
      disk.overlay.reset();
      disk.folder.reset();
      disk.host.restart();
      disk.open();
      if (!disk.overlay) return;
      auto const found = disk.values();
      for (std::size_t sector = 0; sector < found.size(); ++sector)
        ASSERT_TRUE(found[sector] == flushed[sector] ||
                    std::ranges::count(since[sector], found[sector]) != 0)
            << "sector " << sector << " has " << found[sector] << " after crash " << crash << ", "
            << sim::replay_hint(seed);
      flushed = found;
    }
  });
}

TEST(BlockOverlay, is_made_anew_when_a_crash_came_while_it_was_made) {
  sim::for_seeds(40, [&](sim::Simulation& network, std::uint64_t seed) {
    auto& host = network.add_host("host");
    threads::scope scope;
    scope.spawn("maker", [&] {
      auto const folder = host.world().disk().open_directory("/", false);
      if (!folder) return;
      static_cast<void>(
          open_block_overlay(std::make_unique<MemoryDisk>(sectors_of(OverlayHost::kSectors, 0xBB)),
                             **folder, kOverlayName));
    });
    EXPECT_TRUE(threads::sleep_for(
        Duration{static_cast<Duration::rep>(host.world().entropy().below(8'000'000))}));
    network.crash(host);
    EXPECT_TRUE(scope.join());
    host.restart();
    auto const folder = *host.world().disk().open_directory("/", false);
    auto const opened =
        open_block_overlay(std::make_unique<MemoryDisk>(sectors_of(OverlayHost::kSectors, 0xBB)),
                           *folder, kOverlayName);
    EXPECT_TRUE(opened) << opened.error().what << ", " << sim::replay_hint(seed);
  });
}

// Two writers of different sectors of one block, over a source that takes its time: both fill up
// the block from below, and neither may undo what the other wrote.
TEST(BlockOverlay, keeps_both_of_two_writes_into_one_block_at_the_same_time) {
  with_overlay(5, [](OverlayHost& disk, std::uint64_t) {
    disk.below->set({.latency = 20ms});
    threads::scope scope;
    for (std::uint8_t const sector : {0, 3, 7})
      scope.spawn("writer", [&, sector] { EXPECT_TRUE(disk.write(sector, 1, sector)); });
    scope.spawn("writer", [&] { EXPECT_TRUE(disk.write(7, 9, 99)); });
    EXPECT_TRUE(scope.join());
    auto const values = disk.values();
    EXPECT_EQ(values[0], 0);
    EXPECT_EQ(values[3], 3);
    EXPECT_TRUE(values[7] == 7 || values[7] == 99);
    EXPECT_EQ(values[8], 99);
    EXPECT_EQ(values[15], 99);
    EXPECT_EQ(values[1], 0xBB);
  });
}

TEST(BlockOverlay, goes_on_after_a_write_that_failed_and_keeps_what_was_there) {
  with_overlay(1, [](OverlayHost& disk, std::uint64_t) {
    EXPECT_TRUE(disk.write(0, 8, 1));
    disk.host.disk().fail_next_writes(1);
    EXPECT_FALSE(disk.write(8, 8, 2));
    disk.below->set({.failures = 1});
    EXPECT_FALSE(disk.write(17, 1, 2));
    auto const values = disk.values();
    EXPECT_EQ(values[8], 0xBB);
    EXPECT_EQ(values[17], 0xBB);
    EXPECT_TRUE(disk.write(8, 8, 3));
    EXPECT_TRUE(disk.flush());
    disk.crash();
    EXPECT_EQ(disk.values()[8], 3);
  });
}

TEST(BlockOverlay, flushes_at_the_next_turn_what_a_full_disk_kept_out_of_the_bitmap) {
  with_overlay(10, [](OverlayHost& disk, std::uint64_t) {
    EXPECT_TRUE(disk.write(0, 8, 1));
    disk.host.disk().fail_next_writes(1);
    EXPECT_FALSE(disk.flush());
    EXPECT_TRUE(disk.flush());
    disk.crash();
    EXPECT_EQ(disk.values()[0], 1);
  });
}

TEST(BlockOverlay, says_that_flushes_failed_until_it_is_opened_anew_once_a_sync_failed) {
  with_overlay(1, [](OverlayHost& disk, std::uint64_t) {
    EXPECT_TRUE(disk.write(0, 8, 1));
    disk.host.disk().fail_next_syncs(1);
    EXPECT_FALSE(disk.flush());
    EXPECT_FALSE(disk.flush());
    EXPECT_FALSE(disk.write(0, 8, 2));
    EXPECT_EQ(disk.values()[0], 1);
    disk.reopen();
    EXPECT_TRUE(disk.write(0, 8, 3));
    EXPECT_TRUE(disk.flush());
  });
}

TEST(BlockOverlay, refuses_files_that_are_something_else_and_changes_nothing_in_them) {
  with_overlay(1, [](OverlayHost& disk, std::uint64_t) {
    EXPECT_TRUE(disk.write(0, 1, 1));
    EXPECT_TRUE(disk.flush());
    disk.overlay.reset();
    auto const fault_over = [&](std::uint64_t sectors) {
      auto const opened = disk.try_open(sectors);
      return opened ? Fault::cancelled : opened.error().fault;
    };
    EXPECT_EQ(fault_over(OverlayHost::kSectors + 8), Fault::invalid);
    auto const file = *disk.folder->open(kOverlayName, {.writable = true});
    struct {
      std::uint64_t at;
      Fault fault;
    } const damages[] = {{0, Fault::corrupt}, {8, Fault::unsupported}, {17, Fault::corrupt}};
    for (auto const& damage : damages) {
      std::uint8_t byte = 0;
      ASSERT_TRUE(file->read_exactly(damage.at, {&byte, 1}));
      byte ^= 0x40;
      ASSERT_TRUE(file->write_at(damage.at, ByteView{&byte, 1}));
      EXPECT_EQ(fault_over(OverlayHost::kSectors), damage.fault) << damage.at;
      byte ^= 0x40;
      ASSERT_TRUE(file->write_at(damage.at, ByteView{&byte, 1}));
    }
    auto const size = (*file->info()).size;
    ASSERT_TRUE(file->resize(size - 512));
    EXPECT_EQ(fault_over(OverlayHost::kSectors), Fault::corrupt);
    ASSERT_TRUE(file->resize(5));
    EXPECT_EQ(fault_over(OverlayHost::kSectors), Fault::corrupt);
    // Somebody's zeros are not taken for one that was being made.
    ASSERT_TRUE(file->write_at(0, Bytes(5)));
    ASSERT_TRUE(file->resize(100'000));
    EXPECT_EQ(fault_over(OverlayHost::kSectors), Fault::corrupt);
    EXPECT_EQ((*file->info()).size, 100'000u);
  });
}

// Over bytes that are not those that it was made over, its blocks would make a disk that never was.
TEST(BlockOverlay, is_refused_over_a_disk_that_was_changed_since_it_was_made) {
  with_overlay(1, [](OverlayHost& disk, std::uint64_t) {
    auto const open_over = [&](std::int64_t modified_ns) {
      auto below = std::make_unique<MemoryDisk>(sectors_of(8, 0xBB));
      auto const opened = open_block_overlay(std::move(below), *disk.folder, "other", modified_ns);
      return opened ? Fault::cancelled : opened.error().fault;
    };
    EXPECT_EQ(open_over(1'000), Fault::cancelled);  // made
    EXPECT_EQ(open_over(1'000), Fault::cancelled);
    EXPECT_EQ(open_over(1'001), Fault::invalid);
    EXPECT_EQ(open_over(0), Fault::cancelled);  // nobody can tell
  });
}

// What a guest is told of a full disk is an error of that one write.
TEST(BlockOverlay,
     keeps_all_that_was_written_before_its_disk_was_full_and_goes_on_when_there_is_room) {
  with_overlay(4, [](OverlayHost& disk, std::uint64_t) {
    EXPECT_TRUE(disk.write(0, 16, 1));
    disk.host.disk().set_full(true);
    EXPECT_EQ(disk.write(16, 16, 2).error().fault, Fault::exhausted);
    EXPECT_EQ(disk.values()[0], 1);
    disk.host.disk().set_full(false);
    EXPECT_TRUE(disk.write(32, 8, 3));
    EXPECT_TRUE(disk.flush());
    disk.crash();
    auto const values = disk.values();
    EXPECT_EQ(values[15], 1);
    EXPECT_EQ(values[16], 0xBB);
    EXPECT_EQ(values[32], 3);
  });
}

TEST(BlockOverlay, takes_room_on_the_disk_for_what_was_written_alone) {
  sim::for_seeds(1, [](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    auto const folder = *host.world().disk().open_directory("/", false);
    auto const big =
        open_block_overlay(std::make_unique<MemoryDisk>(Bytes(64 << 20)), *folder, kOverlayName);
    ASSERT_TRUE(big);
    EXPECT_TRUE((*big)->write(32 << 20, sectors_of(8, 1), Deadline::never()));
    EXPECT_TRUE((*big)->flush(Deadline::never()));
    EXPECT_LT(host.disk().used_bytes(), 64u << 10);
  });
}

/// On a real disk: what was discarded takes no space of the host any more.
TEST(BlockOverlay, gives_the_space_of_discarded_blocks_back) {
  threads::runtime runtime{{.processors = 1}};
  runtime.run([] {
    base::SilentLog log;
    auto const world = world::make_real_world(log);
    auto const folder =
        *world->disk().open_directory(testing::TempDir() + "/overlay-discard", true);
    auto const overlay = *open_block_overlay(std::make_unique<MemoryDisk>(Bytes(4 << 20, 0xBB)),
                                             *folder, kOverlayName);
    ASSERT_TRUE(overlay->write(0, Bytes(2 << 20, 0xAA), Deadline::never()));
    ASSERT_TRUE(overlay->flush(Deadline::never()));
    auto const before = folder->info(kOverlayName)->allocated;
    // Not from the start of a block on, and not to the end of one.
    ASSERT_TRUE(overlay->discard(512, (1 << 20) + 512, Deadline::never()));
    EXPECT_LE(folder->info(kOverlayName)->allocated, before - (900 << 10));
    auto const byte = [&](std::uint64_t offset) {
      Bytes sector(kOverlaySector);
      EXPECT_TRUE(overlay->read(offset, sector, BlockPriority::guest, Deadline::never()));
      return sector[0];
    };
    EXPECT_EQ(byte(0), 0xAA);
    EXPECT_EQ(byte(1 << 20), 0xAA);
    EXPECT_EQ(byte(3 << 20), 0xBB);
    EXPECT_NE(byte(512 << 10), 0xBB) << "what is below would be older than what was discarded";
    ASSERT_TRUE(overlay->write(512 << 10, Bytes(512, 0xCC), Deadline::never()));
    EXPECT_EQ(byte(512 << 10), 0xCC);
    ASSERT_TRUE(folder->remove(kOverlayName));
  });
}

}  // namespace
}  // namespace mutirao::machine
