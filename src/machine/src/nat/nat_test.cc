// The router over the simulated network: what a guest sends by hand, and what servers far away see.
#include "nat/nat.h"

#include <algorithm>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/sim/testing.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/real_world.h"

#include "testing/test_guest.h"

namespace mutirao::machine {
namespace {

using nat::kGuestAddress;
using nat::kNameServerAddress;
using nat::kRouterAddress;
using nat::Nat;
using sim::Host;
using sim::Simulation;
using world::Endpoint;
using world::IpAddress;

constexpr Ipv4Address kServer{9, 9, 9, 9};

Bytes pattern(std::size_t size, unsigned seed = 1) {
  Bytes bytes(size);
  std::uint32_t state = seed;
  for (auto& byte : bytes)
    byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

/// A machine's network on one host, a server on another.
struct Net {
  Host& here;
  Host& server;
  TestGuest guest;
  std::unique_ptr<Nat> router;

  explicit Net(Simulation& simulation, NetworkOptions const& options,
               sim::Link link = {.latency = 10ms})
      : here{simulation.add_host("here", {.addresses = {IpAddress::v4({8, 8, 4, 4})}})},
        server{simulation.add_host("server", {.addresses = {IpAddress::v4(kServer)}})} {
    simulation.set_link(here, server, link);
    auto made = Nat::create(options, guest.link, here.world());
    if (made)
      router = *std::move(made);
    else
      ADD_FAILURE() << made.error().what;
  }
  std::unique_ptr<world::Listener> listen(Host& host, IpAddress address, std::uint16_t port) {
    return *host.world().network().listen({address, port});
  }
};

NetworkOptions const kInternet{.reach = NetworkOptions::Reach::internet};

void in_simulation(std::function<void(Simulation&)> const& body,
                   sim::SimulationOptions options = {}) {
  Simulation simulation{options};
  simulation.run(body);
}

TEST(Nat, answers_for_the_addresses_of_router_and_name_server) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    for (auto const wanted : {kRouterAddress, kNameServerAddress}) {
      net.guest.send(by_hand::arp_request(wanted));
      auto const reply = net.guest.next();
      ASSERT_TRUE(reply);
      auto const body = ByteView{reply->bytes}.subspan(14);
      EXPECT_EQ(body[7], 2);
      EXPECT_TRUE(std::ranges::equal(body.subspan(8, 6), nat::kRouterMac));
      EXPECT_TRUE(std::ranges::equal(body.subspan(14, 4), wanted));
      EXPECT_TRUE(std::ranges::equal(body.subspan(18, 6), nat::kGuestMac));
    }
    net.guest.send(by_hand::arp_request(kGuestAddress));
    net.guest.send(by_hand::arp_request({10, 0, 2, 77}));
    EXPECT_FALSE(net.guest.next());
  });
}

TEST(Nat, answers_pings_itself_and_says_that_it_passes_none_on) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    net.guest.send(by_hand::echo_request(kRouterAddress, base::view_of("are you there")));
    auto const reply = net.guest.next();
    ASSERT_TRUE(reply);
    auto const packet = nat::parse_ipv4(ByteView{reply->bytes}.subspan(14));
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->payload[0], 0);
    EXPECT_EQ(by_hand::checksum(packet->payload), 0);
    EXPECT_EQ(base::text_of(packet->payload.subspan(8)), "are you there");
    net.guest.send(by_hand::echo_request(kServer, {}));
    auto const refusal = net.guest.next();
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->bytes[34], 3);
    EXPECT_EQ(refusal->bytes[35], 13);
  });
}

TEST(Nat, carries_a_connection_both_ways_and_ends_each_by_itself) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    threads::scope server;
    server.spawn("server", [&]() -> Result<void> {
      auto const stream = MUT_TRY(listener->accept(Deadline::never()));
      Bytes question(5);
      MUT_TRY(stream->read_exactly(question, Deadline::never()));
      EXPECT_EQ(base::text_of(question), "hello");
      // The guest has nothing more to say, and still hears.
      std::array<std::uint8_t, 1> more;
      EXPECT_EQ(MUT_TRY(stream->read_some(more, Deadline::never())), 0u);
      MUT_TRY(stream->write_all("and good bye", Deadline::never()));
      stream->finish_writing();
      return {};
    });
    TestTcp tcp{net.guest, kServer, 80};
    ASSERT_TRUE(tcp.connect());
    EXPECT_TRUE(tcp.send_all(base::view_of("hello")));
    tcp.send(TcpSegment::kAck | TcpSegment::kFin);
    tcp.receive_all();
    EXPECT_EQ(base::text_of(tcp.received), "and good bye");
    EXPECT_TRUE(tcp.finished);
    EXPECT_TRUE(server.join());
    ASSERT_TRUE(threads::sleep_for(1s));
    EXPECT_EQ(net.router->counts().tcp, 0u);
  });
}

