#pragma once

// Programs that find out what stands between two hosts, in any world: a classifier of NATs
// (the tests of RFC 5780), a rendezvous, and a minimal hole puncher. For tests, in the simulated
// world and against the NATs of the kernel.

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/sim/nat.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/world.h"

namespace mutirao::sim::probe {

/// What the classifier sees of the NATs on its way out.
struct NatVerdict {
  bool udp_passes = false;
  Dependence mapping{};
  Dependence filtering{};
  bool preserves_port = false;
  friend bool operator==(NatVerdict const&, NatVerdict const&) = default;
};

inline std::string_view name_of(Dependence on) {
  switch (on) {
    case Dependence::endpoint_independent:
      return "endpoint-independent";
    case Dependence::address_dependent:
      return "address-dependent";
    case Dependence::address_and_port_dependent:
      break;
  }
  return "address-and-port-dependent";
}

inline std::string to_string(NatVerdict const& verdict) {
  if (!verdict.udp_passes) return "udp-blocked";
  return std::string{"mapping="}.append(name_of(verdict.mapping)) +
         " filtering=" + std::string{name_of(verdict.filtering)} +
         (verdict.preserves_port ? " preserves-port" : " other-port");
}

/// A server with two addresses and two ports, as RFC 5780 needs: it tells who asked, from where it
/// was asked to. It also introduces two peers that name the same meeting to each other.
///
///     "same" | "port" | "both"     answer from this socket, the other port, other address and port
///     "first NAME", "second NAME"    answer with the peer's endpoint, when both have come
class Server {
 public:
  static constexpr std::uint16_t kFirstPort = 3478, kSecondPort = 3479;

  static Result<std::unique_ptr<Server>> start(world::World& world, world::IpAddress first,
                                               world::IpAddress second, threads::scope& scope) {
    auto server = std::unique_ptr<Server>{new Server};
    for (auto const& address : {first, second}) {
      for (auto const port : {kFirstPort, kSecondPort})
        server->sockets_.push_back(MUT_TRY(world.network().bind_datagram({address, port})));
    }
    for (std::size_t i = 0; i < server->sockets_.size(); ++i)
      scope.spawn("probe server", [s = server.get(), i] { return s->serve(i); },
                  {.isolated = true});
    return server;
  }
  /// The first of two that meet is told that much before the second, and so is the first to send.
  void set_head_start(Duration head_start) { head_start_ = head_start; }

 private:
  Server() = default;

  Result<void> serve(std::size_t index) {
    std::array<std::uint8_t, 200> buffer;
    for (;;) {
      auto const received = MUT_TRY(sockets_[index]->receive(buffer, Deadline::never()));
      auto const wish = std::string{base::text_of(ByteView{buffer}.first(received.size))};
      if (wish.starts_with("first ") || wish.starts_with("second ")) {
        MUT_TRY(introduce(*sockets_[index], wish, received.from));
        continue;
      }
      auto const from = wish == "both" ? index ^ 3 : wish == "port" ? index ^ 1 : index;
      (void)sockets_[from]->send_to(base::view_of("you " + received.from.to_string()),
                                    received.from, threads::within(1s));
    }
  }

  Result<void> introduce(world::DatagramSocket& socket, std::string const& wish,
                         world::Endpoint who) {
    bool const is_first = wish.starts_with("first ");
    auto const meeting = wish.substr(wish.find(' '));
    auto const [other, is_new] = waiting_.try_emplace(meeting, who);
    if (is_new || other->second == who) return {};
    auto const peer = other->second;
    waiting_.erase(other);
    auto const tell = [&](world::Endpoint whom, world::Endpoint about) {
      return socket.send_to(base::view_of("peer " + about.to_string()), whom, threads::within(1s));
    };
    MUT_TRY(tell(is_first ? who : peer, is_first ? peer : who));
    MUT_TRY(threads::sleep_for(head_start_));
    return tell(is_first ? peer : who, is_first ? who : peer);
  }

