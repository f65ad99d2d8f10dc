// Streams through NATs and firewalls (RFC 5382).
#include <optional>

#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

/// A server on the Internet, and a host behind a router.
struct Home {
  explicit Home(Simulation& simulation, RouterOptions options = {})
      : server{simulation.add_host("server")},
        router{simulation.add_router("router", std::move(options))},
        host{simulation.add_host("host", {.behind = &router})},
        listener{must(server.world().network().listen({world::IpAddress::any(), 80}))} {}

  StreamPair connect() {
    auto client = must(host.world().network().connect({server.address(), 80}, {}, within(10s)));
    return {std::move(client), must(listener->accept(within(10s)))};
  }
  static Deadline within(Duration time) { return threads::within(time); }

  Host& server;
  Router& router;
  Host& host;
  std::unique_ptr<world::Listener> listener;
};

void simulate_nat(std::function<void(Simulation&)> const& body, std::uint64_t seed = 1) {
  Simulation simulation{{.seed = seed}};
  simulation.run([&](Simulation& inside) {
    try {
      body(inside);
    } catch (std::exception const& error) {
      ADD_FAILURE() << error.what() << ", " << replay_hint(seed);
    }
  });
}

bool carries(world::Stream& from, world::Stream& to) {
  Bytes text(4);
  if (!from.write_all("text", threads::within(10s))) return false;
  return to.read_exactly(text, threads::within(10s)).has_value();
}

TEST(TcpNat, stream_goes_out_and_each_end_sees_its_side_of_the_translation) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation};
    auto const pair = home.connect();
    EXPECT_EQ(pair.client->local().address, home.host.address());
    EXPECT_EQ(pair.client->remote(), (world::Endpoint{home.server.address(), 80}));
    EXPECT_EQ(pair.server->local(), pair.client->remote());
    EXPECT_EQ(pair.server->remote(),
              (world::Endpoint{home.router.external_address(), pair.client->local().port}));
    auto const sent = pattern(1_MiB);
    Bytes received(sent.size());
    threads::scope scope;
    scope.spawn("writer", [&] { return pair.server->write_all(sent, Deadline::never()); });
    must(pair.client->read_exactly(received, Deadline::never()));
    EXPECT_EQ(received, sent);
    EXPECT_TRUE(carries(*pair.client, *pair.server));
  });
}

TEST(TcpNat, routers_uplink_is_shared_by_all_behind_it) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation, {.uplink = {.latency = 1ms, .bandwidth_bytes_per_s = 1'000'000}}};
    auto& neighbour = simulation.add_host("neighbour", {.behind = &home.router});
    auto const bytes = pattern(1'000'000);
    auto const start = threads::now();
    threads::scope scope;
    for (auto* const host : {&home.host, &neighbour}) {
      scope.spawn("download", [&, host]() -> Result<void> {
        auto const stream = MUT_TRY(
            host->world().network().connect({home.server.address(), 80}, {}, Deadline::never()));
        Bytes all(bytes.size());
        return stream->read_exactly(all, Deadline::never());
      });
      scope.spawn("upload", [&]() -> Result<void> {
        auto const stream = MUT_TRY(home.listener->accept(Deadline::never()));
        MUT_TRY(stream->write_all(bytes, Deadline::never()));
        Bytes end(1);
        (void)stream->read_some(end, Deadline::never());
        return {};
      });
    }
    must(scope.join());
    auto const took = threads::now() - start;
    EXPECT_GT(took, 1900ms);
    EXPECT_LT(took, 2300ms);
  });
}

TEST(TcpNat, nobody_connects_in_unless_refusal_is_told) {
  simulate_nat([](Simulation& simulation) {
    Home drops{simulation};
    auto const listener = must(drops.host.world().network().listen({drops.host.address(), 80}));
    auto const connect = [&](Router& router) {
      return drops.server.world().network().connect({router.external_address(), 80}, {},
                                                    threads::within(5s));
    };
    EXPECT_EQ(fault_of(connect(drops.router)), Fault::timed_out);
    auto& rejects =
        simulation.add_router("rejects", {.firewall = {.denial = Firewall::Denial::reject}});
    auto const start = threads::now();
    EXPECT_EQ(fault_of(connect(rejects)), Fault::refused);
    EXPECT_LT(threads::now() - start, 100ms);
  });
}

