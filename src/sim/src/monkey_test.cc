// Trouble by chance: programs that come and go with their hosts, monkeys, and the two phases.
#include "mutirao/sim/monkey.h"

#include "mutirao/sim/seeds.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

std::uint64_t fired(Simulation const& simulation, std::string_view name) {
  for (auto const& each : simulation.faults()) {
    if (each.name == name) return each.fired;
  }
  return 0;
}

TEST(Host, runs_its_program_again_after_each_restart) {
  Simulation simulation{{.seed = 1}};
  simulation.run([](Simulation& network) {
    auto& host = network.add_host("a");
    threads::scope scope;
    int started = 0;
    int ended = 0;
    host.boot(scope, [&](world::World& world) {
      ++started;
      EXPECT_EQ(&world, &host.world());
      static_cast<void>(threads::sleep_for(1h));
      ++ended;
    });
    must(threads::sleep_for(1s));
    EXPECT_EQ(started, 1);
    network.crash(host);
    must(threads::sleep_for(1s));
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(started, 1) << "a host that is down runs nothing";
    host.restart();
    must(threads::sleep_for(1s));
    EXPECT_EQ(started, 2);
    // Down and up before the program has noticed.
    network.crash(host);
    host.restart();
    must(threads::sleep_for(1s));
    EXPECT_EQ(started, 3);
  });
}

/// What a crowd under a monkey looks like from outside.
struct Crowd {
  std::uint64_t trace = 0;
  std::uint64_t crashes = 0;
  std::uint64_t kills = 0;
  std::size_t down_most = 0;
  bool all_up_at_the_end = true;
  std::vector<FaultCount> faults;
};

