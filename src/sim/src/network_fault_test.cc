// What goes wrong on a network without routers, by request.
#include <map>

#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

#include "conformance.h"
#include "nat_probe.h"

namespace mutirao::sim {
namespace {

Link const kSteady{.latency = 20ms, .jitter = 0ms};

/// Two hosts with a socket each.
struct Two {
  explicit Two(Simulation& simulation, HostOptions b_options = {})
      : a{simulation.add_host("a")},
        b{simulation.add_host("b", std::move(b_options))},
        from{must(a.world().network().bind_datagram({world::IpAddress::any(), 1000}))},
        to{must(b.world().network().bind_datagram({world::IpAddress::any(), 2000}))} {}

  StreamPair connect() {
    Arena arena{a.world(), b.world(), b.address(), "/"};
    return connect_pair(arena);
  }
  void send(std::string_view text) {
    must(from->send_to(base::view_of(text), {b.address(), 2000}, Deadline::never()));
  }
  bool passes_back() {
    must(to->send_to(base::view_of("back"), {a.address(), 1000}, Deadline::never()));
    return probe::hear(*from, threads::within(1s)).has_value();
  }
  bool passes() {
    send("there");
    return probe::hear(*to, threads::within(1s)).has_value();
  }

  Host& a;
  Host& b;
  std::unique_ptr<world::DatagramSocket> from, to;
};

void with_faults(Link link, std::function<void(Simulation&)> const& body) {
  Simulation simulation{{.seed = 7, .network = {.link = link}}};
  simulation.run([&](Simulation& inside) {
    try {
      body(inside);
    } catch (std::exception const& error) {
      ADD_FAILURE() << error.what();
    }
  });
}

TEST(NetworkFault, datagrams_are_reordered_without_jitter_when_asked_for) {
  auto link = kSteady;
  link.reordering = 0.1;
  with_faults(link, [](Simulation& simulation) {
    Two two{simulation};
    int overtaken = 0;
    threads::scope scope;
    scope.spawn("sender", [&]() -> Result<void> {
      for (int i = 0; i < 1000; ++i) {
        two.send(std::to_string(i));
        MUT_TRY(threads::sleep_for(5ms));
      }
      return {};
    });
    int count = 0;
    for (int last = -1; auto const heard = probe::hear(*two.to, threads::within(1s)); ++count) {
      auto const number = std::stoi(heard->text);
      overtaken += number < last;
      last = std::max(last, number);
    }
    EXPECT_EQ(count, 1000);
    EXPECT_GT(overtaken, 50);
    EXPECT_LT(overtaken, 120);
  });
}

TEST(NetworkFault, long_datagrams_vanish_in_a_black_hole_and_streams_do_not) {
  auto link = kSteady;
  link.datagram_bytes_max = 1200;
  with_faults(link, [](Simulation& simulation) {
    Two two{simulation};
    two.send(std::string(1201, 'x'));
    EXPECT_FALSE(probe::hear(*two.to, threads::within(1s)));
    two.send(std::string(1200, 'x'));
    EXPECT_TRUE(probe::hear(*two.to, threads::within(1s)));
    auto const pair = two.connect();
    must(pair.client->write_all(std::string(10'000, 'x'), Deadline::never()));
    Bytes all(10'000);
    must(pair.server->read_exactly(all, threads::within(1s)));
  });
}

TEST(NetworkFault, partition_between_sets_cuts_across_and_not_within) {
  with_faults(kSteady, [](Simulation& simulation) {
    std::vector<Host*> hosts;
    for (int i = 0; i < 6; ++i) hosts.push_back(&simulation.add_host("host" + std::to_string(i)));
    auto const reaches = [&](std::size_t from, std::size_t to) {
      auto const listener = must(hosts[to]->world().network().listen({hosts[to]->address(), 80}));
      return hosts[from]
          ->world()
          .network()
          .connect({hosts[to]->address(), 80}, {}, threads::within(2s))
          .has_value();
    };
    auto const odd =
        simulation.partition({hosts[0], hosts[2], hosts[4]}, {hosts[1], hosts[3], hosts[5]});
    auto const low = simulation.partition({hosts[0]}, {hosts[4]});
    EXPECT_FALSE(reaches(0, 1));
    EXPECT_FALSE(reaches(3, 4));
    EXPECT_TRUE(reaches(0, 2));
    EXPECT_TRUE(reaches(5, 1));
    EXPECT_FALSE(reaches(0, 4));
    simulation.heal(odd);
    EXPECT_TRUE(reaches(0, 1));
    EXPECT_FALSE(reaches(4, 0));
    simulation.heal(low);
    EXPECT_TRUE(reaches(4, 0));
  });
}

TEST(NetworkFault, one_way_partition_lets_the_other_direction_pass) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto const cut = simulation.partition({&two.a}, {&two.b}, Direction::one_way);
    EXPECT_FALSE(two.passes());
    EXPECT_TRUE(two.passes_back());
    simulation.heal(cut);
    EXPECT_TRUE(two.passes());
  });
}

TEST(NetworkFault, sender_whose_acknowledgements_are_cut_stalls_then_goes_on_when_healed) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto const pair = two.connect();
    auto const cut = simulation.partition({&two.b}, {&two.a}, Direction::one_way);
    auto const bytes = pattern(4_MiB);
    Bytes received(bytes.size());
    threads::scope scope;
    std::size_t arrived = 0;
    scope.spawn("writer", [&] { return pair.client->write_all(bytes, Deadline::never()); });
    scope.spawn("reader", [&]() -> Result<void> {
      while (arrived < received.size())
        arrived += MUT_TRY(
            pair.server->read_some(MutableBytes{received}.subspan(arrived), Deadline::never()));
      return {};
    });
    must(threads::sleep_for(30s));
    EXPECT_GT(arrived, 0u) << "data passes";
    EXPECT_LE(arrived, 512_KiB) << "and stops when the window is full";
    simulation.heal(cut);
    must(scope.join());
    EXPECT_EQ(received, bytes);
  });
}

