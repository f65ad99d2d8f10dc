// Faults by name: which a seed has, what they do, and that they end.
#include "mutirao/sim/faults.h"

#include <algorithm>
#include <set>

#include "mutirao/sim/seeds.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

FaultCount count_of(Simulation const& simulation, std::string_view name) {
  for (auto const& each : simulation.faults()) {
    if (each.name == name) return each;
  }
  return {};
}

/// What maybe("a"), maybe("b") ... said, a hundred times each, on one host.
std::string answers(SimulationOptions options) {
  std::string said;
  Simulation simulation{std::move(options)};
  simulation.run([&](Simulation& network) {
    auto& world = network.add_host("a").world();
    for (int i = 0; i < 100; ++i) {
      for (auto const* const name : {"a", "b", "c", "d", "e", "f", "g", "h"})
        said += world.maybe(name, 0.5) ? '1' : '0';
    }
  });
  return said;
}

TEST(Faults, come_not_at_all_when_none_are_wished) {
  EXPECT_EQ(answers({.seed = 1}).find('1'), std::string::npos);
}

TEST(Faults, are_a_function_of_the_seed) {
  EXPECT_EQ(answers({.seed = 7, .faults = {.share = 0.5}}),
            answers({.seed = 7, .faults = {.share = 0.5}}));
  EXPECT_NE(answers({.seed = 7, .faults = {.share = 0.5}}),
            answers({.seed = 8, .faults = {.share = 0.5}}));
}

// Each seed has some names and not others, so that one fault does not always hide another.
TEST(Faults, give_each_seed_a_subset_of_the_names) {
  std::set<std::string> subsets;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto const said = answers({.seed = seed, .faults = {.share = 0.5}});
    std::string has(8, '0');
    for (std::size_t i = 0; i < said.size(); ++i) {
      if (said[i] == '1') has[i % 8] = '1';
    }
    subsets.insert(has);
  }
  EXPECT_GE(subsets.size(), 15u);
}

TEST(Faults, are_forced_and_forbidden_by_name_and_counted) {
  Simulation simulation{
      {.seed = 1, .faults = {.share = 1, .forced = {"a.x"}, .forbidden = {"a.y"}}}};
  simulation.run([&](Simulation& network) {
    auto& world = network.add_host("a").world();
    for (int i = 0; i < 1000; ++i) {
      static_cast<void>(world.maybe("a.x", 0.25));
      EXPECT_FALSE(world.maybe("a.y", 1));
    }
  });
  auto const forced = count_of(simulation, "a.x");
  EXPECT_TRUE(forced.enabled);
  EXPECT_EQ(forced.asked, 1000u);
  EXPECT_NEAR(static_cast<double>(forced.fired), 250, 60);
  auto const forbidden = count_of(simulation, "a.y");
  EXPECT_FALSE(forbidden.enabled);
  EXPECT_EQ(forbidden.fired, 0u);
}

TEST(Faults, of_the_world_itself_are_those_that_the_header_lists) {
  Simulation simulation{{.seed = 1}};
  simulation.run([](Simulation& network) {
    static_cast<void>(network.add_host("a").world().entropy().below(10));
  });
  std::vector<std::string> known;
  for (auto const& each : simulation.faults()) known.push_back(each.name);
  EXPECT_EQ(known, (std::vector<std::string>{kWorldFaults.begin(), kWorldFaults.end()}));
}

// One more draw of a name must not change what another does: else forbidding one would change all.
TEST(Faults, draw_independently_of_each_other) {
  auto const with_noise = [](bool noise) {
    std::string said;
    Simulation simulation{{.seed = 3, .faults = {.share = 1}}};
    simulation.run([&](Simulation& network) {
      auto& world = network.add_host("a").world();
      for (int i = 0; i < 50; ++i) {
        if (noise) static_cast<void>(world.maybe("noise", 0.5));
        said += world.maybe("signal", 0.5) ? '1' : '0';
      }
    });
    return said;
  };
  EXPECT_EQ(with_noise(false), with_noise(true));
}

TEST(Faults, are_part_of_the_trace) {
  auto const hash = [](double chance) {
    Simulation simulation{{.seed = 3, .faults = {.share = 1}}};
    simulation.run([&](Simulation& network) {
      static_cast<void>(network.add_host("a").world().maybe("a", chance));
    });
    return simulation.trace_hash();
  };
  EXPECT_NE(hash(0), hash(1));
}

