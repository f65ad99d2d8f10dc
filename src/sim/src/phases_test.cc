// Programs that come and go with their hosts, and the two phases of a run.
#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

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
      network.partition(*hosts[0], *hosts[1]);
      network.partition({hosts[0], hosts[5]}, {hosts[1], hosts[6]});
      network.isolate(*hosts[2]);
      network.clog(*hosts[0], *hosts[1], 24h);
      network.crash(*hosts[3]);
      hosts[4]->disk().set_full(true);
      must(threads::sleep_for(10min));
      network.stop_faults();
      must(network.demand("every host runs its program", [&] { return running == 10; }, 1min));
      auto const events = network.trace_events();
      must(threads::sleep_for(1h));
      EXPECT_EQ(network.trace_events(), events) << "nothing happens by itself";
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