// Goal: neither loss nor a narrow road between host and server changes a byte, in either direction.
// Method: half a megabyte each way at once; every seed must hold.
TEST(Nat, loses_no_byte_on_a_network_that_loses_many) {
  sim::for_seeds(8, [](Simulation& simulation, std::uint64_t) {
    Net net{simulation, kInternet, {.latency = 30ms, .jitter = 20ms, .loss = 0.05}};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    auto const up = pattern(500'000, 1), down = pattern(500'000, 2);
    threads::scope server;
    server.spawn("server", [&]() -> Result<void> {
      auto const stream = MUT_TRY(listener->accept(Deadline::never()));
      threads::scope both;
      both.spawn("writes", [&]() -> Result<void> {
        MUT_TRY(stream->write_all(down, Deadline::never()));
        stream->finish_writing();
        return {};
      });
      Bytes got(up.size());
      MUT_TRY(stream->read_exactly(got, Deadline::never()));
      EXPECT_EQ(got, up);
      return both.join();
    });
    TestTcp tcp{net.guest, kServer, 80};
    ASSERT_TRUE(tcp.connect());
    EXPECT_TRUE(tcp.send_all(up));
    tcp.receive_all();
    EXPECT_EQ(tcp.received, down);
    EXPECT_TRUE(server.join());
  });
}

TEST(Nat, says_when_nobody_listens_and_when_nobody_answers) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    TestTcp closed{net.guest, kServer, 81};
    auto const asked = threads::now();
    EXPECT_FALSE(closed.connect());
    EXPECT_TRUE(closed.reset);
    EXPECT_LT(threads::now() - asked, 100ms) << "it was told late";
    TestTcp nobody{net.guest, {9, 9, 9, 8}, 80, 40001};
    EXPECT_FALSE(nobody.connect());
    EXPECT_TRUE(nobody.unreachable || nobody.reset);
    EXPECT_EQ(net.router->counts().tcp, 0u);
  });
}

TEST(Nat, resets_what_belongs_to_no_connection) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    TestTcp stray{net.guest, kServer, 80};
    stray.send(TcpSegment::kAck, base::view_of("as if we had met"));
    stray.take();
    EXPECT_TRUE(stray.reset);
    stray.send(TcpSegment::kReset);
    EXPECT_FALSE(net.guest.next()) << "a reset was answered";
  });
}

TEST(Nat, reaches_nothing_on_the_host_unless_it_was_allowed) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, {.reach = NetworkOptions::Reach::lan, .allowed = {{"127.0.0.1", 8080}}}};
    auto const loopback = net.listen(net.here, IpAddress::loopback(), 8080);
    auto const other = net.listen(net.here, IpAddress::loopback(), 8081);
    auto const own = net.listen(net.here, net.here.address(), 80);
    std::uint16_t port = 41000;
    auto const refused = [&](Ipv4Address to, std::uint16_t to_port) {
      TestTcp tcp{net.guest, to, to_port, port++};
      return !tcp.connect() && tcp.unreachable;
    };
    EXPECT_TRUE(refused(kRouterAddress, 8081));
    EXPECT_TRUE(refused({127, 0, 0, 1}, 8080));
    EXPECT_TRUE(refused({8, 8, 4, 4}, 80));
    EXPECT_TRUE(refused({169, 254, 169, 254}, 80));
    EXPECT_TRUE(refused({0, 0, 0, 0}, 80));
    EXPECT_TRUE(refused({224, 0, 0, 1}, 80));
    TestTcp allowed{net.guest, kRouterAddress, 8080, port};
    EXPECT_TRUE(allowed.connect());
    auto const stream = loopback->accept(threads::within(1s));
    ASSERT_TRUE(stream);
    EXPECT_TRUE((*stream)->remote().address.is_loopback());
  });
}