TEST(NetworkFault, sender_that_never_hears_again_gives_up) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto const pair = two.connect();
    (void)simulation.partition({&two.b}, {&two.a}, Direction::one_way);
    must(pair.client->write_all("anyone?", Deadline::never()));
    std::array<std::uint8_t, 1> byte;
    EXPECT_EQ(fault_of(pair.client->read_some(byte, threads::within(600s))), Fault::timed_out);
    EXPECT_EQ(fault_of(pair.client->write_all("more", Deadline::never())), Fault::timed_out);
  });
}

TEST(NetworkFault, cable_pulled_for_a_while_comes_back_by_itself) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    simulation.isolate(two.b, 5s);
    EXPECT_FALSE(two.passes());
    must(threads::sleep_for(5s));
    EXPECT_TRUE(two.passes());
  });
}

TEST(NetworkFault, clogged_direction_holds_all_and_then_gives_it_at_once) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto const pair = two.connect();
    auto const start = threads::now();
    simulation.clog(two.a, two.b, 10s);
    for (int i = 0; i < 5; ++i) {
      two.send(std::to_string(i));
      must(pair.client->write_all("text", Deadline::never()));
      must(threads::sleep_for(1s));
    }
    EXPECT_TRUE(two.passes_back()) << "the other direction is free";
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(must(probe::hear(*two.to, Deadline::never())).text, std::to_string(i));
      EXPECT_NEAR((threads::now() - start) / 1ms, 10'000, 2);
    }
    Bytes all(20);
    must(pair.server->read_exactly(all, threads::within(1ms)));
  });
}

TEST(NetworkFault, end_of_all_faults_opens_what_was_clogged_and_plugs_routers) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto& router = simulation.add_router("router");
    auto& inside = simulation.add_host("inside", {.behind = &router});
    auto const partition = simulation.partition({&two.b}, {&two.a});
    router.set_connected(false);
    simulation.clog(two.a, two.b, 1h);
    two.send("held");
    must(threads::sleep_for(5s));
    simulation.stop_faults();
    EXPECT_EQ(must(probe::hear(*two.to, threads::within(2s))).text, "held");
    EXPECT_TRUE(two.passes());
    auto const listener = must(two.b.world().network().listen({two.b.address(), 80}));
    EXPECT_TRUE(inside.world().network().connect({two.b.address(), 80}, {}, threads::within(5s)));
    simulation.heal(partition);  // nothing, by now
  });
}

TEST(NetworkFault, bandwidth_may_change_while_a_transfer_runs) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto const pair = two.connect();
    two.a.set_bandwidth(1'000'000, 0);
    auto const bytes = pattern(4'000'000);
    auto const start = threads::now();
    threads::scope scope;
    scope.spawn("writer", [&] { return pair.client->write_all(bytes, Deadline::never()); });
    scope.spawn("fault", [&]() -> Result<void> {
      MUT_TRY(threads::sleep_for(2s));
      two.a.set_bandwidth(200'000, 0);
      return {};
    });
    Bytes received(bytes.size());
    must(pair.server->read_exactly(received, Deadline::never()));
    must(scope.join());
    EXPECT_NEAR((threads::now() - start) / 1ms, 12'000, 1000);
  });
}

