// The host's end of virtio sockets over the simulated world: what a guest sends by hand, and what
// programs of the host see.
#include "vsock/ports.h"

#include <string>

#include <gtest/gtest.h>

#include "mutirao/sim/testing.h"
#include "mutirao/threads/this_thread.h"

#include "testing/test_guest.h"

namespace mutirao::machine::vsock {
namespace {

constexpr std::uint32_t kRoom = 100'000;

struct VsockHost {
  sim::Host& host;
  TestGuest guest;
  std::unique_ptr<Ports> ports;
  std::deque<Bytes> kept{};  // what views point into

  explicit VsockHost(sim::Simulation& simulation)
      : host{simulation.add_host("host")},
        ports{*Ports::create("/run/vsock", guest.link, host.world())} {}

  world::Network& network() { return host.world().network(); }
  void send(Packet packet) {
    packet.source_cid = kGuestCid;
    packet.destination_cid = kHostCid;
    guest.send(to_bytes(packet));
  }
  void send(std::uint32_t own_port, std::uint32_t port, std::uint16_t operation,
            std::string_view payload = {}, std::uint32_t flags = 0) {
    send({.source_port = own_port,
          .destination_port = port,
          .operation = operation,
          .flags = flags,
          .room = kRoom,
          .taken = taken,
          .payload = base::view_of(payload)});
  }
  /// The next packet, which is of that kind.
  Packet expect(std::uint16_t operation) {
    auto frame = guest.next(20s);
    if (!frame) {
      ADD_FAILURE() << "nothing came, where " << operation << " should";
      return {};
    }
    kept.push_back(std::move(frame->bytes));
    auto const packet = parse_packet(kept.back());
    EXPECT_TRUE(packet);
    EXPECT_EQ(packet->operation, operation);
    EXPECT_EQ(packet->source_cid, kHostCid);
    EXPECT_EQ(packet->destination_cid, kGuestCid);
    return *packet;
  }
  std::uint32_t taken = 0;
};

void on_a_host(std::function<void(VsockHost&)> const& body) {
  sim::Simulation simulation;
  simulation.run([&](sim::Simulation& inside) {
    VsockHost host{inside};
    body(host);
  });
}

std::string read(world::Stream& stream, std::size_t size) {
  std::string text(size, '\0');
  auto const got = stream.read_exactly({reinterpret_cast<std::uint8_t*>(text.data()), text.size()},
                                       threads::within(10s));
  return got ? text : "nothing: " + got.error().what;
}

TEST(Vsock, a_guest_reaches_who_listens_for_that_port) {
  on_a_host([](VsockHost& it) {
    auto const listener = *it.network().listen_local("/run/vsock_52");
    it.send(1000, 52, Packet::request);
    auto const response = it.expect(Packet::response);
    EXPECT_EQ(response.source_port, 52u);
    EXPECT_EQ(response.destination_port, 1000u);
    EXPECT_EQ(response.room, Ports::kBufferBytes);
    auto const stream = *listener->accept(threads::within(1s));
    it.send(1000, 52, Packet::data, "question");
    EXPECT_EQ(read(*stream, 8), "question");
    ASSERT_TRUE(stream->write_all("answer", threads::within(1s)));
    EXPECT_EQ(base::text_of(it.expect(Packet::data).payload), "answer");
    // The guest ends it, and is told when the host has all.
    it.send(1000, 52, Packet::data, "bye");
    it.send(1000, 52, Packet::shutdown, {}, Packet::kSendsNoMore | Packet::kTakesNoMore);
    it.expect(Packet::reset);
    EXPECT_EQ(read(*stream, 3), "bye");
    EXPECT_EQ(it.ports->count(), 0u);
  });
}

TEST(Vsock, a_port_for_which_nobody_listens_refuses) {
  on_a_host([](VsockHost& it) {
    it.send(1000, 52, Packet::request);
    it.expect(Packet::reset);
    it.send(1000, 53, Packet::data, "as if we had met");
    it.expect(Packet::reset);
    it.send(1000, 53, Packet::reset);
    EXPECT_FALSE(it.guest.next()) << "a reset was answered";
    EXPECT_EQ(it.ports->count(), 0u);
  });
}

TEST(Vsock, a_program_of_the_host_reaches_a_port_of_the_guest) {
  on_a_host([](VsockHost& it) {
    auto const stream = *it.network().connect_local("/run/vsock", threads::within(1s));
    ASSERT_TRUE(stream->write_all("CONNECT 22\n", threads::within(1s)));
    auto const request = it.expect(Packet::request);
    EXPECT_EQ(request.destination_port, 22u);
    it.send(22, request.source_port, Packet::response);
    EXPECT_EQ(read(*stream, 14), "OK 1073741824\n");
    ASSERT_TRUE(stream->write_all("hello", threads::within(1s)));
    EXPECT_EQ(base::text_of(it.expect(Packet::data).payload), "hello");
    stream->finish_writing();
    EXPECT_EQ(it.expect(Packet::shutdown).flags, Packet::kSendsNoMore);
    it.send(22, request.source_port, Packet::data, "still here");
    EXPECT_EQ(read(*stream, 10), "still here");
  });
}

TEST(Vsock, who_asks_for_nothing_sensible_or_for_what_is_not_there_hears_the_end) {
  on_a_host([](VsockHost& it) {
    std::array<std::uint8_t, 1> byte;
    for (std::string_view const wish :
         {"GET / HTTP/1.0\r\n\r\n", "CONNECT x\n", "CONNECT 1 \n", "CONNECT 99999999999\n",
          "CONNECT 0000000000000000000000000000000000000022\n"}) {
      auto const stream = *it.network().connect_local("/run/vsock", threads::within(1s));
      ASSERT_TRUE(stream->write_all(wish, threads::within(1s)));
      auto const got = stream->read_some(byte, threads::within(10s));
      EXPECT_TRUE(!got || *got == 0) << wish;
    }
    auto const stream = *it.network().connect_local("/run/vsock", threads::within(1s));
    ASSERT_TRUE(stream->write_all("CONNECT 22\n", threads::within(1s)));
    auto const request = it.expect(Packet::request);
    it.send(22, request.source_port, Packet::reset);
    auto const got = stream->read_some(byte, threads::within(10s));
    EXPECT_TRUE(!got || *got == 0);
    EXPECT_EQ(it.ports->count(), 0u);
  });
}

TEST(Vsock, sends_a_guest_no_more_than_it_has_room_for) {
  on_a_host([](VsockHost& it) {
    auto const listener = *it.network().listen_local("/run/vsock_52");
    it.send(1000, 52, Packet::request);
    it.expect(Packet::response);
    auto const stream = *listener->accept(threads::within(1s));
    threads::scope writing;
    writing.spawn("writes", [&] { return stream->write_all(Bytes(300'000), Deadline::never()); });
    std::uint32_t got = 0;
    auto const take_all = [&] {
      while (auto const frame = it.guest.next(100ms))
        got += static_cast<std::uint32_t>(parse_packet(frame->bytes)->payload.size());
    };
    take_all();
    EXPECT_EQ(got, kRoom);
    it.taken = 60'000;
    it.send(1000, 52, Packet::credit_update);
    take_all();
    EXPECT_EQ(got, kRoom + 60'000);
    it.taken = got;
    it.send(1000, 52, Packet::credit_update);
    take_all();
    it.taken = got;
    it.send(1000, 52, Packet::credit_update);
    take_all();
    EXPECT_EQ(got, 300'000u);
    EXPECT_TRUE(writing.join());
  });
}

TEST(Vsock, a_program_that_reads_nothing_holds_up_its_own_connection_alone) {
  on_a_host([](VsockHost& it) {
    auto const listener = *it.network().listen_local("/run/vsock_52");
    it.send(1000, 52, Packet::request);
    it.expect(Packet::response);
    auto const stuck = *listener->accept(threads::within(1s));
    // The guest keeps to what it is told, until nothing more is taken.
    std::uint32_t sent = 0, taken = 0;
    std::string const chunk(8192, 'x');
    for (;;) {
      while (sent - taken + chunk.size() <= Ports::kBufferBytes) {
        it.send(1000, 52, Packet::data, chunk);
        sent += static_cast<std::uint32_t>(chunk.size());
      }
      auto const frame = it.guest.next(1s);
      if (!frame) break;
      taken = parse_packet(frame->bytes)->taken;
    }
    EXPECT_LT(sent, 1u << 20);
    it.send(1001, 52, Packet::request);
    it.expect(Packet::response);
    auto const other = *listener->accept(threads::within(1s));
    it.send(1001, 52, Packet::data, "through");
    EXPECT_EQ(read(*other, 7), "through");
    // One that goes on all the same makes no sense, and is ended.
    it.send(1000, 52, Packet::data, std::string(60'000, 'x'));
    it.expect(Packet::reset);
    EXPECT_EQ(it.ports->count(), 1u);
  });
}

TEST(Vsock, has_no_more_connections_than_it_may) {
  on_a_host([](VsockHost& it) {
    auto const listener = *it.network().listen_local("/run/vsock_52");
    unsigned refused = 0, answered = 0;
    for (std::uint32_t port = 0; port < 200; ++port) {
      it.send(port, 52, Packet::request);
      auto const frame = it.guest.next();
      ASSERT_TRUE(frame);
      (parse_packet(frame->bytes)->operation == Packet::reset ? refused : answered) += 1;
    }
    EXPECT_EQ(answered, Ports::kConnectionsMax);
    EXPECT_EQ(refused, 200 - Ports::kConnectionsMax);
  });
}

TEST(Vsock, takes_nothing_for_others_and_nothing_cut_off) {
  on_a_host([](VsockHost& it) {
    Packet packet{.source_cid = 77, .destination_cid = kHostCid, .operation = Packet::request};
    it.guest.send(to_bytes(packet));
    packet.source_cid = kGuestCid;
    packet.destination_cid = 9;
    it.guest.send(to_bytes(packet));
    packet.destination_cid = kHostCid;
    auto cut = to_bytes(packet);
    cut[24] = 1;  // a byte that is not there
    it.guest.send(cut);
    it.guest.send(Bytes(43));
    EXPECT_FALSE(it.guest.next());
    packet.type = 2;  // no stream
    it.guest.send(to_bytes(packet));
    EXPECT_EQ(it.expect(Packet::reset).type, 2);
  });
}

}  // namespace
}  // namespace mutirao::machine::vsock
