// How long things take on the simulated network, in virtual time, and what faults do to them.
#include <map>
#include <optional>

#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

/// Two hosts, 50 ms apart, with nothing random between them.
struct Pair {
  explicit Pair(Simulation& simulation, Link link = {.latency = 50ms, .jitter = 0ms},
                HostOptions a_options = {}, HostOptions b_options = {})
      : a{simulation.add_host("a", a_options)}, b{simulation.add_host("b", b_options)} {
    simulation.set_link(a, b, link);
  }

  StreamPair connect() {
    Arena arena{a.world(), b.world(), b.address(), "/"};
    return connect_pair(arena);
  }

  Host& a;
  Host& b;
};

/// Runs `body`; an exception of must() is a failure of the test.
void simulate(SimulationOptions options, std::function<void(Simulation&)> const& body) {
  Simulation simulation{options};
  simulation.run([&](Simulation& inside) {
    try {
      body(inside);
    } catch (std::exception const& error) {
      ADD_FAILURE() << error.what() << ", " << replay_hint(options.seed);
    }
  });
}

double seconds(Duration duration) { return std::chrono::duration<double>{duration}.count(); }

/// Sends `bytes` from one end to the other and returns how long that took.
Duration transfer(world::Stream& from, world::Stream& to, Bytes const& bytes) {
  auto const start = threads::now();
  threads::scope scope;
  scope.spawn("sender", [&] { return from.write_all(bytes, Deadline::never()); });
  Bytes received(bytes.size());
  must(to.read_exactly(received, Deadline::never()));
  must(scope.join());
  EXPECT_EQ(received, bytes);
  return threads::now() - start;
}

TEST(Connection, handshake_costs_one_round_trip) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const listener = must(pair.b.world().network().listen({pair.b.address(), 80}));
    auto const start = threads::now();
    auto const client =
        must(pair.a.world().network().connect({pair.b.address(), 80}, {}, Deadline::never()));
    EXPECT_EQ(threads::now() - start, 100ms);
    auto const server = must(listener->accept(Deadline::never()));
    EXPECT_EQ(threads::now() - start, 150ms);
  });
}

TEST(Connection, refusal_costs_one_round_trip) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const start = threads::now();
    EXPECT_EQ(
        fault_of(pair.a.world().network().connect({pair.b.address(), 80}, {}, Deadline::never())),
        Fault::refused);
    EXPECT_EQ(threads::now() - start, 100ms);
  });
}

TEST(Connection, address_of_nobody_never_answers) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    world::Endpoint const nobody{world::IpAddress::v4({10, 99, 99, 99}), 80};
    auto& network = pair.a.world().network();
    EXPECT_EQ(fault_of(network.connect(nobody, {}, threads::within(3s))), Fault::timed_out);
    auto const start = threads::now();
    EXPECT_EQ(fault_of(network.connect(nobody, {}, Deadline::never())), Fault::timed_out);
    EXPECT_EQ(threads::now() - start, 127s) << "six retries, as Linux makes";
  });
}

TEST(Connection, transfer_takes_the_time_of_the_narrower_line) {
  struct Case {
    std::uint64_t uplink, downlink, link;
  };
  for (auto const& lines : {Case{1'000'000, 0, 0}, Case{0, 1'000'000, 0}, Case{0, 0, 1'000'000},
                            Case{1'000'000, 3'000'000, 0}, Case{3'000'000, 1'000'000, 2'000'000}}) {
    simulate({}, [&](Simulation& simulation) {
      Pair pair{simulation,
                {.latency = 10ms, .jitter = 0ms, .bandwidth_bytes_per_s = lines.link},
                {.uplink_bytes_per_s = lines.uplink},
                {.downlink_bytes_per_s = lines.downlink}};
      auto const streams = pair.connect();
      auto const took = transfer(*streams.client, *streams.server, pattern(5'000'000));
      EXPECT_NEAR(seconds(took), 5.0, 0.25)
          << lines.uplink << ' ' << lines.downlink << ' ' << lines.link;
    });
  }
}

