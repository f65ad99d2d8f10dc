// What programs may rely on in every world's network.
#include <array>
#include <optional>

#include "conformance.h"

namespace mutirao::sim {
namespace {

TEST_P(NetworkConformance, stream_bytes_arrive_whole_and_in_order) {
  GetParam()([](Arena& arena) {
    auto const pair = connect_pair(arena);
    auto const sent = pattern(1_MiB + 17);
    Bytes received(sent.size());
    threads::scope scope;
    scope.spawn("writer", [&]() -> Result<void> {
      ByteView rest{sent};
      for (std::size_t step = 1; !rest.empty(); step = step * 3 + 1) {
        auto const count = std::min(step % 70'000, rest.size());
        MUT_TRY(pair.client->write_all(rest.first(count), threads::within(30s)));
        rest = rest.subspan(count);
      }
      pair.client->finish_writing();
      return {};
    });
    must(pair.server->read_exactly(received, threads::within(30s)));
    EXPECT_EQ(received, sent);
    std::array<std::uint8_t, 1> more;
    EXPECT_EQ(must(pair.server->read_some(more, threads::within(30s))), 0u);
    must(scope.join());
  });
}

TEST_P(NetworkConformance, stream_scatters_reads_and_gathers_writes_in_order) {
  GetParam()([](Arena& arena) {
    auto const pair = connect_pair(arena);
    std::array const parts{base::view_of("one "), ByteView{}, base::view_of("two "),
                           base::view_of("three")};
    must(pair.client->write_all(parts, threads::within(10s)));
    pair.client->finish_writing();
    std::string text;
    for (;;) {
      Bytes first(3), second(5);
      std::array<MutableBytes, 3> const into{MutableBytes{first}, MutableBytes{},
                                             MutableBytes{second}};
      auto const count = must(pair.server->read_some(into, threads::within(10s)));
      if (count == 0) break;
      text += base::text_of(ByteView{first}.first(std::min<std::size_t>(count, 3)));
      if (count > 3) text += base::text_of(ByteView{second}.first(count - 3));
    }
    EXPECT_EQ(text, "one two three");
  });
}

TEST_P(NetworkConformance, stream_half_close_leaves_the_other_direction_open) {
  GetParam()([](Arena& arena) {
    auto const pair = connect_pair(arena);
    must(pair.client->write_all("question", threads::within(10s)));
    pair.client->finish_writing();
    Bytes question(8), answer(6);
    must(pair.server->read_exactly(question, threads::within(10s)));
    std::array<std::uint8_t, 1> more;
    EXPECT_EQ(must(pair.server->read_some(more, threads::within(10s))), 0u);
    must(pair.server->write_all("answer", threads::within(10s)));
    must(pair.client->read_exactly(answer, threads::within(10s)));
    EXPECT_EQ(base::text_of(answer), "answer");
    EXPECT_EQ(fault_of(pair.client->write_all("late", threads::within(10s))), Fault::closed);
  });
}

TEST_P(NetworkConformance, stream_data_sent_before_close_is_read_before_the_end) {
  GetParam()([](Arena& arena) {
    auto pair = connect_pair(arena);
    auto const sent = pattern(100'000);
    must(pair.client->write_all(sent, threads::within(10s)));
    pair.client.reset();
    Bytes received(sent.size());
    must(pair.server->read_exactly(received, threads::within(10s)));
    EXPECT_EQ(received, sent);
    std::array<std::uint8_t, 1> more;
    EXPECT_EQ(must(pair.server->read_some(more, threads::within(10s))), 0u);
    EXPECT_EQ(fault_of(pair.server->read_exactly(more, threads::within(10s))), Fault::closed);
  });
}

TEST_P(NetworkConformance, stream_close_wakes_its_parked_reader) {
  GetParam()([](Arena& arena) {
    auto const pair = connect_pair(arena);
    std::optional<Fault> seen;
    threads::scope scope;
    scope.spawn("reader", [&] {
      std::array<std::uint8_t, 1> byte;
      seen = fault_of(pair.client->read_some(byte, Deadline::never()));
    });
    must(threads::sleep_for(20ms));
    pair.client->close();
    must(scope.join());
    EXPECT_EQ(seen, Fault::closed);
  });
}

TEST_P(NetworkConformance, stream_close_wakes_its_parked_writer) {
  GetParam()([](Arena& arena) {
    auto const pair = connect_pair(arena);
    auto const flood = pattern(16_MiB);  // more than all buffers on the way
    std::optional<Fault> seen;
    threads::scope scope;
    scope.spawn("writer",
                [&] { seen = fault_of(pair.client->write_all(flood, Deadline::never())); });
    must(threads::sleep_for(100ms));
    pair.client->close();
    must(scope.join());
    EXPECT_EQ(seen, Fault::closed);
  });
}

TEST_P(NetworkConformance, stream_writer_waits_for_a_slow_reader) {
  GetParam()([](Arena& arena) {
    auto const pair = connect_pair(arena);
    auto const flood = pattern(16_MiB);
    EXPECT_EQ(fault_of(pair.client->write_all(flood, threads::within(200ms))), Fault::timed_out);
    // What was accepted is in order and arrives.
    Bytes head(64'000);
    must(pair.server->read_exactly(head, threads::within(10s)));
    EXPECT_TRUE(std::equal(head.begin(), head.end(), flood.begin()));
  });
}

TEST_P(NetworkConformance, stream_read_gives_up_at_its_deadline_and_can_go_on) {
  GetParam()([](Arena& arena) {
    auto const pair = connect_pair(arena);
    std::array<std::uint8_t, 4> bytes;
    EXPECT_EQ(fault_of(pair.server->read_some(bytes, threads::within(20ms))), Fault::timed_out);
    must(pair.client->write_all("late", threads::within(10s)));
    must(pair.server->read_exactly(bytes, threads::within(10s)));
    EXPECT_EQ(base::text_of(bytes), "late");
  });
}

TEST_P(NetworkConformance, stream_read_ends_when_its_thread_is_asked_to_stop) {
  GetParam()([](Arena& arena) {
    auto const pair = connect_pair(arena);
    std::optional<Fault> seen;
    threads::scope scope;
    scope.spawn("reader", [&] {
      std::array<std::uint8_t, 1> byte;
      seen = fault_of(pair.client->read_some(byte, Deadline::never()));
    });
    must(threads::sleep_for(20ms));
    scope.request_stop();
    must(scope.join());
    EXPECT_EQ(seen, Fault::cancelled);
  });
}

TEST_P(NetworkConformance, stream_writes_fail_after_the_other_side_closed) {
  GetParam()([](Arena& arena) {
    auto pair = connect_pair(arena);
    must(pair.client->write_all("unread", threads::within(10s)));
    must(threads::sleep_for(100ms));
    pair.server.reset();
    auto const more = pattern(100'000);
    Result<void> written;
    for (int i = 0; i < 1000 && written; ++i) {
      written = pair.client->write_all(more, threads::within(10s));
      must(threads::sleep_for(1ms));
    }
    EXPECT_EQ(fault_of(written), Fault::closed);
  });
}

TEST_P(NetworkConformance, stream_ends_agree_about_their_endpoints) {
  GetParam()([](Arena& arena) {
    auto const listener = must(arena.there.network().listen({arena.there_address, 0}));
    EXPECT_NE(listener->local().port, 0);
    auto const client =
        must(arena.here.network().connect(listener->local(), {}, threads::within(10s)));
    auto const server = must(listener->accept(threads::within(10s)));
    EXPECT_EQ(client->remote(), listener->local());
    EXPECT_EQ(server->local(), listener->local());
    EXPECT_EQ(server->remote(), client->local());
    EXPECT_NE(client->local().port, 0);
  });
}

TEST_P(NetworkConformance, connect_is_refused_where_nothing_listens) {
  GetParam()([](Arena& arena) {
    auto const at = must(arena.there.network().listen({arena.there_address, 0}))->local();
    EXPECT_EQ(fault_of(arena.here.network().connect(at, {}, threads::within(10s))), Fault::refused);
  });
}

TEST_P(NetworkConformance, connect_refuses_a_source_address_of_others) {
  GetParam()([](Arena& arena) {
    auto const listener = must(arena.there.network().listen({arena.there_address, 0}));
    auto const foreign = world::IpAddress::v4({192, 0, 2, 1});
    EXPECT_EQ(fault_of(arena.here.network().connect(listener->local(), {.from = foreign},
                                                    threads::within(10s))),
              Fault::refused);
  });
}

TEST_P(NetworkConformance, connect_from_a_chosen_port_reaches_several_peers_but_none_twice) {
  GetParam()([](Arena& arena) {
    auto& network = arena.here.network();
    auto const free_port = must(network.listen({world::IpAddress::any(), 0}))->local().port;
    auto const first = must(arena.there.network().listen({arena.there_address, 0}));
    auto const second = must(arena.there.network().listen({arena.there_address, 0}));
    auto const connect = [&](world::Listener& to, std::uint16_t from) {
      return network.connect(to.local(), {.from_port = from}, threads::within(10s));
    };
    auto const to_first = must(connect(*first, free_port));
    auto const to_second = must(connect(*second, free_port));
    EXPECT_EQ(to_first->local().port, free_port);
    EXPECT_EQ(must(second->accept(threads::within(10s)))->remote().port, free_port);
    EXPECT_EQ(fault_of(connect(*first, free_port)), Fault::refused);

    auto const listener = must(network.listen({world::IpAddress::any(), 0}));
    EXPECT_EQ(fault_of(connect(*first, listener->local().port)), Fault::refused);
  });
}

TEST_P(NetworkConformance, listen_refuses_a_port_in_use_and_frees_it_when_closed) {
  GetParam()([](Arena& arena) {
    auto first = must(arena.there.network().listen({arena.there_address, 0}));
    auto const at = first->local();
    EXPECT_EQ(fault_of(arena.there.network().listen(at)), Fault::refused);
    EXPECT_EQ(fault_of(arena.there.network().listen({world::IpAddress::any(), at.port})),
              Fault::refused);
    first.reset();
    EXPECT_TRUE(arena.there.network().listen(at));
  });
}

TEST_P(NetworkConformance, listener_on_any_address_takes_connections_to_each) {
  GetParam()([](Arena& arena) {
    auto const listener = must(arena.there.network().listen({world::IpAddress::any(), 0}));
    auto const port = listener->local().port;
    auto const client =
        must(arena.here.network().connect({arena.there_address, port}, {}, threads::within(10s)));
    auto const server = must(listener->accept(threads::within(10s)));
    EXPECT_EQ(server->local(), (world::Endpoint{arena.there_address, port}));
  });
}

TEST_P(NetworkConformance, accept_gives_up_at_its_deadline) {
  GetParam()([](Arena& arena) {
    auto const listener = must(arena.there.network().listen({arena.there_address, 0}));
    EXPECT_EQ(fault_of(listener->accept(threads::within(20ms))), Fault::timed_out);
  });
}

TEST_P(NetworkConformance, listener_close_wakes_its_parked_accept) {
  GetParam()([](Arena& arena) {
    auto const listener = must(arena.there.network().listen({arena.there_address, 0}));
    std::optional<Fault> seen;
    threads::scope scope;
    scope.spawn("acceptor", [&] { seen = fault_of(listener->accept(Deadline::never())); });
    must(threads::sleep_for(20ms));
    listener->close();
    must(scope.join());
    EXPECT_EQ(seen, Fault::closed);
  });
}

TEST_P(NetworkConformance, many_connections_at_once_each_get_their_own_bytes) {
  GetParam()([](Arena& arena) {
    auto const listener = must(arena.there.network().listen({arena.there_address, 0}));
    constexpr int kConnections = 40;
    threads::scope scope;
    scope.spawn("acceptor", [&]() -> Result<void> {
      for (int i = 0; i < kConnections; ++i) {
        std::shared_ptr<world::Stream> stream = MUT_TRY(listener->accept(threads::within(10s)));
        scope.spawn("echo", [stream]() -> Result<void> {
          Bytes buffer(1000);
          for (;;) {
            auto const count = MUT_TRY(stream->read_some(buffer, threads::within(10s)));
            if (count == 0) return {};
            MUT_TRY(stream->write_all(ByteView{buffer}.first(count), threads::within(10s)));
          }
        });
      }
      return {};
    });
    for (int i = 0; i < kConnections; ++i) {
      scope.spawn("client", [&, i]() -> Result<void> {
        auto const stream =
            MUT_TRY(arena.here.network().connect(listener->local(), {}, threads::within(10s)));
        auto const sent = pattern(5000, static_cast<std::uint64_t>(i));
        MUT_TRY(stream->write_all(sent, threads::within(10s)));
        Bytes back(sent.size());
        MUT_TRY(stream->read_exactly(back, threads::within(10s)));
        EXPECT_EQ(back, sent);
        return {};
      });
    }
    must(scope.join());
  });
}

TEST_P(NetworkConformance, resolve_knows_numbers_and_localhost) {
  GetParam()([](Arena& arena) {
    auto const numeric = must(arena.here.network().resolve("192.0.2.7", threads::within(10s)));
    ASSERT_EQ(numeric.size(), 1u);
    EXPECT_EQ(numeric[0], world::IpAddress::v4({192, 0, 2, 7}));
    auto const local = must(arena.here.network().resolve("localhost", threads::within(10s)));
    ASSERT_FALSE(local.empty());
    for (auto const& address : local) EXPECT_TRUE(address.is_loopback());
  });
}

TEST_P(NetworkConformance, local_addresses_include_loopback) {
  GetParam()([](Arena& arena) {
    auto const addresses = must(arena.here.network().local_addresses());
    EXPECT_NE(std::ranges::find(addresses, world::IpAddress::loopback()), addresses.end());
  });
}

TEST_P(NetworkConformance, local_socket_carries_a_conversation) {
  GetParam()([](Arena& arena) {
    auto const path = arena.folder + "/control.sock";
    auto& network = arena.here.network();
    EXPECT_EQ(fault_of(network.connect_local(path, threads::within(10s))), Fault::not_found);
    auto listener = must(network.listen_local(path));
    auto const client = must(network.connect_local(path, threads::within(10s)));
    auto const server = must(listener->accept(threads::within(10s)));
    must(client->write_all("status", threads::within(10s)));
    client->finish_writing();
    Bytes text(6);
    must(server->read_exactly(text, threads::within(10s)));
    EXPECT_EQ(base::text_of(text), "status");
    EXPECT_EQ(fault_of(network.listen_local(path)), Fault::refused);
    listener.reset();
    EXPECT_EQ(fault_of(network.connect_local(path, threads::within(10s))), Fault::not_found);
    EXPECT_TRUE(network.listen_local(path));
  });
}

TEST_P(NetworkConformance, datagram_tells_its_sender_and_is_cut_to_the_buffer) {
  GetParam()([](Arena& arena) {
    auto const socket = must(arena.here.network().bind_datagram({world::IpAddress::any(), 0}));
    auto const other = must(arena.there.network().bind_datagram({arena.there_address, 0}));
    must(socket->send_to(base::view_of("hello, there"), other->local(), threads::within(10s)));
    Bytes buffer(5);
    auto const received = must(other->receive(buffer, threads::within(10s)));
    EXPECT_EQ(received.size, 5u);
    EXPECT_EQ(base::text_of(buffer), "hello");
    EXPECT_EQ(received.from.port, socket->local().port);
    must(other->send_to(base::view_of("back"), received.from, threads::within(10s)));
    EXPECT_EQ(must(socket->receive(buffer, threads::within(10s))).from, other->local());
  });
}

TEST_P(NetworkConformance, datagram_may_be_empty) {
  GetParam()([](Arena& arena) {
    auto const socket = must(arena.here.network().bind_datagram({world::IpAddress::any(), 0}));
    auto const other = must(arena.there.network().bind_datagram({arena.there_address, 0}));
    must(socket->send_to({}, other->local(), threads::within(10s)));
    Bytes buffer(5);
    EXPECT_EQ(must(other->receive(buffer, threads::within(10s))).size, 0u);
  });
}

TEST_P(NetworkConformance, datagram_receive_gives_up_at_its_deadline_and_close_wakes_it) {
  GetParam()([](Arena& arena) {
    auto const socket = must(
        arena.here.network().bind_datagram({arena.here.network().local_addresses()->front(), 0}));
    Bytes buffer(5);
    EXPECT_EQ(fault_of(socket->receive(buffer, threads::within(20ms))), Fault::timed_out);
    std::optional<Fault> seen;
    threads::scope scope;
    scope.spawn("receiver", [&] { seen = fault_of(socket->receive(buffer, Deadline::never())); });
    must(threads::sleep_for(20ms));
    socket->close();
    must(scope.join());
    EXPECT_EQ(seen, Fault::closed);
  });
}

TEST_P(NetworkConformance, datagram_port_in_use_is_refused_and_apart_from_stream_ports) {
  GetParam()([](Arena& arena) {
    auto const socket = must(arena.there.network().bind_datagram({arena.there_address, 0}));
    EXPECT_EQ(fault_of(arena.there.network().bind_datagram(socket->local())), Fault::refused);
    EXPECT_TRUE(arena.there.network().listen(socket->local()));
  });
}

}  // namespace
}  // namespace mutirao::sim