// Goal: a host that takes nothing slows its own connection down, and no other.
// Method: one connection to a server that never reads, filled until its window is shut; then an
// exchange on a second one.
TEST(Nat, a_server_that_reads_nothing_holds_up_only_who_talks_to_it) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    TestTcp stuck{net.guest, kServer, 80, 40001};
    ASSERT_TRUE(stuck.connect());
    auto const never_read = listener->accept(threads::within(1s));
    ASSERT_TRUE(never_read);
    EXPECT_FALSE(stuck.send_all(pattern(2 << 20), 3s));
    EXPECT_EQ(stuck.room, 0u);
    EXPECT_LT(stuck.acknowledged - 1000, 1u << 20) << "more was taken than there are buffers for";

    TestTcp other{net.guest, kServer, 80, 40002};
    ASSERT_TRUE(other.connect());
    auto const reads = listener->accept(threads::within(1s));
    ASSERT_TRUE(reads);
    EXPECT_TRUE(other.send_all(base::view_of("hello")));
    Bytes got(5);
    EXPECT_TRUE((*reads)->read_exactly(got, threads::within(5s)));

    // It reads after all: the window opens, and all goes on.
    Bytes some(100'000);
    ASSERT_TRUE((*never_read)->read_exactly(some, threads::within(5s)));
    Bytes all(300'000);
    ASSERT_TRUE((*never_read)->read_exactly(all, threads::within(5s)));
    while (stuck.room == 0 && stuck.take()) {
    }
    EXPECT_GT(stuck.room, 0u);
  });
}

TEST(Nat, sends_a_guest_no_more_than_its_window_and_waits_until_it_opens) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    TestTcp tcp{net.guest, kServer, 80};
    tcp.window = 4000;
    ASSERT_TRUE(tcp.connect());
    auto const stream = listener->accept(threads::within(1s));
    ASSERT_TRUE(stream);
    auto const sent = pattern(20'000);
    ASSERT_TRUE((*stream)->write_all(sent, threads::within(5s)));
    tcp.acknowledges = false;
    while (tcp.take(100ms)) {
    }
    auto const within_window = tcp.received.size();
    EXPECT_GT(within_window, 0u);
    EXPECT_LE(within_window, 4000u);
    tcp.window = 0;
    tcp.send(TcpSegment::kAck);
    EXPECT_FALSE(tcp.take(500ms)) << "something came to a closed window";
    // It asks from time to time, for the answer that says so may have been forgotten.
    EXPECT_TRUE(tcp.take(10s));
    EXPECT_EQ(tcp.received.size(), within_window);
    tcp.window = 0xFFFF;
    tcp.acknowledges = true;
    tcp.send(TcpSegment::kAck);
    while (tcp.received.size() < sent.size() && tcp.take(5s)) {
    }
    EXPECT_EQ(tcp.received, sent);
  });
}

TEST(Nat, sends_again_what_the_guest_dropped) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    TestTcp tcp{net.guest, kServer, 80};
    ASSERT_TRUE(tcp.connect());
    auto const stream = listener->accept(threads::within(1s));
    auto const sent = pattern(10'000);
    ASSERT_TRUE((*stream)->write_all(sent, threads::within(5s)));
    ASSERT_TRUE(net.guest.next()) << "and it is thrown away";
    (*stream)->finish_writing();
    tcp.receive_all();
    EXPECT_EQ(tcp.received, sent);
    EXPECT_TRUE(tcp.finished);
  });
}

TEST(Nat, gives_up_a_guest_that_answers_no_more) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    TestTcp tcp{net.guest, kServer, 80};
    ASSERT_TRUE(tcp.connect());
    auto const stream = listener->accept(threads::within(1s));
    ASSERT_TRUE((*stream)->write_all("anybody there?", threads::within(5s)));
    while (net.guest.next(5min)) {  // taken, and never acknowledged
    }
    EXPECT_EQ(net.router->counts().tcp, 0u);
    std::array<std::uint8_t, 1> byte;
    auto const got = (*stream)->read_some(byte, threads::within(10s));
    EXPECT_TRUE(!got || *got == 0);
  });
}