TEST(NetworkFault, silent_host_neither_refuses_nor_resets) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation, {.answers_strangers = false}};
    EXPECT_EQ(
        fault_of(two.a.world().network().connect({two.b.address(), 81}, {}, threads::within(5s))),
        Fault::timed_out);
    auto const pair = two.connect();
    simulation.crash(two.b);
    two.b.restart();
    must(pair.client->write_all("do you know me?", Deadline::never()));
    std::array<std::uint8_t, 1> byte;
    EXPECT_EQ(fault_of(pair.client->read_some(byte, threads::within(100s))), Fault::timed_out);
  });
}

TEST(NetworkFault, moved_host_loses_its_streams_to_silence_and_keeps_sockets_on_any_address) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto const listener = must(two.a.world().network().listen({world::IpAddress::any(), 80}));
    auto const bound = must(two.a.world().network().bind_datagram({two.a.address(), 3000}));
    auto const pair = two.connect();
    auto const old = two.a.address();
    auto const fresh = *world::IpAddress::parse("10.200.0.1");
    simulation.move(two.a, nullptr, {fresh});
    EXPECT_EQ(two.a.address(), fresh);
    EXPECT_EQ(must(two.a.world().network().local_addresses()).back(), fresh);

    two.send("from elsewhere");
    EXPECT_EQ(must(probe::hear(*two.to, threads::within(1s))).from, (world::Endpoint{fresh, 1000}));
    EXPECT_EQ(fault_of(bound->send_to(base::view_of("x"), two.to->local(), Deadline::never())),
              Fault::invalid);
    auto const connect = [&](world::IpAddress to) {
      return two.b.world().network().connect({to, 80}, {}, threads::within(5s));
    };
    EXPECT_TRUE(connect(fresh));
    EXPECT_EQ(fault_of(connect(old)), Fault::timed_out);

    must(pair.client->write_all("text", Deadline::never()));
    must(pair.server->write_all("text", Deadline::never()));
    std::array<std::uint8_t, 1> byte;
    auto const start = threads::now();
    EXPECT_EQ(fault_of(pair.client->read_some(byte, Deadline::never())), Fault::timed_out);
    EXPECT_EQ(fault_of(pair.server->read_some(byte, Deadline::never())), Fault::timed_out);
    EXPECT_GE(threads::now() - start, 120s);
  });
}

TEST(NetworkFault, host_that_moves_behind_a_router_is_reached_no_more_but_reaches_out) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto& router = simulation.add_router("router");
    simulation.move(two.a, &router);
    EXPECT_TRUE(two.a.address().to_string().starts_with("192.168.1."));
    two.send("from behind");
    auto const from = must(probe::hear(*two.to, threads::within(1s))).from;
    EXPECT_EQ(from.address, router.external_address());
    must(two.to->send_to(base::view_of("answer"), from, Deadline::never()));
    EXPECT_TRUE(probe::hear(*two.from, threads::within(1s)));
    simulation.move(two.a, nullptr, {*world::IpAddress::parse("10.200.0.1")});
    EXPECT_TRUE(two.passes());
  });
}

TEST(NetworkFault, port_chosen_for_connecting_serves_several_peers_but_not_one_twice) {
  with_faults(kSteady, [](Simulation& simulation) {
    Two two{simulation};
    auto& network = two.a.world().network();
    auto const first = must(two.b.world().network().listen({two.b.address(), 80}));
    auto const second = must(two.b.world().network().listen({two.b.address(), 81}));
    auto const connect = [&](std::uint16_t port) {
      return network.connect({two.b.address(), port}, {.from_port = 4000}, threads::within(5s));
    };
    auto const one = must(connect(80));
    auto const other = must(connect(81));
    EXPECT_EQ(one->local().port, 4000);
    EXPECT_EQ(fault_of(connect(80)), Fault::refused);
    auto const listener = must(network.listen({two.a.address(), 4001}));
    EXPECT_EQ(
        fault_of(network.connect({two.b.address(), 80}, {.from_port = 4001}, threads::within(5s))),
        Fault::refused);
  });
}

}  // namespace
}  // namespace mutirao::sim