TEST(Connection, window_limits_a_long_path) {
  simulate({.network = {.uplink_bytes_per_s = 0, .downlink_bytes_per_s = 0}},
           [](Simulation& simulation) {
             Pair pair{simulation};
             auto const streams = pair.connect();
             // 256 KiB each round trip of 100 ms.
             auto const took = transfer(*streams.client, *streams.server, pattern(4_MiB));
             EXPECT_NEAR(seconds(took), 1.6, 0.2);
           });
}

TEST(Connection, streams_share_an_uplink_fairly) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation, {.latency = 5ms, .jitter = 0ms}, {.uplink_bytes_per_s = 1'000'000}};
    threads::scope scope;
    std::vector<double> took;
    for (int i = 0; i < 4; ++i) {
      scope.spawn("transfer", [&, streams = std::make_shared<StreamPair>(pair.connect())] {
        took.push_back(seconds(transfer(*streams->client, *streams->server, pattern(1'000'000))));
      });
    }
    must(scope.join());
    ASSERT_EQ(took.size(), 4u);
    for (auto const each : took) EXPECT_NEAR(each, 4.0, 0.4);
  });
}

TEST(Connection, small_message_does_not_wait_behind_the_bulk_of_other_streams) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation, {.latency = 5ms, .jitter = 0ms}, {.uplink_bytes_per_s = 1'000'000}};
    auto const bulk = pair.connect();
    auto const talk = pair.connect();
    threads::scope scope;
    scope.spawn("bulk", [&, bytes = pattern(2_MiB)] {
      (void)bulk.client->write_all(bytes, Deadline::never());
    });
    scope.spawn("sink", [&] {
      Bytes buffer(64_KiB);
      while (bulk.server->read_some(buffer, Deadline::never())) {
      }
    });
    must(threads::sleep_for(200ms));
    auto const start = threads::now();
    must(talk.client->write_all("have", Deadline::never()));
    Bytes text(4);
    must(talk.server->read_exactly(text, Deadline::never()));
    EXPECT_LT(threads::now() - start, 150ms) << "one segment of 64 KiB is 66 ms";
  });
}

TEST(Connection, jitter_and_loss_delay_bytes_but_never_change_them) {
  for (auto const seed : seeds(10)) {
    std::map<double, Duration> took;
    for (double const loss : {0.0, 0.2}) {
      simulate({.seed = seed}, [&](Simulation& simulation) {
        Pair pair{simulation, {.latency = 20ms, .jitter = 40ms, .loss = loss}};
        auto const streams = pair.connect();
        took[loss] = transfer(*streams.client, *streams.server, pattern(3_MiB, seed));
      });
    }
    EXPECT_LT(took[0.0], took[0.2]) << replay_hint(seed);
  }
}

TEST(Connection, peers_of_a_silent_crash_hear_nothing_until_they_send) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const streams = pair.connect();
    simulation.crash(pair.b);
    Bytes byte(1);
    EXPECT_EQ(fault_of(streams.client->read_some(byte, threads::within(1h))), Fault::timed_out);
    must(streams.client->write_all("anybody?", Deadline::never()));
    auto const start = threads::now();
    EXPECT_EQ(fault_of(streams.client->read_some(byte, Deadline::never())), Fault::timed_out);
    EXPECT_GE(threads::now() - start, 120s) << "the system gives up by itself";
    EXPECT_EQ(fault_of(streams.client->write_all("x", Deadline::never())), Fault::timed_out);
  });
}

TEST(Connection, restarted_host_resets_connections_it_no_longer_knows) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const streams = pair.connect();
    simulation.crash(pair.b);
    pair.b.restart();
    must(streams.client->write_all("anybody?", Deadline::never()));
    auto const start = threads::now();
    Bytes byte(1);
    EXPECT_EQ(fault_of(streams.client->read_some(byte, Deadline::never())), Fault::closed);
    EXPECT_LT(threads::now() - start, 101ms) << "a round trip";
  });
}