  std::vector<std::unique_ptr<world::DatagramSocket>> sockets_;
  std::map<std::string, world::Endpoint> waiting_;
  Duration head_start_{0};
};

struct Heard {
  std::string text;
  world::Endpoint from;
};

inline Result<Heard> hear(world::DatagramSocket& socket, Deadline deadline) {
  std::array<std::uint8_t, 200> buffer;
  auto const received = MUT_TRY(socket.receive(buffer, deadline));
  return Heard{std::string{base::text_of(ByteView{buffer}.first(received.size))}, received.from};
}

/// Asks until there is an answer, three times; nothing when there is none.
inline std::optional<world::Endpoint> ask(world::DatagramSocket& socket, world::Endpoint server,
                                          std::string_view wish, Duration patience = 500ms) {
  for (int tries = 0; tries < 3; ++tries) {
    if (!socket.send_to(base::view_of(wish), server, threads::within(1s))) return std::nullopt;
    auto const deadline = threads::within(patience);
    while (auto const heard = hear(socket, deadline)) {
      if (heard->text.starts_with("you ")) return world::Endpoint::parse(heard->text.substr(4));
    }
  }
  return std::nullopt;
}

/// RFC 5780 §4.3 and §4.4.
inline Result<NatVerdict> classify(world::World& world, world::IpAddress first,
                                   world::IpAddress second, Duration patience = 500ms) {
  using enum Dependence;
  world::Endpoint const first_first{first, Server::kFirstPort};
  auto const socket = MUT_TRY(world.network().bind_datagram({world::IpAddress::any(), 0}));
  auto const seen = ask(*socket, first_first, "same", patience);
  if (!seen) return NatVerdict{};
  NatVerdict verdict{.udp_passes = true, .preserves_port = seen->port == socket->local().port};
  auto const elsewhere = ask(*socket, {second, Server::kFirstPort}, "same", patience);
  auto const other_port = ask(*socket, {second, Server::kSecondPort}, "same", patience);
  verdict.mapping = seen == elsewhere         ? endpoint_independent
                    : elsewhere == other_port ? address_dependent
                                              : address_and_port_dependent;
  auto const fresh = MUT_TRY(world.network().bind_datagram({world::IpAddress::any(), 0}));
  verdict.filtering = ask(*fresh, first_first, "both", patience)   ? endpoint_independent
                      : ask(*fresh, first_first, "port", patience) ? address_dependent
                                                                   : address_and_port_dependent;
  return verdict;
}

/// Whether a host reaches another behind the same NAT by its external endpoint (RFC 4787 §6).
inline Result<bool> hairpins(world::World& world, world::IpAddress server) {
  auto const a = MUT_TRY(world.network().bind_datagram({world::IpAddress::any(), 0}));
  auto const b = MUT_TRY(world.network().bind_datagram({world::IpAddress::any(), 0}));
  auto const outside_of_a = ask(*a, {server, Server::kFirstPort}, "same");
  auto const outside_of_b = ask(*b, {server, Server::kFirstPort}, "same");
  if (!outside_of_a || !outside_of_b) return false;
  MUT_TRY(a->send_to(base::view_of("open"), *outside_of_b, threads::within(1s)));
  MUT_TRY(b->send_to(base::view_of("hairpin"), *outside_of_a, threads::within(1s)));
  auto const deadline = threads::within(500ms);
  while (auto const heard = hear(*a, deadline)) {
    if (heard->text == "hairpin") return true;
  }
  return false;
}

/// Meets a peer at the server and tries to reach it: a probe each 50 ms to where the server saw it,
/// or where it was heard from since. How long it took from the introduction until the peer had
/// answered; nothing when it never did.
inline Result<std::optional<Duration>> punch(world::World& world, world::IpAddress server,
                                             bool is_first, std::string_view meeting,
                                             Duration patience = 3s) {
  constexpr Duration kProbeInterval = 50ms;
  auto const socket = MUT_TRY(world.network().bind_datagram({world::IpAddress::any(), 0}));
  std::optional<world::Endpoint> peer;
  auto const give_up = threads::within(patience + 10s);
  auto const say = [&](std::string_view what, world::Endpoint to) {
    return socket->send_to(base::view_of(what), to, threads::within(1s));
  };
  while (!peer) {
    MUT_TRY(say((is_first ? "first " : "second ") + std::string{meeting},
                {server, Server::kFirstPort}));
    auto const heard = hear(*socket, earlier(give_up, threads::within(1s)));
    if (heard && heard->text.starts_with("peer "))
      peer = world::Endpoint::parse(std::string_view{heard->text}.substr(5));
    if (!heard && give_up.passed(world.clock().now())) return std::nullopt;
  }
  auto const start = world.clock().now();
  std::optional<Duration> took;
  auto const end = Deadline::at(start + patience);
  while (!end.passed(world.clock().now())) {
    MUT_TRY(say("probe", *peer));
    auto const next = threads::within(kProbeInterval);
    while (auto const heard = hear(*socket, next)) {
      if (heard->text == "probe") {
        peer = heard->from;
        MUT_TRY(say("answer", *peer));
      } else if (heard->text == "answer" && !took) {
        took = world.clock().now() - start;
      }
    }
    // The peer may still need answers of ours.
    if (took && world.clock().now() - start > *took + 500ms) break;
  }
  return took;
}

}  // namespace mutirao::sim::probe