Crowd run_crowd(std::uint64_t seed, MonkeyOptions const& options, FaultOptions faults = {}) {
  constexpr std::size_t kHosts = 20;
  Crowd crowd;
  Simulation simulation{{.seed = seed, .faults = std::move(faults)}};
  simulation.run([&](Simulation& network) {
    threads::scope programs;
    for (std::size_t i = 0; i < kHosts; ++i) {
      auto& host = network.add_host("host" + std::to_string(i));
      host.boot(programs, [&](world::World& world) {
        while (threads::sleep_for(Duration{world.entropy().below(10'000'000'000)})) {
          auto const folder = world.disk().open_directory("/", false);
          if (!folder) continue;
          if (auto const file = (*folder)->open("log", {.writable = true, .create = true})) {
            static_cast<void>((*file)->write_at(0, pattern(5000)));
            static_cast<void>((*file)->sync());
          }
        }
      });
    }
    {
      Monkey const monkey{network, network.hosts(), options};
      for (int i = 0; i < 600; ++i) {
        must(threads::sleep_for(1s));
        std::size_t down = 0;
        for (auto const* const host : network.hosts()) down += host->is_up() ? 0 : 1;
        crowd.down_most = std::max(crowd.down_most, down);
      }
    }
    for (auto const* const host : network.hosts())
      crowd.all_up_at_the_end = crowd.all_up_at_the_end && host->is_up();
  });
  crowd.trace = simulation.trace_hash();
  crowd.crashes = fired(simulation, "monkey.crash");
  crowd.kills = fired(simulation, "monkey.kill");
  crowd.faults = simulation.faults();
  return crowd;
}

MonkeyOptions everything() {
  MonkeyOptions options;
  for (auto* const kind :
       {&options.crashes, &options.kills, &options.isolations, &options.full_disks,
        &options.slow_disks, &options.failing_disks, &options.clock_jumps, &options.partitions})
    *kind = {.every = 3min, .lasts = 20s};
  return options;
}

TEST(Monkey, takes_hosts_down_at_its_rate_and_brings_them_up_again) {
  for (auto const seed : seeds(5)) {
    SCOPED_TRACE(replay_hint(seed));
    MonkeyOptions options;
    options.crashes = {.every = 2min, .lasts = 10s};
    auto const crowd = run_crowd(seed, options);
    // 20 hosts for 10 minutes, each once in 2: a hundred, less those that were down.
    EXPECT_TRUE(crowd.crashes > 50 && crowd.crashes < 150) << crowd.crashes;
    EXPECT_EQ(crowd.kills, 0u);
    EXPECT_LE(crowd.down_most, 6u) << "three in ten are the most";
    EXPECT_TRUE(crowd.all_up_at_the_end);
  }
}

TEST(Monkey, does_the_same_for_the_same_seed) {
  for (auto const seed : seeds(3)) {
    SCOPED_TRACE(replay_hint(seed));
    EXPECT_EQ(run_crowd(seed, everything()).trace, run_crowd(seed, everything()).trace);
  }
}

TEST(Monkey, knows_every_kind_of_trouble_and_undoes_it) {
  auto const crowd = run_crowd(1, everything());
  EXPECT_TRUE(crowd.all_up_at_the_end);
  int kinds = 0;
  for (auto const& each : crowd.faults) {
    if (!each.name.starts_with("monkey.")) continue;
    ++kinds;
    EXPECT_GT(each.fired, 0u) << each.name;
  }
  EXPECT_EQ(kinds, 8);
}

TEST(Monkey, leaves_out_what_is_forbidden) {
  auto const crowd = run_crowd(1, everything(), {.forbidden = {"monkey.crash"}});
  EXPECT_EQ(crowd.crashes, 0u);
  EXPECT_GT(crowd.kills, 0u);
}

TEST(Phases, nothing_is_wrong_any_more_once_faults_have_stopped) {
  for (auto const seed : seeds(5)) {
    SCOPED_TRACE(replay_hint(seed));
    Simulation simulation{{.seed = seed, .faults = {.share = 0.5}}};
    simulation.run([](Simulation& network) {
      threads::scope programs;
      std::size_t running = 0;
      for (int i = 0; i < 10; ++i) {
        network.add_host("host" + std::to_string(i)).boot(programs, [&](world::World&) {
          ++running;
          static_cast<void>(threads::sleep_for(24h));
          --running;
        });
      }
      auto const hosts = network.hosts();
      Monkey const monkey{network, hosts, everything()};
      network.partition(*hosts[0], *hosts[1]);
      network.isolate(*hosts[2]);
      network.crash(*hosts[3]);
      hosts[4]->disk().set_full(true);
      must(threads::sleep_for(10min));
      network.stop_faults();
      must(network.demand("every host runs its program", [&] { return running == 10; }, 1min));
      auto const events = network.trace_events();
      must(threads::sleep_for(1h));
      EXPECT_EQ(network.trace_events(), events) << "the monkey rests";
      auto const listener = hosts[1]->world().network().listen({world::IpAddress::any(), 80});
      EXPECT_TRUE(
          hosts[0]->world().network().connect({hosts[1]->address(), 80}, {}, threads::within(1s)));
      EXPECT_TRUE(
          hosts[2]->world().network().connect({hosts[1]->address(), 80}, {}, threads::within(1s)));
    });
  }
}

TEST(Phases, a_demand_that_is_not_met_says_who_waits) {
  Simulation simulation{{.seed = 9}};
  simulation.run([](Simulation& network) {
    threads::scope scope;
    scope.spawn("sleepyhead", [] { static_cast<void>(threads::sleep_for(24h)); });
    auto const met = network.demand("the impossible", [] { return false; }, 10min);
    ASSERT_FALSE(met);
    EXPECT_EQ(met.error().fault, Fault::timed_out);
    EXPECT_NE(met.error().what.find("the impossible"), std::string::npos);
    EXPECT_NE(met.error().what.find("seed 9"), std::string::npos);
    EXPECT_NE(met.error().what.find("sleepyhead"), std::string::npos) << met.error().what;
  });
}

}  // namespace
}  // namespace mutirao::sim