TEST(Nat, a_reset_by_either_side_reaches_the_other) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    TestTcp first{net.guest, kServer, 80, 40001}, second{net.guest, kServer, 80, 40002};
    ASSERT_TRUE(first.connect());
    auto const to_first = listener->accept(threads::within(1s));
    first.send(TcpSegment::kReset);
    std::array<std::uint8_t, 1> byte;
    auto const got = (*to_first)->read_some(byte, threads::within(10s));
    EXPECT_TRUE(!got || *got == 0);
    ASSERT_TRUE(second.connect());
    auto const to_second = listener->accept(threads::within(1s));
    simulation.crash(net.server, {.reset_streams = true});
    second.receive_all();
    EXPECT_TRUE(second.reset);
    EXPECT_EQ(net.router->counts().tcp, 0u);
  });
}

// Goal: what is left of a connection does no harm to another that has got its ports.
// Method: the guest gives up while the host is still asked, and tries again with the same port.
TEST(Nat, a_guest_that_gave_up_may_try_again_from_the_same_port) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    simulation.isolate(net.server, 10s);
    TestTcp first{net.guest, kServer, 80};
    first.send(TcpSegment::kSyn);
    ASSERT_TRUE(threads::sleep_for(1s));
    first.send(TcpSegment::kReset);
    ASSERT_TRUE(threads::sleep_for(14s));
    auto const listener = net.listen(net.server, net.server.address(), 80);
    TestTcp second{net.guest, kServer, 80};
    ASSERT_TRUE(second.connect());
    ASSERT_TRUE(threads::sleep_for(1min));
    EXPECT_EQ(net.router->counts().tcp, 1u);
    EXPECT_TRUE(second.send_all(base::view_of("still there")));
  });
}

TEST(Nat, has_no_more_connections_than_it_may) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    // Nobody ever answers there, so each of them waits.
    simulation.isolate(net.server);
    for (std::uint16_t port = 1; port <= 100; ++port) {
      TestTcp tcp{net.guest, kServer, 80, port};
      tcp.send(TcpSegment::kSyn);
    }
    unsigned refused = 0;
    while (auto const frame = net.guest.next(1s)) ++refused;
    EXPECT_EQ(refused, 100u - 64u);
    EXPECT_EQ(net.router->counts().tcp, 64u);
    ASSERT_TRUE(threads::sleep_for(5min));
    EXPECT_EQ(net.router->counts().tcp, 0u);
  });
}

TEST(Nat, ends_connections_that_nobody_uses) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    TestTcp tcp{net.guest, kServer, 80};
    ASSERT_TRUE(tcp.connect());
    ASSERT_TRUE(threads::sleep_for(2h));
    EXPECT_EQ(net.router->counts().tcp, 1u);
    ASSERT_TRUE(threads::sleep_for(10min));
    EXPECT_EQ(net.router->counts().tcp, 0u);
    tcp.receive_all();
    EXPECT_TRUE(tcp.reset);
  });
}

TEST(Nat, leads_a_published_port_to_the_guest) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation,
            {.published = {{.at = {IpAddress::v4({8, 8, 4, 4}), 2222}, .guest_port = 22}}}};
    auto const stream =
        net.server.world().network().connect({net.here.address(), 2222}, {}, threads::within(5s));
    ASSERT_TRUE(stream);
    ASSERT_TRUE((*stream)->write_all("who is there?", threads::within(5s)));
    auto const frame = net.guest.next();
    ASSERT_TRUE(frame);
    auto const packet = nat::parse_ipv4(ByteView{frame->bytes}.subspan(14));
    auto const syn = nat::parse_tcp(*packet, nat::Checksum::verify);
    ASSERT_TRUE(syn);
    EXPECT_EQ(syn->flags, TcpSegment::kSyn);
    EXPECT_EQ(syn->destination_port, 22);
    EXPECT_EQ(packet->source, kRouterAddress);

    TestTcp tcp{net.guest, kRouterAddress, syn->source_port, 22};
    tcp.expected = syn->sequence + 1;
    tcp.send(TcpSegment::kSyn | TcpSegment::kAck);
    while (tcp.received.size() < 13 && tcp.take()) {
    }
    EXPECT_EQ(base::text_of(tcp.received), "who is there?");
    tcp.send(TcpSegment::kAck | TcpSegment::kPush | TcpSegment::kFin, base::view_of("a guest"));
    Bytes answer(7);
    ASSERT_TRUE((*stream)->read_exactly(answer, threads::within(5s)));
    EXPECT_EQ(base::text_of(answer), "a guest");
  });
}