/// Sends `size` bytes from one host to another by writes of `piece` and reads whatever comes.
Bytes echo(Simulation& network, std::size_t size, std::size_t piece) {
  auto& from = network.add_host("from");
  auto& to = network.add_host("to");
  auto const listener = to.world().network().listen({world::IpAddress::any(), 80});
  EXPECT_TRUE(listener);
  Bytes got;
  threads::scope scope;
  scope.spawn("reader", [&]() -> Result<void> {
    auto const stream = MUT_TRY((*listener)->accept(Deadline::never()));
    Bytes buffer(64 * 1024);
    for (;;) {
      auto const count = MUT_TRY(stream->read_some(buffer, Deadline::never()));
      if (count == 0) return {};
      got.insert(got.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
    }
  });
  scope.spawn("writer", [&]() -> Result<void> {
    auto const stream =
        MUT_TRY(from.world().network().connect({to.address(), 80}, {}, Deadline::never()));
    Bytes const bytes = pattern(size);
    for (std::size_t at = 0; at < size; at += piece) {
      MUT_TRY(stream->write_all(ByteView{bytes}.subspan(at, std::min(piece, size - at)),
                                Deadline::never()));
    }
    stream->finish_writing();
    return {};
  });
  auto const joined = scope.join();
  EXPECT_TRUE(joined) << (joined ? "" : joined.error().what);
  return got;
}

TEST(Faults, of_streams_change_their_grain_and_never_their_bytes) {
  for (auto const seed : seeds(10)) {
    SCOPED_TRACE(replay_hint(seed));
    Simulation simulation{
        {.seed = seed,
         .faults = {.forced = {"sim.stream.short_read", "sim.stream.split_write",
                               "sim.stream.late_wakeup", "sim.network.slow_accept"}}}};
    simulation.run([&](Simulation& network) {
      EXPECT_EQ(echo(network, 1'000'000, 3000), pattern(1'000'000));
    });
    EXPECT_GT(count_of(simulation, "sim.stream.short_read").fired, 0u);
    EXPECT_GT(count_of(simulation, "sim.stream.split_write").fired, 0u);
    EXPECT_GT(count_of(simulation, "sim.stream.late_wakeup").fired, 0u);
  }
}

TEST(Faults, of_the_network_fail_calls_now_and_then) {
  Simulation simulation{
      {.seed = 1,
       .faults = {.forced = {"sim.network.connect_fails", "sim.network.resolve_fails"}}}};
  simulation.run([&](Simulation& network) {
    auto& a = network.add_host("a");
    auto& b = network.add_host("b");
    auto const listener = b.world().network().listen({world::IpAddress::any(), 80});
    ASSERT_TRUE(listener);
    int unresolved = 0;
    int unconnected = 0;
    for (int i = 0; i < 200; ++i) {
      unresolved += a.world().network().resolve("b", Deadline::never()) ? 0 : 1;
      unconnected += a.world().network().connect({b.address(), 80}, {}, Deadline::never()) ? 0 : 1;
    }
    EXPECT_TRUE(unresolved > 20 && unresolved < 100) << unresolved;
    EXPECT_TRUE(unconnected > 0 && unconnected < 40) << unconnected;
  });
}

TEST(Faults, of_entropy_give_the_edges_of_small_draws) {
  Simulation simulation{{.seed = 1, .faults = {.forced = {"sim.entropy.edge"}}}};
  simulation.run([&](Simulation& network) {
    auto& entropy = network.add_host("a").world().entropy();
    bool low = false;
    bool high = false;
    std::set<Bytes> keys;
    for (int i = 0; i < 10'000; ++i) {
      auto const drawn = entropy.next();
      low = low || drawn == 0;
      high = high || drawn == ~std::uint64_t{0};
      EXPECT_LT(entropy.below(10), 10u);
      Bytes key(20);
      entropy.fill(key);
      EXPECT_TRUE(keys.insert(key).second) << "names and keys stay unique";
    }
    EXPECT_TRUE(low && high);
  });
}

TEST(Faults, stop_with_the_safety_phase) {
  Simulation simulation{{.seed = 1, .faults = {.share = 1}}};
  simulation.run([&](Simulation& network) {
    auto& world = network.add_host("a").world();
    EXPECT_TRUE(world.maybe("a", 1));
    EXPECT_FALSE(network.faults_stopped());
    network.stop_faults();
    EXPECT_TRUE(network.faults_stopped());
    EXPECT_FALSE(world.maybe("a", 1));
    EXPECT_FALSE(world.maybe("first asked for now", 1));
  });
}

}  // namespace
}  // namespace mutirao::sim
