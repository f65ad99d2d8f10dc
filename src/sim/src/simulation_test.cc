// That a run is a function of its seed, and what a host's World gives besides network and disk.
#include "mutirao/sim/simulation.h"

#include <cstdlib>
#include <map>
#include <set>

#include "mutirao/sim/seeds.h"
#include "mutirao/threads/diagnostics.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

struct Outcome {
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  TimePoint ended{};
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

/// Answers every connection with as many bytes as it was asked for, read from its disk.
Result<void> serve(world::World& world, world::Listener& listener, threads::scope& scope) {
  for (;;) {
    std::shared_ptr<world::Stream> stream = MUT_TRY(listener.accept(Deadline::never()));
    scope.spawn("server",
                [&world, stream]() -> Result<void> {
                  Bytes wish(4);
                  MUT_TRY(stream->read_exactly(wish, threads::within(60s)));
                  Bytes answer(base::load_be<std::uint32_t>(wish));
                  auto const folder = MUT_TRY(world.disk().open_directory("/", false));
                  auto const file = MUT_TRY(folder->open("served", {}));
                  MUT_TRY(file->read_exactly(0, answer));
                  return stream->write_all(answer, threads::within(60s));
                },
                {.isolated = true});
  }
}

Result<void> ask(world::World& world, world::Endpoint whom, std::size_t number) {
  auto& entropy = world.entropy();
  MUT_TRY(threads::sleep_for(Duration{entropy.below(200'000'000)}));
  auto const stream = MUT_TRY(world.network().connect(whom, {}, threads::within(60s)));
  auto const size = static_cast<std::uint32_t>(1 + entropy.below(200'000));
  Bytes wish;
  base::append_be(wish, size);
  MUT_TRY(stream->write_all(wish, threads::within(60s)));
  Bytes answer(size);
  MUT_TRY(stream->read_exactly(answer, threads::within(60s)));
  auto const folder = MUT_TRY(world.disk().open_directory("/got", true));
  auto const file =
      MUT_TRY(folder->open(std::to_string(number), {.writable = true, .create = true}));
  MUT_TRY(file->write_at(0, answer));
  return file->sync();
}

/// Ten hosts that fetch from each other, over bad links, while one crashes and comes back.
Outcome busy_run(std::uint64_t seed) {
  constexpr std::size_t kHosts = 10;
  Outcome outcome;
  Simulation simulation{{.seed = seed, .network = {.link = {.loss = 0.02}}}};
  simulation.run([&](Simulation& network) {
    std::vector<Host*> hosts;
    std::vector<std::unique_ptr<world::Listener>> listeners;
    threads::scope servers;
    for (std::size_t i = 0; i < kHosts; ++i) {
      auto& host = *hosts.emplace_back(&network.add_host("host" + std::to_string(i)));
      auto const folder = must(host.world().disk().open_directory("/", true));
      must(must(folder->open("served", {.writable = true, .create = true}))
               ->write_at(0, pattern(200'000, i)));
      auto& listener = *listeners.emplace_back(
          must(host.world().network().listen({world::IpAddress::any(), 80})));
      servers.spawn("serve", [&] { return serve(host.world(), listener, servers); },
                    {.isolated = true});
    }
    threads::scope clients;
    for (std::size_t i = 0; i < kHosts * 8; ++i) {
      auto& world = hosts[i % kHosts]->world();
      world::Endpoint const whom{hosts[(i * 7 + 3) % kHosts]->address(), 80};
      clients.spawn("client", [&world, whom, i] { return ask(world, whom, i); },
                    {.isolated = true});
    }
    must(threads::sleep_for(150ms));
    network.crash(*hosts[4]);
    must(threads::sleep_for(1s));
    hosts[4]->restart();
    must(clients.join());
    servers.request_stop();
    must(servers.join());
    outcome.ended = threads::now();
  });
  outcome.hash = simulation.trace_hash();
  outcome.events = simulation.trace_events();
  return outcome;
}

TEST(Simulation, equal_seeds_give_equal_runs) {
  for (auto const seed : seeds(10)) {
    auto const first = busy_run(seed);
    auto const second = busy_run(seed);
    EXPECT_GT(first.events, 500u);
    EXPECT_EQ(first.hash, second.hash) << replay_hint(seed);
    EXPECT_EQ(first, second) << replay_hint(seed);
  }
}

// Goal: who looks at a run that got stuck sees what each thread waits for.
TEST(Simulation, report_of_threads_says_what_the_network_makes_them_wait_for) {
  Simulation simulation{{.seed = 1, .network = {.send_buffer_bytes = 4096}}};
  simulation.run([](Simulation& network) {
    auto& a = network.add_host("a");
    auto& b = network.add_host("b");
    auto const listener = must(b.world().network().listen({world::IpAddress::any(), 80}));
    auto const stream = must(a.world().network().connect({b.address(), 80}, {}, Deadline::never()));
    auto const other = must(listener->accept(Deadline::never()));
    Bytes byte(1);
    Bytes const much(1_MiB);
    threads::scope scope;
    scope.spawn("accepts", [&] { static_cast<void>(listener->accept(Deadline::never())); });
    scope.spawn("reads", [&] { static_cast<void>(stream->read_exactly(byte, Deadline::never())); });
    scope.spawn("writes", [&] { static_cast<void>(stream->write_all(much, Deadline::never())); });
    must(threads::sleep_for(1min));
    std::map<std::string, threads::thread_info> waits;
    for (auto const& each : threads::this_runtime_report().threads) waits.emplace(each.name, each);
    EXPECT_EQ(waits["accepts"].waits_for, threads::wait_kind::readable);
    EXPECT_EQ(waits["reads"].waits_for, threads::wait_kind::readable);
    EXPECT_EQ(waits["reads"].wait, "something to read");
    EXPECT_EQ(waits["writes"].waits_for, threads::wait_kind::writable);
    EXPECT_EQ(waits["writes"].wait, "room to write");
    EXPECT_EQ(waits["simulated network"].waits_for, threads::wait_kind::timer);
    scope.request_stop();
    static_cast<void>(scope.join());
  });
}

TEST(Simulation, different_seeds_give_different_runs) {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) hashes.insert(busy_run(seed).hash);
  EXPECT_EQ(hashes.size(), 10u);
}

TEST(Simulation, hosts_draw_from_streams_of_their_own) {
  auto const draw = [](bool disturbed) {
    std::uint64_t drawn = 0;
    Simulation simulation{{.seed = 5}};
    simulation.run([&](Simulation& network) {
      auto& a = network.add_host("a");
      auto& b = network.add_host("b");
      if (disturbed) (void)a.world().entropy().next();
      drawn = b.world().entropy().next();
      EXPECT_NE(drawn, a.world().entropy().next());
      network.crash(b);
      EXPECT_NE(drawn, b.restart().entropy().next()) << "a new process draws anew";
    });
    return drawn;
  };
  EXPECT_EQ(draw(false), draw(true));
}

TEST(Simulation, an_hour_passes_without_waiting_for_it) {
  Simulation simulation;
  simulation.run([](Simulation& network) {
    auto& host = network.add_host("host", {.clock_skew = -2s});
    auto& clock = host.world().clock();
    auto const start = clock.now();
    auto const civil = clock.civil();
    must(threads::sleep_for(1h));
    EXPECT_EQ(clock.now() - start, 1h);
    EXPECT_EQ(clock.civil() - civil, 1h);
    EXPECT_EQ(clock.now(), threads::now());
    host.set_clock_skew(60s);
    EXPECT_EQ(clock.civil() - civil, 1h + 62s);
  });
}

TEST(Simulation, hosts_are_found_by_name_and_have_addresses_of_their_own) {
  Simulation simulation;
  simulation.run([](Simulation& network) {
    auto& a = network.add_host("a");
    auto const v6 = *world::IpAddress::parse("fd00::2");
    auto const v4 = world::IpAddress::v4({203, 0, 113, 5});
    auto& b = network.add_host("b", {.addresses = {v4, v6}});
    EXPECT_NE(a.address(), b.address());
    EXPECT_EQ(must(a.world().network().resolve("b", Deadline::never())), (std::vector{v4, v6}));
    EXPECT_EQ(fault_of(a.world().network().resolve("c", Deadline::never())), Fault::not_found);
    EXPECT_EQ(fault_of(a.world().network().connect({v6, 80}, {}, Deadline::never())),
              Fault::unreachable)
        << "the host has no IPv6 address";
    auto const listener = must(b.world().network().listen({v6, 80}));
    EXPECT_TRUE(b.world().network().connect({v6, 80}, {}, Deadline::never()));
  });
}

TEST(Simulation, streams_may_outlive_the_run) {
  Simulation simulation;
  StreamPair pair;
  simulation.run([&](Simulation& network) {
    auto& a = network.add_host("a");
    auto& b = network.add_host("b");
    Arena arena{a.world(), b.world(), b.address(), "/"};
    pair = connect_pair(arena);
    must(pair.client->write_all("on the way", Deadline::never()));
  });
  pair = {};
}

class Environment : public testing::Test {
 protected:
  void TearDown() override {
    unsetenv("MUTIRAO_SEED");
    unsetenv("MUTIRAO_SEEDS");
  }
};

TEST_F(Environment, seeds_can_be_replaced_to_replay_or_to_search) {
  unsetenv("MUTIRAO_SEED");
  unsetenv("MUTIRAO_SEEDS");
  EXPECT_EQ(seeds(3), (std::vector<std::uint64_t>{1, 2, 3}));
  setenv("MUTIRAO_SEEDS", "5", 1);
  EXPECT_EQ(seeds(3).size(), 5u);
  setenv("MUTIRAO_SEED", "17", 1);
  EXPECT_EQ(seeds(3), (std::vector<std::uint64_t>{17}));
  EXPECT_EQ(replay_hint(17), "replay with MUTIRAO_SEED=17");
}

}  // namespace
}  // namespace mutirao::sim
