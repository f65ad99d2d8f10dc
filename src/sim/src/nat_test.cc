// What hosts behind routers see of each other, through the World as a program does.
#include "mutirao/sim/nat.h"

#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

#include "conformance.h"
#include "nat_probe.h"

namespace mutirao::sim {
namespace {

using enum Dependence;
using probe::NatVerdict;

Link const kNoDelay{.latency = 50us, .jitter = 0us};

/// A server with two addresses on the Internet, for programs behind NATs to ask.
class Lab {
 public:
  explicit Lab(Simulation& simulation)
      : simulation_{simulation},
        host_{simulation.add_host("server",
                                  {.addresses = {*world::IpAddress::parse("203.0.113.10"),
                                                 *world::IpAddress::parse("203.0.113.11")}})} {
    server_ = must(probe::Server::start(host_.world(), first(), second(), scope_));
  }
  ~Lab() { scope_.request_stop(); }

  static world::IpAddress first() { return *world::IpAddress::parse("203.0.113.10"); }
  static world::IpAddress second() { return *world::IpAddress::parse("203.0.113.11"); }

  Host& host_behind(std::string const& name, RouterOptions options) {
    return simulation_.add_host(
        name, {.behind = &simulation_.add_router(name + "'s router", std::move(options))});
  }
  NatVerdict verdict(Host& host) { return must(probe::classify(host.world(), first(), second())); }
  probe::Server& server() { return *server_; }
  Host& host() { return host_; }

  /// How long both took to reach each other; nothing when either didn't.
  std::optional<Duration> punch(Host& a, Host& b, bool b_first = false) {
    std::optional<Duration> from_a, from_b;
    threads::scope both;
    both.spawn("a", [&] { from_a = must(probe::punch(a.world(), first(), !b_first, "lab")); });
    both.spawn("b", [&] { from_b = must(probe::punch(b.world(), first(), b_first, "lab")); });
    must(both.join());
    if (!from_a || !from_b) return std::nullopt;
    return std::max(*from_a, *from_b);
  }