TEST(TcpNat, full_cone_lets_others_connect_to_a_mapping_that_a_connection_made) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation, {.nat = NatOptions::full_cone()}};
    auto const out = must(home.host.world().network().connect(
        {home.server.address(), 80}, {.from_port = 4000}, threads::within(5s)));
    auto const seen = must(home.listener->accept(threads::within(5s)))->remote();
    auto& other = simulation.add_host("other");
    EXPECT_EQ(fault_of(other.world().network().connect(seen, {}, threads::within(5s))),
              Fault::refused)
        << "it comes through, and nothing listens";
  });
}

TEST(TcpNat, two_behind_port_restricted_ones_connect_by_simultaneous_open) {
  for (auto const seed : seeds(10)) {
    simulate_nat(
        [&](Simulation& simulation) {
          Home a{simulation};
          auto& router = simulation.add_router("other router");
          auto& b = simulation.add_host("b", {.behind = &router});
          auto const from_a = world::Endpoint{a.router.external_address(), 5000};
          auto const from_b = world::Endpoint{router.external_address(), 6000};
          std::unique_ptr<world::Stream> at_a, at_b;
          threads::scope both;
          both.spawn("a", [&] {
            at_a = must(a.host.world().network().connect(from_b, {.from_port = 5000},
                                                         threads::within(10s)));
          });
          both.spawn("b", [&] {
            must(threads::sleep_for(Duration{simulation.entropy().below(100'000'000)}));
            at_b = must(
                b.world().network().connect(from_a, {.from_port = 6000}, threads::within(10s)));
          });
          must(both.join());
          EXPECT_EQ(at_a->local(), (world::Endpoint{a.host.address(), 5000}));
          EXPECT_EQ(at_b->local(), (world::Endpoint{b.address(), 6000}));
          EXPECT_EQ(at_a->remote(), from_b);
          EXPECT_EQ(at_b->remote(), from_a);
          EXPECT_TRUE(carries(*at_a, *at_b)) << replay_hint(seed);
          EXPECT_TRUE(carries(*at_b, *at_a)) << replay_hint(seed);
          at_a->close();
          std::array<std::uint8_t, 1> end;
          EXPECT_EQ(must(at_b->read_some(end, threads::within(10s))), 0u);
        },
        seed);
  }
}

TEST(TcpNat, symmetric_ones_cannot_open_simultaneously) {
  simulate_nat([](Simulation& simulation) {
    Home a{simulation, {.nat = NatOptions::symmetric()}};
    auto& router = simulation.add_router("other router", {.nat = NatOptions::symmetric()});
    auto& b = simulation.add_host("b", {.behind = &router});
    std::optional<Fault> at_a, at_b;
    threads::scope both;
    auto const try_to = [](Host& host, Router& peer, std::uint16_t from, std::uint16_t to) {
      return fault_of(host.world().network().connect({peer.external_address(), to},
                                                     {.from_port = from}, threads::within(10s)));
    };
    both.spawn("a", [&] { at_a = try_to(a.host, router, 5000, 6000); });
    both.spawn("b", [&] { at_b = try_to(b, a.router, 6000, 5000); });
    must(both.join());
    EXPECT_EQ(at_a, Fault::timed_out);
    EXPECT_EQ(at_b, Fault::timed_out);
  });
}

TEST(TcpNat, firewall_that_resets_unasked_connections_spoils_a_simultaneous_open) {
  simulate_nat([](Simulation& simulation) {
    Home a{simulation};
    auto& router =
        simulation.add_router("resets", {.firewall = {.denial = Firewall::Denial::reject}});
    auto& b = simulation.add_host("b", {.behind = &router});
    (void)b;
    EXPECT_EQ(fault_of(a.host.world().network().connect({router.external_address(), 6000},
                                                        {.from_port = 5000}, threads::within(5s))),
              Fault::refused)
        << "a's was first";
  });
}

TEST(TcpNat, rebooted_one_that_drops_leaves_both_ends_half_open_until_they_time_out) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation};
    auto const pair = home.connect();
    EXPECT_TRUE(carries(*pair.server, *pair.client));
    home.router.reboot();
    std::array<std::uint8_t, 1> byte;
    EXPECT_EQ(fault_of(pair.client->read_some(byte, threads::within(600s))), Fault::timed_out)
        << "who only reads never learns it";
    must(pair.client->write_all("still there?", Deadline::never()));
    auto const start = threads::now();
    EXPECT_EQ(fault_of(pair.client->read_some(byte, Deadline::never())), Fault::timed_out);
    EXPECT_GT(threads::now() - start, 120s) << "TCP_USER_TIMEOUT";
    must(pair.server->write_all("hello?", Deadline::never()));
    EXPECT_EQ(fault_of(pair.server->read_some(byte, Deadline::never())), Fault::timed_out);
  });
}