TEST(Nat, tells_a_caller_when_the_guest_refuses_a_published_port) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation,
            {.published = {{.at = {IpAddress::v4({8, 8, 4, 4}), 2222}, .guest_port = 22}}}};
    auto const stream =
        net.server.world().network().connect({net.here.address(), 2222}, {}, threads::within(5s));
    auto const frame = net.guest.next();
    ASSERT_TRUE(frame);
    auto const syn =
        nat::parse_tcp(*nat::parse_ipv4(ByteView{frame->bytes}.subspan(14)), nat::Checksum::verify);
    TestTcp tcp{net.guest, kRouterAddress, syn->source_port, 22};
    tcp.expected = syn->sequence + 1;
    tcp.sequence = 0;
    tcp.send(TcpSegment::kReset | TcpSegment::kAck);
    std::array<std::uint8_t, 1> byte;
    auto const got = (*stream)->read_some(byte, threads::within(10s));
    EXPECT_TRUE(!got || *got == 0);
    EXPECT_EQ(net.router->counts().tcp, 0u);
  });
}

TEST(Nat, says_which_published_port_is_taken) {
  in_simulation([](Simulation& simulation) {
    Host& here = simulation.add_host("here");
    auto const before = here.world().network().listen({IpAddress::loopback(), 2222});
    TestGuest guest;
    auto const made =
        Nat::create({.published = {{.at = {IpAddress::loopback(), 2222}, .guest_port = 22}}},
                    guest.link, here.world());
    ASSERT_FALSE(made);
    EXPECT_TRUE(made.error().what.contains("port 22")) << made.error().what;
    EXPECT_TRUE(made.error().what.contains("2222")) << made.error().what;
  });
}

TEST(Nat, carries_datagrams_and_lets_only_those_answer_who_were_asked) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const socket = *net.server.world().network().bind_datagram({net.server.address(), 53});
    net.guest.send(by_hand::udp(5000, kServer, 53, base::view_of("question")));
    std::array<std::uint8_t, 100> buffer;
    auto const got = socket->receive(buffer, threads::within(5s));
    ASSERT_TRUE(got);
    EXPECT_EQ(base::text_of(ByteView{buffer}.first(got->size)), "question");
    ASSERT_TRUE(socket->send_to(base::view_of("answer"), got->from, threads::within(5s)));
    auto const frame = net.guest.next();
    ASSERT_TRUE(frame);
    auto const packet = nat::parse_ipv4(ByteView{frame->bytes}.subspan(14));
    auto const datagram = nat::parse_udp(*packet, nat::Checksum::verify);
    ASSERT_TRUE(datagram);
    EXPECT_EQ(packet->source, kServer);
    EXPECT_EQ(datagram->destination_port, 5000);
    EXPECT_EQ(base::text_of(datagram->payload), "answer");
    auto const stranger = *net.server.world().network().bind_datagram({net.server.address(), 54});
    ASSERT_TRUE(stranger->send_to(base::view_of("let me in"), got->from, threads::within(5s)));
    EXPECT_FALSE(net.guest.next());
    ASSERT_TRUE(threads::sleep_for(3min));
    EXPECT_EQ(net.router->counts().udp, 0u);
  });
}

TEST(Nat, says_when_a_datagram_may_not_go_where_it_should) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, {}};
    net.guest.send(by_hand::udp(5000, kServer, 53, base::view_of("question")));
    auto const frame = net.guest.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->bytes[34], 3);
    EXPECT_EQ(frame->bytes[35], 13);
    EXPECT_EQ(net.router->counts().udp, 0u);
  });
}