TEST(Connection, reset_crash_tells_peers_at_once) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const streams = pair.connect();
    simulation.crash(pair.b, {.reset_streams = true});
    Bytes byte(1);
    EXPECT_EQ(fault_of(streams.client->read_some(byte, threads::within(1s))), Fault::closed);
  });
}

TEST(Connection, bytes_that_had_left_a_crashed_host_still_arrive) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const streams = pair.connect();
    must(streams.server->write_all("last words", Deadline::never()));
    must(threads::sleep_for(10ms));
    simulation.crash(pair.b);
    Bytes text(10);
    must(streams.client->read_exactly(text, threads::within(1s)));
    EXPECT_EQ(base::text_of(text), "last words");
  });
}

TEST(Connection, crash_ends_all_calls_of_its_world) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto& world = pair.b.world();
    auto const streams = pair.connect();
    auto const listener = must(world.network().listen({pair.b.address(), 80}));
    auto const socket = must(world.network().bind_datagram({pair.b.address(), 80}));
    auto const folder = must(world.disk().open_directory("/data", true));
    auto const file = must(folder->open("file", {.writable = true, .create = true}));
    std::vector<Fault> parked;
    threads::scope scope;
    Bytes byte(1), datagram(1);
    scope.spawn("reader", [&] {
      parked.push_back(fault_of(streams.server->read_some(byte, Deadline::never())));
    });
    scope.spawn("acceptor",
                [&] { parked.push_back(fault_of(listener->accept(Deadline::never()))); });
    scope.spawn("receiver",
                [&] { parked.push_back(fault_of(socket->receive(datagram, Deadline::never()))); });
    scope.spawn("connector", [&] {
      parked.push_back(fault_of(world.network().connect({world::IpAddress::v4({10, 9, 9, 9}), 1},
                                                        {}, Deadline::never())));
    });
    scope.spawn("writer", [&, flood = pattern(4_MiB)] {
      parked.push_back(fault_of(streams.server->write_all(flood, Deadline::never())));
    });
    must(threads::sleep_for(500ms));
    simulation.crash(pair.b);
    must(scope.join());
    EXPECT_EQ(parked, std::vector(5, Fault::cancelled));
    EXPECT_EQ(fault_of(streams.server->write_all("x", Deadline::never())), Fault::cancelled);
    EXPECT_EQ(fault_of(world.network().listen({pair.b.address(), 81})), Fault::cancelled);
    EXPECT_EQ(fault_of(world.network().resolve("a", Deadline::never())), Fault::cancelled);
    EXPECT_EQ(fault_of(world.disk().open_directory("/", false)), Fault::cancelled);
    EXPECT_EQ(fault_of(folder->list("")), Fault::cancelled);
    EXPECT_EQ(fault_of(file->sync()), Fault::cancelled);
    EXPECT_EQ(fault_of(file->read_at(0, byte)), Fault::cancelled);

    auto& restarted = pair.b.restart();
    EXPECT_NE(&restarted, &world);
    EXPECT_TRUE(restarted.network().listen({pair.b.address(), 80})) << "the old listener is gone";
    EXPECT_EQ(fault_of(world.network().listen({pair.b.address(), 82})), Fault::cancelled)
        << "ended for good";
  });
}

TEST(Connection, partition_stalls_streams_and_heals_without_loss) {
  for (auto const seed : seeds(10)) {
    simulate({.seed = seed}, [&](Simulation& simulation) {
      Pair pair{simulation, {.latency = 20ms, .jitter = 10ms, .loss = 0.01}};
      auto const streams = pair.connect();
      threads::scope scope;
      scope.spawn("fault", [&]() -> Result<void> {
        MUT_TRY(threads::sleep_for(300ms));
        simulation.partition(pair.a, pair.b);
        MUT_TRY(threads::sleep_for(10s));
        simulation.heal(pair.a, pair.b);
        return {};
      });
      auto const took = transfer(*streams.client, *streams.server, pattern(8_MiB, seed));
      must(scope.join());
      EXPECT_GT(took, 10s);
      EXPECT_LT(took, 40s);
    });
  }
}

