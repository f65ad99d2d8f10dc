// Disks that are slow, rot, lie, fail for a while, and are well again.
#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

void with_disk(std::uint64_t seed, DiskOptions disk,
               std::function<void(Simulation&, Host&)> const& body) {
  Simulation simulation{{.seed = seed}};
  simulation.run([&](Simulation& inside) {
    try {
      body(inside, inside.add_host("host", {.disk = disk}));
    } catch (std::exception const& error) {
      ADD_FAILURE() << error.what() << ", " << replay_hint(seed);
    }
  });
}

std::unique_ptr<world::Directory> top(Host& host) {
  return must(host.world().disk().open_directory("/", false));
}

Duration time_of(std::function<void()> const& work) {
  auto const start = threads::now();
  work();
  return threads::now() - start;
}

TEST(SimulatedDiskTrouble, a_slow_disk_takes_longer_by_factor_jitter_and_stalls) {
  with_disk(1, {}, [](Simulation&, Host& host) {
    auto const file = create(*top(host), "file");
    auto const synced = [&] {
      return time_of([&] {
        for (int i = 0; i < 100; ++i) must(file->sync());
      });
    };
    EXPECT_EQ(synced(), 200ms);
    host.disk().set_slowness({.factor = 10});
    EXPECT_EQ(synced(), 2s);
    host.disk().set_slowness({.jitter = 10ms});
    auto const jittery = synced();
    EXPECT_TRUE(jittery > 500ms && jittery < 900ms) << jittery.count();
    host.disk().set_slowness({.stall_chance = 0.1, .stall_max = 10s});
    EXPECT_GT(synced(), 10s);
    host.disk().recover();
    EXPECT_EQ(synced(), 200ms);
  });
}

TEST(SimulatedDiskTrouble, a_lying_sync_keeps_nothing_safe) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    with_disk(seed, {.syncs_lie = true}, [&](Simulation& simulation, Host& host) {
      {
        auto const folder = top(host);
        auto const file = create(*folder, "file");
        must(file->write_at(0, pattern(5000)));
        must(file->sync());
        must(folder->sync());
        EXPECT_GT(host.disk().unsynced_bytes(), 0u);
        simulation.crash(host);
      }
      host.restart();
      auto const file = top(host)->open("file", {});
      Bytes bytes(5000);
      if (!file || !(*file)->read_exactly(0, bytes) || bytes != pattern(5000)) ++lost;
    });
  }
  EXPECT_GT(lost, 20);
}

TEST(SimulatedDiskTrouble, rot_found_by_a_read_stays_on_the_platter) {
  with_disk(1, {}, [](Simulation&, Host& host) {
    auto const bytes = pattern(64 * 1024);
    auto const file = create(*top(host), "file");
    must(file->write_at(0, bytes));
    must(file->sync());
    host.disk().set_rot_chance(1);
    Bytes rotten(bytes.size());
    must(file->read_exactly(0, rotten));
    EXPECT_NE(rotten, bytes);
    EXPECT_EQ(host.disk().bits_inverted(), 1u);
    host.disk().recover();
    Bytes again(bytes.size());
    must(file->read_exactly(0, again));
    EXPECT_EQ(again, rotten);
  });
}

TEST(SimulatedDiskTrouble, rot_over_time_finds_any_file) {
  with_disk(1, {}, [](Simulation&, Host& host) {
    EXPECT_EQ(host.disk().rot(3), 0u) << "there is nothing to rot";
    auto const folder = top(host);
    auto const bytes = pattern(40'000);
    for (auto const* const name : {"a", "b", "c"}) {
      must(create(*folder, name)->write_at(0, bytes));
    }
    EXPECT_EQ(host.disk().rot(60), 60u);
    for (auto const* const name : {"a", "b", "c"}) {
      Bytes now(bytes.size());
      must(must(folder->open(name, {}))->read_exactly(0, now));
      EXPECT_NE(now, bytes) << name;
    }
  });
}

TEST(SimulatedDiskTrouble, fails_for_a_while_and_is_well_again) {
  with_disk(1, {}, [](Simulation&, Host& host) {
    auto const file = create(*top(host), "file");
    host.disk().fail_for(5s);
    EXPECT_EQ(fault_of(file->write_at(0, pattern(10))), Fault::io);
    EXPECT_EQ(fault_of(file->sync()), Fault::io);
    must(threads::sleep_for(5s));
    must(file->write_at(0, pattern(10)));
  });
}

TEST(SimulatedDiskTrouble, is_full_for_a_while_and_has_room_again) {
  with_disk(1, {}, [](Simulation&, Host& host) {
    auto const folder = top(host);
    auto const file = create(*folder, "file");
    host.disk().fill_for(5s);
    EXPECT_EQ(fault_of(file->write_at(0, pattern(10))), Fault::exhausted);
    EXPECT_EQ(must(folder->space()).free_bytes, 0u);
    must(threads::sleep_for(5s));
    EXPECT_GT(must(folder->space()).free_bytes, 0u);
    must(file->write_at(0, pattern(10)));
  });
}

TEST(SimulatedClock, jumps_and_drifts_and_leaves_the_monotonic_one_alone) {
  Simulation simulation{{.seed = 1}};
  simulation.run([](Simulation& network) {
    auto& right = network.add_host("right");
    auto& fast = network.add_host("fast", {.clock_drift = 0.01});
    auto const ahead = [&] { return fast.world().clock().civil() - right.world().clock().civil(); };
    EXPECT_EQ(ahead(), 0s);
    must(threads::sleep_for(1000s));
    EXPECT_EQ(ahead(), 10s);
    EXPECT_EQ(fast.world().clock().now(), right.world().clock().now());
    fast.jump_clock(-1h);
    EXPECT_EQ(ahead(), 10s - 1h);
    fast.set_clock_drift(0);
    must(threads::sleep_for(1000s));
    EXPECT_EQ(ahead(), 10s - 1h);
  });
}

}  // namespace
}  // namespace mutirao::sim