TEST(Nat, leads_datagrams_of_a_published_port_to_the_guest_and_back) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation,
            {.published = {{.at = {IpAddress::v4({8, 8, 4, 4}), 5353},
                            .guest_port = 53,
                            .protocol = NetworkOptions::Protocol::udp}}}};
    auto const socket = *net.server.world().network().bind_datagram({net.server.address(), 0});
    ASSERT_TRUE(
        socket->send_to(base::view_of("ping"), {net.here.address(), 5353}, threads::within(5s)));
    auto const frame = net.guest.next();
    ASSERT_TRUE(frame);
    auto const packet = *nat::parse_ipv4(ByteView{frame->bytes}.subspan(14));
    auto const datagram = *nat::parse_udp(packet, nat::Checksum::verify);
    EXPECT_EQ(datagram.destination_port, 53);
    net.guest.send(by_hand::udp(53, packet.source, datagram.source_port, base::view_of("pong")));
    std::array<std::uint8_t, 100> buffer;
    auto const got = socket->receive(buffer, threads::within(5s));
    ASSERT_TRUE(got);
    EXPECT_EQ(base::text_of(ByteView{buffer}.first(got->size)), "pong");
    EXPECT_EQ(got->from, (Endpoint{net.here.address(), 5353}));
  });
}

Bytes dns_question(std::string_view label, std::uint16_t type = 1) {
  Bytes message{0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(label.size())};
  message.insert(message.end(), label.begin(), label.end());
  message.push_back(0);
  base::append_be(message, type);
  base::append_be<std::uint16_t>(message, 1);
  return message;
}

/// The answer's code, and its last four bytes: of one with an address, that.
std::pair<unsigned, Bytes> ask(TestGuest& guest, std::string_view name) {
  guest.send(by_hand::udp(5001, kNameServerAddress, 53, dns_question(name)));
  auto const frame = guest.next(20s);
  if (!frame) return {99, {}};
  auto const packet = *nat::parse_ipv4(ByteView{frame->bytes}.subspan(14));
  auto const datagram = nat::parse_udp(packet, nat::Checksum::verify);
  if (!datagram) return {98, {}};
  auto const last = datagram->payload.last(4);
  return {datagram->payload[3] & 15u, Bytes(last.begin(), last.end())};
}

TEST(Nat, looks_names_up_as_the_host_does) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    EXPECT_EQ(ask(net.guest, "server"), (std::pair{0u, Bytes{9, 9, 9, 9}}));
    EXPECT_EQ(ask(net.guest, "nobody").first, 3u);
  });
}

TEST(Nat, a_guest_that_reaches_nothing_asks_no_name_server) {
  in_simulation([](Simulation& simulation) {
    simulation.add_host("mirror", {.addresses = {IpAddress::v4({9, 1, 1, 1})}});
    Net net{simulation, {.allowed = {{"mirror", 80}}}};
    EXPECT_EQ(ask(net.guest, "server").first, 5u);
    EXPECT_EQ(ask(net.guest, "mirror"), (std::pair{0u, Bytes{9, 1, 1, 1}}));
  });
}