TEST(TcpNat, rebooted_one_that_rejects_resets_who_sends) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation, {.firewall = {.denial = Firewall::Denial::reject}}};
    auto const pair = home.connect();
    home.router.reboot();
    must(pair.client->write_all("still there?", Deadline::never()));
    std::array<std::uint8_t, 1> byte;
    auto const start = threads::now();
    EXPECT_EQ(fault_of(pair.client->read_some(byte, Deadline::never())), Fault::closed);
    EXPECT_LT(threads::now() - start, 1s);
  });
}

TEST(TcpNat, idle_stream_is_forgotten_after_its_lifetime_and_kept_by_traffic) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation, {.nat = NatOptions{.tcp_lifetime = 10min}}};
    auto const pair = home.connect();
    for (int i = 0; i < 5; ++i) {
      must(threads::sleep_for(9min));
      EXPECT_TRUE(carries(*pair.server, *pair.client)) << "from outside too";
    }
    must(threads::sleep_for(11min));
    EXPECT_FALSE(carries(*pair.server, *pair.client));
    EXPECT_EQ(home.router.mappings(), 0u);
  });
}

TEST(TcpNat, mapping_of_a_closed_stream_ends_after_the_transitory_lifetime) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation};
    auto pair = home.connect();
    EXPECT_TRUE(carries(*pair.client, *pair.server));
    EXPECT_EQ(home.router.mappings(), 1u);
    pair = {};
    must(threads::sleep_for(5min));
    EXPECT_EQ(home.router.mappings(), 0u) << "RFC 5382 REQ-5";
  });
}

TEST(TcpNat, double_one_carries_streams_both_ways) {
  simulate_nat([](Simulation& simulation) {
    auto& carrier = simulation.add_router(
        "carrier",
        {.nat = NatOptions::symmetric(), .inside = world::IpAddress::v4({100, 64, 0, 0})});
    Home home{simulation, {.behind = &carrier}};
    auto const pair = home.connect();
    EXPECT_EQ(pair.server->remote().address, carrier.external_address());
    EXPECT_TRUE(carries(*pair.client, *pair.server));
    EXPECT_TRUE(carries(*pair.server, *pair.client));
    carrier.reboot();
    EXPECT_FALSE(carries(*pair.server, *pair.client));
  });
}

TEST(TcpNat, pulled_uplink_stalls_streams_and_plugged_again_they_go_on) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation};
    auto& neighbour = simulation.add_host("neighbour", {.behind = &home.router});
    auto const pair = home.connect();
    home.router.set_connected(false);
    must(pair.client->write_all("text", Deadline::never()));
    Bytes text(4);
    EXPECT_EQ(fault_of(pair.server->read_exactly(text, threads::within(10s))), Fault::timed_out);
    auto const inside = must(neighbour.world().network().listen({neighbour.address(), 80}));
    EXPECT_TRUE(
        home.host.world().network().connect({neighbour.address(), 80}, {}, threads::within(1s)))
        << "inside all goes on";
    home.router.set_connected(true);
    must(pair.server->read_exactly(text, threads::within(30s)));
  });
}

TEST(TcpNat, new_external_address_ends_old_streams_and_serves_new_ones) {
  simulate_nat([](Simulation& simulation) {
    Home home{simulation};
    auto const pair = home.connect();
    auto const fresh = *world::IpAddress::parse("198.51.100.77");
    home.router.set_external_addresses({fresh});
    EXPECT_FALSE(carries(*pair.server, *pair.client));
    EXPECT_EQ(home.connect().server->remote().address, fresh);
  });
}

TEST(TcpNat, equal_seeds_give_equal_runs_of_streams_behind_routers) {
  auto const run = [](std::uint64_t seed) {
    Simulation simulation{{.seed = seed, .network = {.link = {.loss = 0.05}}}};
    simulation.run([&](Simulation& inside) {
      Home home{inside, {.nat = NatOptions::symmetric()}};
      for (int i = 0; i < 10; ++i) {
        auto const pair = home.connect();
        EXPECT_TRUE(carries(*pair.client, *pair.server));
      }
    });
    return std::pair{simulation.trace_hash(), simulation.trace_events()};
  };
  for (auto const seed : seeds(5)) EXPECT_EQ(run(seed), run(seed)) << replay_hint(seed);
}

}  // namespace
}  // namespace mutirao::sim