TEST(Connection, partition_and_isolation_stop_new_connections) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const listener = must(pair.b.world().network().listen({pair.b.address(), 80}));
    auto const connect = [&] {
      return pair.a.world().network().connect({pair.b.address(), 80}, {}, threads::within(3s));
    };
    simulation.partition(pair.a, pair.b);
    EXPECT_EQ(fault_of(connect()), Fault::timed_out);
    simulation.heal(pair.a, pair.b);
    simulation.isolate(pair.b);
    EXPECT_EQ(fault_of(connect()), Fault::timed_out);
    simulation.rejoin(pair.b);
    EXPECT_TRUE(connect());
  });
}

TEST(Connection, accepted_bytes_are_bounded_by_both_buffers) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const streams = pair.connect();
    std::size_t accepted = 0;
    auto const block = pattern(16_KiB);
    while (streams.client->write_all(block, threads::within(10s))) accepted += block.size();
    EXPECT_GE(accepted, 384_KiB);
    EXPECT_LE(accepted, 640_KiB);
  });
}

TEST(Datagram, link_loses_duplicates_and_reorders) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation, {.latency = 20ms, .jitter = 30ms, .loss = 0.2, .duplication = 0.2}};
    auto const from = must(pair.a.world().network().bind_datagram({pair.a.address(), 0}));
    auto const to = must(pair.b.world().network().bind_datagram({pair.b.address(), 0}));
    constexpr std::uint32_t kCount = 2000;
    threads::scope scope;
    scope.spawn("sender", [&]() -> Result<void> {
      for (std::uint32_t i = 0; i < kCount; ++i) {
        Bytes number;
        base::append_be(number, i);
        MUT_TRY(from->send_to(number, to->local(), Deadline::never()));
        MUT_TRY(threads::sleep_for(1ms));
      }
      return {};
    });
    std::map<std::uint32_t, int> seen;
    std::uint32_t last = 0, reordered = 0, total = 0;
    Bytes number(4);
    while (to->receive(number, threads::within(1s))) {
      auto const value = base::load_be<std::uint32_t>(number);
      ++seen[value];
      ++total;
      reordered += value < last;
      last = value;
    }
    must(scope.join());
    EXPECT_NEAR(total, kCount * 0.8 * 1.2, 150);
    EXPECT_LT(seen.size(), kCount);
    EXPECT_GT(total, seen.size());
    EXPECT_GT(reordered, 100u);
  });
}

TEST(Datagram, to_a_closed_port_or_a_silent_host_just_vanishes) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const from = must(pair.a.world().network().bind_datagram({pair.a.address(), 0}));
    EXPECT_TRUE(from->send_to(base::view_of("x"), {pair.b.address(), 9}, Deadline::never()));
    simulation.crash(pair.b);
    EXPECT_TRUE(from->send_to(base::view_of("x"), {pair.b.address(), 9}, Deadline::never()));
    EXPECT_EQ(fault_of(from->send_to(pattern(70'000), {pair.b.address(), 9}, Deadline::never())),
              Fault::invalid);
  });
}

TEST(Datagram, receive_buffer_is_bounded) {
  simulate({}, [](Simulation& simulation) {
    Pair pair{simulation};
    auto const from = must(pair.a.world().network().bind_datagram({pair.a.address(), 0}));
    auto const to = must(pair.b.world().network().bind_datagram({pair.b.address(), 0}));
    auto const datagram = pattern(1000);
    for (int i = 0; i < 1000; ++i) {
      must(from->send_to(datagram, to->local(), Deadline::never()));
      must(threads::sleep_for(1ms));
    }
    must(threads::sleep_for(1s));
    std::size_t kept = 0;
    Bytes buffer(1000);
    while (to->receive(buffer, threads::within(1ms))) ++kept;
    EXPECT_GT(kept, 100u);
    EXPECT_LT(kept * 1000, 208_KiB);
  });
}

}  // namespace
}  // namespace mutirao::sim