// Goal: the same on several LWPs at once, with sockets of the system.
// Method: connections that send and receive at the same time as others begin and end.
TEST(NatOnTheHost, carries_many_connections_at_once) {
  threads::runtime runtime{{.processors = 4}};
  runtime.run([] {
    base::SilentLog log;
    auto const world = world::make_real_world(log);
    auto const listener = *world->network().listen({IpAddress::loopback(), 0});
    auto const port = listener->local().port;
    threads::scope server;
    server.spawn("server", [&] {
      threads::scope streams;
      for (;;) {
        auto accepted = listener->accept(Deadline::never());
        if (!accepted) return;
        streams.spawn("echo",
                      [stream = std::shared_ptr{*std::move(accepted)}] {
                        Bytes buffer(10'000);
                        for (;;) {
                          auto const got = stream->read_some(buffer, Deadline::never());
                          if (!got || *got == 0) break;
                          if (!stream->write_all(ByteView{buffer}.first(*got), Deadline::never()))
                            break;
                        }
                        stream->finish_writing();
                      },
                      {.isolated = true});
      }
    });
    TestGuest guest;
    auto const router = *Nat::create({.allowed = {{"127.0.0.1", port}}}, guest.link, *world);
    auto const sent = pattern(300'000);
    for (std::uint16_t round = 0; round < 8; ++round) {
      TestTcp given_up{guest, kRouterAddress, port, static_cast<std::uint16_t>(41000 + round)};
      given_up.send(TcpSegment::kSyn);
      TestTcp tcp{guest, kRouterAddress, port, static_cast<std::uint16_t>(40000 + round)};
      ASSERT_TRUE(tcp.connect());
      given_up.sequence = 1001;
      given_up.send(TcpSegment::kReset);
      EXPECT_TRUE(tcp.send_all(sent));
      tcp.send(TcpSegment::kAck | TcpSegment::kFin);
      tcp.receive_all();
      EXPECT_EQ(tcp.received, sent);
    }
    server.request_stop();
    static_cast<void>(server.join());
  });
}

TEST(Nat, believes_no_other_sender_than_the_guest_and_nothing_damaged) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    net.guest.send(by_hand::udp(5000, kServer, 53, base::view_of("x"), {10, 0, 2, 99}));
    auto damaged = by_hand::udp(5000, kServer, 53, base::view_of("question"));
    damaged.back() ^= 1;
    net.guest.send(damaged);
    auto fragment = by_hand::udp(5000, kServer, 53, base::view_of("question"));
    fragment[20] = 0x20;
    net.guest.send(fragment);
    net.guest.send(Bytes(5));
    EXPECT_FALSE(net.guest.next());
    EXPECT_EQ(net.router->counts().udp, 0u);
  });
}

/// What a router knows, as a snapshot keeps it.
Bytes saved_router(Nat const& router) {
  StateWriter to;
  EXPECT_TRUE(router.save(to));
  return to.bytes();
}

TEST(Nat, ends_connections_that_a_restored_router_does_not_know_and_opens_new_ones) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const listener = net.listen(net.server, net.server.address(), 80);
    std::vector<std::unique_ptr<world::Stream>> streams;
    threads::scope server;
    server.spawn("server", [&] {
      while (auto stream = listener->accept(Deadline::never())) {
        static_cast<void>((*stream)->write_all("some of a file", Deadline::never()));
        streams.push_back(*std::move(stream));
      }
    });
    TestTcp download{net.guest, kServer, 80};
    ASSERT_TRUE(download.connect());
    while (download.received.size() < 14) ASSERT_TRUE(download.take());
    auto const saved = saved_router(*net.router);

    // The guest waits and says nothing: a download.
    net.router = *Nat::create(kInternet, net.guest.link, net.here.world());
    StateReader from{saved, 1};
    ASSERT_TRUE(net.router->restore(from) && from.complete());
    EXPECT_EQ(net.router->counts().tcp, 0u);
    static_cast<void>(download.take());
    EXPECT_TRUE(download.reset);

    // It begins with a connection of which nothing was saved.
    TestTcp forgotten{net.guest, kServer, 80, 40001};
    ASSERT_TRUE(forgotten.connect());
    net.router = *Nat::create(kInternet, net.guest.link, net.here.world());
    forgotten.send(TcpSegment::kAck, base::view_of("still there?"));
    while (!forgotten.reset && forgotten.take()) {
    }
    EXPECT_TRUE(forgotten.reset);

    TestTcp again{net.guest, kServer, 80, 40002};
    ASSERT_TRUE(again.connect());
    while (again.received.size() < 14) ASSERT_TRUE(again.take());
    EXPECT_EQ(base::text_of(again.received), "some of a file");
    server.request_stop();
    static_cast<void>(server.join());
  });
}

TEST(Nat, takes_nothing_for_its_state_that_it_could_not_have_saved) {
  in_simulation([](Simulation& simulation) {
    Net net{simulation, kInternet};
    auto const whole = saved_router(*net.router);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      StateReader cut{ByteView{whole}.first(size), 1};
      EXPECT_FALSE(net.router->restore(cut) && cut.complete()) << size;
    }
    Bytes many = whole;
    many[6] = 1;  // of how many connections it tells
    StateReader from{many, 1};
    EXPECT_FALSE(net.router->restore(from));
    many[7] = many[8] = 0xFF;
    StateReader from_many{many, 1};
    EXPECT_FALSE(net.router->restore(from_many));
  });
}

}  // namespace
}  // namespace mutirao::machine