 private:
  Simulation& simulation_;
  Host& host_;
  std::unique_ptr<probe::Server> server_;
  threads::scope scope_;
};

/// Runs `body` in a network with that link; an exception of must() is a failure of the test.
void in_lab(std::uint64_t seed, Link link, std::function<void(Simulation&, Lab&)> const& body) {
  Simulation simulation{{.seed = seed, .network = {.link = link}}};
  simulation.run([&](Simulation& inside) {
    try {
      Lab lab{inside};
      body(inside, lab);
    } catch (std::exception const& error) {
      ADD_FAILURE() << error.what() << ", " << replay_hint(seed);
    }
  });
}

void in_lab(std::function<void(Simulation&, Lab&)> const& body) {
  in_lab(1, {.latency = 20ms, .jitter = 2ms}, body);
}

// ---- each kind as a classifier sees it
// -----------------------------------------------------------

TEST(Nat, every_mapping_and_filtering_is_seen_as_what_it_is) {
  constexpr std::array kAll{endpoint_independent, address_dependent, address_and_port_dependent};
  for (auto const seed : seeds(3)) {
    in_lab(seed, {.latency = 20ms, .jitter = 5ms}, [&](Simulation&, Lab& lab) {
      for (auto const mapping : kAll) {
        for (auto const filtering : kAll) {
          auto const name =
              fmt::format("{}/{}", probe::name_of(mapping), probe::name_of(filtering));
          auto& host = lab.host_behind(
              name, {.nat = NatOptions{.mapping = mapping, .filtering = filtering}});
          EXPECT_EQ(to_string(lab.verdict(host)),
                    to_string(NatVerdict{true, mapping, filtering, true}))
              << replay_hint(seed);
        }
      }
    });
  }
}

TEST(Nat, kinds_by_name_are_seen_as_the_laboratory_saw_them) {
  in_lab([](Simulation&, Lab& lab) {
    struct Kind {
      char const* name;
      NatOptions options;
      NatVerdict seen;
    };
    for (auto const& kind :
         {Kind{"full cone",
               NatOptions::full_cone(),
               {true, endpoint_independent, endpoint_independent, true}},
          Kind{"address-restricted",
               NatOptions::address_restricted(),
               {true, endpoint_independent, address_dependent, true}},
          Kind{"port-restricted",
               NatOptions::port_restricted(),
               {true, endpoint_independent, address_and_port_dependent, true}},
          Kind{"leaky",
               NatOptions::leaky_port_restricted(),
               {true, endpoint_independent, address_and_port_dependent, true}},
          Kind{"symmetric",
               NatOptions::symmetric(),
               {true, address_and_port_dependent, address_and_port_dependent, false}},
          Kind{"predictable",
               NatOptions::symmetric_predictable(),
               {true, address_and_port_dependent, address_and_port_dependent, false}}}) {
      auto& host = lab.host_behind(kind.name, {.nat = kind.options});
      EXPECT_EQ(to_string(lab.verdict(host)), to_string(kind.seen)) << kind.name;
    }
  });
}

TEST(Nat, without_one_a_host_is_seen_as_it_is) {
  in_lab([](Simulation& simulation, Lab& lab) {
    auto& open = simulation.add_host("open");
    EXPECT_EQ(to_string(lab.verdict(open)),
              to_string(NatVerdict{true, endpoint_independent, endpoint_independent, true}));
    auto& router = simulation.add_router("router", {.nat = std::nullopt});
    auto& routed = simulation.add_host(
        "routed", {.behind = &router, .addresses = {*world::IpAddress::parse("198.51.100.7")}});
    EXPECT_EQ(to_string(lab.verdict(routed)), to_string(lab.verdict(open)));
  });
}

TEST(Nat, firewall_on_a_public_address_lets_only_answers_in) {
  in_lab([](Simulation& simulation, Lab& lab) {
    auto& router =
        simulation.add_router("router", {.nat = std::nullopt, .firewall = Firewall::no_inbound()});
    auto const address = *world::IpAddress::parse("198.51.100.7");
    auto& host = simulation.add_host("host", {.behind = &router, .addresses = {address}});
    EXPECT_EQ(to_string(lab.verdict(host)),
              to_string(NatVerdict{true, endpoint_independent, address_and_port_dependent, true}));
    auto const listener = must(host.world().network().listen({address, 80}));
    auto& other = simulation.add_host("other");
    EXPECT_EQ(fault_of(other.world().network().connect({address, 80}, {}, threads::within(5s))),
              Fault::timed_out);
    auto const outside = must(other.world().network().listen({other.address(), 80}));
    EXPECT_TRUE(host.world().network().connect({other.address(), 80}, {}, threads::within(5s)));
    EXPECT_GT(router.denied(), 0u);
  });
}

TEST(Nat, blocked_udp_is_seen_as_such_while_tcp_passes) {
  in_lab([](Simulation&, Lab& lab) {
    auto& host = lab.host_behind("host", {.firewall = Firewall::no_udp()});
    EXPECT_EQ(to_string(lab.verdict(host)), "udp-blocked");
    auto const listener = must(lab.host().world().network().listen({Lab::first(), 5000}));
    EXPECT_TRUE(host.world().network().connect({Lab::first(), 5000}, {}, threads::within(5s)));
  });
}

TEST(Nat, web_only_firewall_lets_only_the_web_out) {
  in_lab([](Simulation&, Lab& lab) {
    auto wall = Firewall::web_only();
    auto& dropped = lab.host_behind("dropped", {.firewall = wall});
    wall.denial = Firewall::Denial::reject;
    auto& rejected = lab.host_behind("rejected", {.firewall = wall});
    auto& network = lab.host().world().network();
    auto const web = must(network.listen({Lab::first(), 443}));
    auto const other = must(network.listen({Lab::first(), 5000}));
    for (auto* const host : {&dropped, &rejected}) {
      EXPECT_EQ(to_string(lab.verdict(*host)), "udp-blocked");
      EXPECT_TRUE(host->world().network().connect({Lab::first(), 443}, {}, threads::within(5s)));
    }
    auto const connect = [](Host& host) {
      return host.world().network().connect({Lab::first(), 5000}, {}, threads::within(5s));
    };
    EXPECT_EQ(fault_of(connect(dropped)), Fault::timed_out);
    auto const start = threads::now();
    EXPECT_EQ(fault_of(connect(rejected)), Fault::refused);
    EXPECT_LT(threads::now() - start, 5ms) << "told by the router, which is near";
  });
}

TEST(Nat, double_one_is_as_strict_as_the_stricter_of_both) {
  auto const stricter = [](Dependence a, Dependence b) { return std::max(a, b); };
  in_lab([&](Simulation& simulation, Lab& lab) {
    int hosts = 0;
    std::array const kinds{NatOptions::full_cone(), NatOptions::address_restricted(),
                           NatOptions::port_restricted(), NatOptions::symmetric()};
    for (auto const& outer : kinds) {
      auto& carrier = simulation.add_router(
          "carrier", {.nat = outer, .inside = world::IpAddress::v4({100, 64, 0, 0})});
      for (auto const& inner : kinds) {
        auto const name = fmt::format("host {}", hosts++);
        auto& host = lab.host_behind(name, {.behind = &carrier, .nat = inner});
        auto const seen = lab.verdict(host);
        EXPECT_EQ(seen.mapping, stricter(inner.mapping, outer.mapping));
        EXPECT_EQ(seen.filtering, stricter(inner.filtering, outer.filtering));
      }
    }
  });
}

TEST(Nat, hosts_behind_equal_private_addresses_are_kept_apart) {
  in_lab([](Simulation& simulation, Lab& lab) {
    auto& a = lab.host_behind("a", {});
    auto& b = lab.host_behind("b", {});
    EXPECT_EQ(a.address(), b.address());
    auto& behind_a = simulation.add_router("inner", {});
    EXPECT_NE(behind_a.external_address(), a.address());
    EXPECT_TRUE(lab.verdict(a).udp_passes);
    EXPECT_TRUE(lab.verdict(b).udp_passes);
  });
}

// ---- what can be direct at all
// -------------------------------------------------------------------

struct Named {
  char const* name;
  NatOptions options;
};
std::array const kMatrixKinds{Named{"full", NatOptions::full_cone()},
                              Named{"addr-restr", NatOptions::address_restricted()},
                              Named{"port-restr", NatOptions::port_restricted()},
                              Named{"leaky", NatOptions::leaky_port_restricted()},
                              Named{"symmetric", NatOptions::symmetric()}};

/// As measured between NATs of the Linux kernel.
constexpr std::array<std::string_view, 5> kDirect{"yyyyy",   // full
                                                  "yyyyy",   // addr-restr
                                                  "yyyyn",   // port-restr
                                                  "yyynn",   // leaky
                                                  "yynnn"};  // symmetric

TEST(Nat, what_can_be_direct_is_what_the_laboratory_measured) {
  for (auto const seed : seeds(5)) {
    for (std::size_t row = 0; row < kMatrixKinds.size(); ++row) {
      for (std::size_t column = 0; column < kMatrixKinds.size(); ++column) {
        // No delay, and one side is told of the other first, so that its packet comes before the
        // other sends: behind a leaky NAT that must be the inner side.
        in_lab(seed, kNoDelay, [&](Simulation&, Lab& lab) {
          auto const behind = [&](std::size_t kind, char const* name) -> Host& {
            return lab.host_behind(
                name, {.nat = kMatrixKinds[kind].options, .lan = kNoDelay, .uplink = kNoDelay});
          };
          auto& a = behind(row, "a");
          auto& b = behind(column, "b");
          lab.server().set_head_start(10ms);
          EXPECT_EQ(lab.punch(a, b, kMatrixKinds[column].options.leaky).has_value(),
                    kDirect[row][column] == 'y')
              << kMatrixKinds[row].name << " and " << kMatrixKinds[column].name << ", "
              << replay_hint(seed);
        });
      }
    }
  }
}

TEST(Nat, leaky_one_loses_its_port_to_a_peer_that_is_first) {
  in_lab(1, kNoDelay, [](Simulation&, Lab& lab) {
    auto& leaky = lab.host_behind("leaky", {.nat = NatOptions::leaky_port_restricted()});
    auto& strict = lab.host_behind("strict", {.nat = NatOptions::port_restricted()});
    lab.server().set_head_start(10ms);
    EXPECT_FALSE(lab.punch(leaky, strict, true));
  });
}

TEST(Nat, leaky_ones_punch_when_both_send_before_either_is_heard) {
  for (auto const seed : seeds(10)) {
    in_lab(seed, {.latency = 20ms, .jitter = 2ms}, [&](Simulation&, Lab& lab) {
      auto& a = lab.host_behind("a", {.nat = NatOptions::leaky_port_restricted()});
      auto& b = lab.host_behind("b", {.nat = NatOptions::leaky_port_restricted()});
      EXPECT_TRUE(lab.punch(a, b)) << replay_hint(seed);
    });
  }
}

TEST(Nat, double_ones_punch_through_a_port_restricted_carrier) {
  for (auto const seed : seeds(5)) {
    in_lab(seed, {.latency = 20ms, .jitter = 2ms}, [&](Simulation& simulation, Lab& lab) {
      auto const behind_carrier = [&](NatOptions kind, std::string const& name) -> Host& {
        auto& carrier = simulation.add_router(
            name + "'s carrier", {.nat = kind, .inside = world::IpAddress::v4({100, 64, 0, 0})});
        return lab.host_behind(name, {.behind = &carrier});
      };
      auto& a = lab.host_behind("a", {});
      EXPECT_TRUE(lab.punch(a, behind_carrier(NatOptions::port_restricted(), "b")));
      auto& c = behind_carrier(NatOptions::symmetric(), "c");
      EXPECT_FALSE(lab.punch(a, c));
      auto& open = lab.host_behind("open", {.nat = NatOptions::full_cone()});
      EXPECT_TRUE(lab.punch(open, c));
    });
  }
}

// ---- ports, lifetimes, hairpins
// ------------------------------------------------------------------

/// The external endpoint of a new socket at that port.
world::Endpoint outside_of(Host& host, std::uint16_t port, world::IpAddress server = Lab::first()) {
  auto const socket = must(host.world().network().bind_datagram({world::IpAddress::any(), port}));
  auto const seen = probe::ask(*socket, {server, probe::Server::kFirstPort}, "same");
  if (!seen) throw std::runtime_error{"no answer"};
  return *seen;
}

TEST(Nat, port_taken_by_a_neighbour_is_replaced_by_another) {
  in_lab([](Simulation& simulation, Lab& lab) {
    auto& router = simulation.add_router("router");
    auto& a = simulation.add_host("a", {.behind = &router});
    auto& b = simulation.add_host("b", {.behind = &router});
    EXPECT_EQ(outside_of(a, 40000), (world::Endpoint{router.external_address(), 40000}));
    auto const other = outside_of(b, 40000);
    EXPECT_NE(other.port, 40000);
    EXPECT_EQ(outside_of(b, 40000, Lab::second()), other) << "still endpoint-independent";
    EXPECT_EQ(router.mappings(), 2u);

    auto& only = simulation.add_router(
        "only", {.nat = NatOptions{.port_assignment = PortAssignment::preserved_only}});
    auto& c = simulation.add_host("c", {.behind = &only});
    auto& d = simulation.add_host("d", {.behind = &only});
    EXPECT_EQ(outside_of(c, 40000).port, 40000);
    EXPECT_THROW(outside_of(d, 40000), std::runtime_error);
    EXPECT_EQ(outside_of(d, 40001).port, 40001);
    (void)lab;
  });
}

TEST(Nat, sequential_ports_can_be_guessed) {
  in_lab([](Simulation&, Lab& lab) {
    auto& host = lab.host_behind("host", {.nat = NatOptions::symmetric_predictable()});
    auto const first = outside_of(host, 40000).port;
    EXPECT_EQ(outside_of(host, 40000, Lab::second()).port, first + 1);
    EXPECT_EQ(outside_of(host, 40001).port, first + 2);
  });
}

TEST(Nat, parity_of_ports_is_kept_when_asked_for) {
  in_lab([](Simulation&, Lab& lab) {
    for (auto const how : {PortAssignment::random, PortAssignment::sequential}) {
      auto& host =
          lab.host_behind(how == PortAssignment::random ? "random" : "sequential",
                          {.nat = NatOptions{.port_assignment = how, .keeps_parity = true}});
      for (std::uint16_t port = 40000; port < 40010; ++port)
        EXPECT_EQ(outside_of(host, port).port % 2, port % 2);
    }
  });
}

TEST(Nat, ports_run_out_and_come_back_when_mappings_expire) {
  in_lab([](Simulation& simulation, Lab&) {
    auto& router = simulation.add_router(
        "router",
        {.nat = NatOptions{.port_first = 50000, .port_last = 50003, .udp_lifetime = 60s}});
    auto& host = simulation.add_host("host", {.behind = &router});
    std::set<std::uint16_t> given;
    for (std::uint16_t port = 40000; port < 40004; ++port)
      given.insert(outside_of(host, port).port);
    EXPECT_EQ(given, (std::set<std::uint16_t>{50000, 50001, 50002, 50003}));
    EXPECT_THROW(outside_of(host, 40004), std::runtime_error);
    must(threads::sleep_for(61s));
    EXPECT_EQ(router.mappings(), 0u);
    EXPECT_NO_THROW(outside_of(host, 40004));
  });
}

TEST(Nat, limit_of_ports_for_each_host_leaves_the_neighbours_theirs) {
  in_lab([](Simulation& simulation, Lab&) {
    auto& router = simulation.add_router("router", {.nat = NatOptions{.ports_per_host_max = 3}});
    auto& greedy = simulation.add_host("greedy", {.behind = &router});
    auto& modest = simulation.add_host("modest", {.behind = &router});
    for (std::uint16_t port = 40000; port < 40003; ++port) (void)outside_of(greedy, port);
    EXPECT_THROW(outside_of(greedy, 40003), std::runtime_error);
    EXPECT_NO_THROW(outside_of(modest, 40003));
  });
}

TEST(Nat, paired_pool_keeps_a_host_at_one_address_and_arbitrary_does_not) {
  std::vector<world::IpAddress> pool;
  for (std::uint8_t i = 1; i <= 8; ++i) pool.push_back(world::IpAddress::v4({198, 51, 100, i}));
  auto const used = [&](Pooling pooling) {
    std::set<world::IpAddress> seen;
    in_lab([&](Simulation& simulation, Lab&) {
      auto& router = simulation.add_router(
          "router", {.nat = NatOptions{.pooling = pooling}, .external_addresses = pool});
      auto& host = simulation.add_host("host", {.behind = &router});
      for (std::uint16_t port = 40000; port < 40020; ++port)
        seen.insert(outside_of(host, port).address);
    });
    return seen.size();
  };
  EXPECT_EQ(used(Pooling::paired), 1u);
  EXPECT_GT(used(Pooling::arbitrary), 3u);
}

TEST(Nat, idle_mapping_lives_two_seconds_and_is_dead_after_six_of_a_life_of_four) {
  in_lab([](Simulation&, Lab& lab) {
    auto& host = lab.host_behind("host", {.nat = NatOptions{.udp_lifetime = 4s}});
    auto& server = lab.host().world();
    auto const inner = must(host.world().network().bind_datagram({world::IpAddress::any(), 40000}));
    auto const outer = must(server.network().bind_datagram({Lab::first(), 9000}));
    auto const heard_after = [&](Duration idle) {
      must(inner->send_to(base::view_of("hello"), outer->local(), threads::within(1s)));
      auto const from = must(probe::hear(*outer, threads::within(1s))).from;
      must(threads::sleep_for(idle));
      must(outer->send_to(base::view_of("back"), from, threads::within(1s)));
      return probe::hear(*inner, threads::within(1s)).has_value();
    };
    EXPECT_TRUE(heard_after(2s));
    EXPECT_FALSE(heard_after(6s));
    EXPECT_TRUE(heard_after(2s)) << "made again by what goes out";
  });
}

TEST(Nat, inbound_datagrams_keep_a_mapping_alive_only_where_they_refresh) {
  for (bool const refreshes : {true, false}) {
    in_lab([&](Simulation&, Lab& lab) {
      auto& host = lab.host_behind(
          "host", {.nat = NatOptions{.udp_lifetime = 4s, .inbound_refreshes = refreshes}});
      auto const inner = must(host.world().network().bind_datagram({world::IpAddress::any(), 0}));
      auto const outer = must(lab.host().world().network().bind_datagram({Lab::first(), 9000}));
      must(inner->send_to(base::view_of("hello"), outer->local(), threads::within(1s)));
      auto const from = must(probe::hear(*outer, threads::within(1s))).from;
      int heard = 0;
      for (int i = 0; i < 10; ++i) {
        must(threads::sleep_for(2s));
        must(outer->send_to(base::view_of("tick"), from, threads::within(1s)));
        heard += probe::hear(*inner, threads::within(500ms)).has_value();
      }
      EXPECT_EQ(heard, refreshes ? 10 : 1);
    });
  }
}

TEST(Nat, reboot_in_mid_session_silences_the_peer_until_the_inside_speaks) {
  in_lab([](Simulation& simulation, Lab& lab) {
    auto& router = simulation.add_router("router", {.nat = NatOptions::symmetric()});
    auto& host = simulation.add_host("host", {.behind = &router});
    auto const inner = must(host.world().network().bind_datagram({world::IpAddress::any(), 0}));
    auto const outer = must(lab.host().world().network().bind_datagram({Lab::first(), 9000}));
    auto const say_hello = [&] {
      must(inner->send_to(base::view_of("hello"), outer->local(), threads::within(1s)));
      return must(probe::hear(*outer, threads::within(1s))).from;
    };
    auto const answered = [&](world::Endpoint to) {
      must(outer->send_to(base::view_of("back"), to, threads::within(1s)));
      return probe::hear(*inner, threads::within(1s)).has_value();
    };
    auto const before = say_hello();
    EXPECT_TRUE(answered(before));
    router.reboot();
    EXPECT_FALSE(answered(before));
    auto const after = say_hello();
    EXPECT_NE(after, before) << "a random port again";
    EXPECT_TRUE(answered(after));
  });
}

TEST(Nat, hairpins_only_where_it_does) {
  in_lab([](Simulation& simulation, Lab& lab) {
    auto& plain = lab.host_behind("plain", {.nat = NatOptions::full_cone()});
    EXPECT_FALSE(must(probe::hairpins(plain.world(), Lab::first())));
    auto kind = NatOptions::port_restricted();
    kind.hairpins = true;
    auto& router = simulation.add_router("router", {.nat = kind});
    auto& a = simulation.add_host("a", {.behind = &router});
    auto& b = simulation.add_host("b", {.behind = &router});
    EXPECT_TRUE(must(probe::hairpins(a.world(), Lab::first())));
    EXPECT_TRUE(lab.punch(a, b)) << "two neighbours by their external endpoints";
  });
}

TEST(Nat, neighbours_behind_one_carrier_reach_each_other_only_by_its_hairpin) {
  for (bool const hairpins : {true, false}) {
    in_lab([&](Simulation& simulation, Lab& lab) {
      auto& carrier =
          simulation.add_router("carrier", {.nat = NatOptions{.hairpins = hairpins},
                                            .inside = world::IpAddress::v4({100, 64, 0, 0})});
      auto& a = lab.host_behind("a", {.behind = &carrier});
      auto& b = lab.host_behind("b", {.behind = &carrier});
      EXPECT_EQ(lab.punch(a, b).has_value(), hairpins);
    });
  }
}

TEST(Nat, uplink_delays_and_loses_what_passes_and_not_what_stays_inside) {
  in_lab([](Simulation& simulation, Lab& lab) {
    auto& router = simulation.add_router(
        "router", {.lan = kNoDelay, .uplink = {.latency = 100ms, .jitter = 0ms, .loss = 0.3}});
    auto& host = simulation.add_host("host", {.behind = &router});
    auto& neighbour = simulation.add_host("neighbour", {.behind = &router});
    auto const out = must(host.world().network().bind_datagram({world::IpAddress::any(), 1000}));
    auto const server = must(lab.host().world().network().bind_datagram({Lab::first(), 9000}));
    auto const near =
        must(neighbour.world().network().bind_datagram({world::IpAddress::any(), 9000}));
    int heard_outside = 0, heard_inside = 0;
    for (int i = 0; i < 500; ++i) {
      auto const start = threads::now();
      must(out->send_to(base::view_of("x"), server->local(), threads::within(1s)));
      must(out->send_to(base::view_of("x"), {neighbour.address(), 9000}, threads::within(1s)));
      heard_inside += probe::hear(*near, threads::within(1ms)).has_value();
      if (!probe::hear(*server, threads::within(1s))) continue;
      ++heard_outside;
      EXPECT_GE(threads::now() - start, 120ms);
    }
    EXPECT_EQ(heard_inside, 500);
    EXPECT_NEAR(heard_outside, 350, 40);
  });
}

TEST(Nat, equal_seeds_give_equal_runs_behind_routers) {
  auto const run = [](std::uint64_t seed) {
    Simulation simulation{
        {.seed = seed,
         .network = {.link = {.loss = 0.05, .duplication = 0.05, .reordering = 0.1}}}};
    simulation.run([&](Simulation& inside) {
      Lab lab{inside};
      auto& a = lab.host_behind("a", {.nat = NatOptions::symmetric()});
      auto& b = lab.host_behind("b", {.nat = NatOptions::address_restricted()});
      (void)lab.verdict(a);
      (void)lab.punch(a, b);
    });
    return std::pair{simulation.trace_hash(), simulation.trace_events()};
  };
  std::set<std::uint64_t> hashes;
  for (auto const seed : seeds(10)) {
    auto const first = run(seed);
    EXPECT_EQ(first, run(seed)) << replay_hint(seed);
    hashes.insert(first.first);
  }
  EXPECT_GT(hashes.size(), seeds(10).size() / 2);
}

}  // namespace
}  // namespace mutirao::sim
