#include "port.h"

#include <charconv>

#include "mutirao/node/config.h"

namespace mutirao::node {
namespace {

constexpr char kSetting[] = "port";
constexpr std::uint16_t kPortsTried = 10;
constexpr unsigned kPairsTried = 8;

std::uint16_t remembered_port(StateDb& db) {
  std::uint16_t port = kDefaultPort;
  auto const text = db.setting(kSetting);
  if (text && *text) std::from_chars((*text)->data(), (*text)->data() + (*text)->size(), port);
  return port;
}

std::unique_ptr<world::DatagramSocket> datagram_beside(world::World& world, world::Endpoint tcp) {
  auto udp = world.network().bind_datagram(tcp);
  if (udp) return *std::move(udp);
  world.log().warning("node", "no UDP tracker: {}", udp.error().what);
  return nullptr;
}

/// A free port of TCP whose number is free in UDP as well, if a few attempts find one.
Result<Ports> any_port(world::World& world, world::IpAddress address) {
  Ports ports;
  for (unsigned attempt = 0; attempt < kPairsTried; ++attempt) {
    ports.tcp = MUT_TRY(world.network().listen({address, 0}));
    if (auto udp = world.network().bind_datagram(ports.tcp->local())) {
      ports.udp = *std::move(udp);
      break;
    }
  }
  return ports;
}

}  // namespace

Result<Ports> open_ports(world::World& world, std::optional<world::Endpoint> named, StateDb& db) {
  if (named && named->port == 0) return any_port(world, named->address);
  if (named) {
    auto tcp = MUT_TRY(world.network().listen(*named));
    auto udp = datagram_beside(world, tcp->local());
    return Ports{std::move(tcp), std::move(udp)};
  }
  auto const first = remembered_port(db);
  for (std::uint16_t step = 0; step < kPortsTried; ++step) {
    auto tcp =
        world.network().listen({world::IpAddress::any(), static_cast<std::uint16_t>(first + step)});
    if (!tcp) continue;
    auto const bound = (*tcp)->local();
    if (bound.port != first || first != kDefaultPort)
      MUT_TRY(db.set(kSetting, std::to_string(bound.port)));
    auto udp = datagram_beside(world, bound);
    return Ports{*std::move(tcp), std::move(udp)};
  }
  return any_port(world, world::IpAddress::any());
}

}  // namespace mutirao::node
