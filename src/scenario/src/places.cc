#include "places.h"

#include <fmt/format.h>

#include "timeline.h"

namespace mutirao::scenario {
namespace {

constexpr std::uint64_t kPlaceStream = 3002;
constexpr std::uint64_t kHomesOfACarrier = 32;
constexpr std::uint8_t kInternet = 30;  // first byte of addresses there
constexpr std::uint8_t kCarrier = 100;  // RFC 6598

world::IpAddress address(std::uint8_t net, std::uint32_t number) noexcept {
  return world::IpAddress::v4({net, static_cast<std::uint8_t>(number >> 16),
                               static_cast<std::uint8_t>(number >> 8),
                               static_cast<std::uint8_t>(number)});
}

sim::NatOptions nat_of(GatewayKind kind) noexcept {
  switch (kind) {
    case GatewayKind::full_cone:
      return sim::NatOptions::full_cone();
    case GatewayKind::address_restricted:
      return sim::NatOptions::address_restricted();
    case GatewayKind::symmetric:
      return sim::NatOptions::symmetric();
    case GatewayKind::symmetric_predictable:
      return sim::NatOptions::symmetric_predictable();
    case GatewayKind::leaky:
      return sim::NatOptions::leaky_port_restricted();
    case GatewayKind::port_restricted:
    case GatewayKind::carrier:
    case GatewayKind::no_inbound:
    case GatewayKind::no_udp:
      break;
  }
  return sim::NatOptions::port_restricted();
}

bool is_firewall(GatewayKind kind) noexcept {
  return kind == GatewayKind::no_inbound || kind == GatewayKind::no_udp;
}

/// What lies there is told by the network's own figures.
constexpr sim::Link kUplink{.latency = 1ms, .jitter = 100us};

}  // namespace

Places::Places(Scenario const& scenario, std::uint64_t seed, sim::Simulation& network)
    : scenario_{scenario}, seed_{seed}, network_{network} {}

world::IpAddress Places::next_address() noexcept { return address(kInternet, ++given_out_); }

sim::Host& Places::add_reachable(std::string name) {
  return network_.add_host(std::move(name), {.addresses = {next_address()}});
}

std::optional<GatewayKind> Places::draw(std::uint32_t number) const noexcept {
  Draws draws{seed_, kPlaceStream, number};
  auto left = draws.fraction();
  for (auto const kind : all_gateway_kinds()) {
    left -= scenario_.share_behind(kind);
    if (left < 0) return kind;
  }
  return std::nullopt;
}

Place Places::add_peer(std::uint32_t number, std::string name) {
  auto const kind = draw(number);
  if (!kind) return {&add_reachable(std::move(name))};
  ++behind_[static_cast<std::size_t>(*kind)];
  if (is_firewall(*kind)) {
    auto const wall =
        *kind == GatewayKind::no_udp ? sim::Firewall::no_udp() : sim::Firewall::no_inbound();
    auto& router = add_router(name, {.nat = std::nullopt, .firewall = wall});
    return {&network_.add_host(std::move(name), {.behind = &router, .addresses = {next_address()}}),
            &router};
  }
  auto* const provider = *kind == GatewayKind::carrier ? &carrier() : nullptr;
  auto& router =
      provider != nullptr
          ? add_router(name, {.behind = provider, .nat = nat_of(*kind)})
          : add_router(name, {.nat = nat_of(*kind), .external_addresses = {next_address()}});
  return {&network_.add_host(std::move(name), {.behind = &router}), &router,
          provider != nullptr ? provider : &router};
}

sim::Router& Places::add_router(std::string const& name, sim::RouterOptions options) {
  options.uplink = kUplink;
  auto& router = network_.add_router(fmt::format("router of {}", name), std::move(options));
  routers_.push_back(&router);
  return router;
}

sim::Router& Places::carrier() {
  auto const homes = behind_[static_cast<std::size_t>(GatewayKind::carrier)] - 1;
  if (homes % kHomesOfACarrier == 0)
    carriers_.push_back(&add_router(
        fmt::format("homes {}", carriers_.size() + 1),
        {.external_addresses = {next_address()}, .inside = address(kCarrier, 64 << 16)}));
  return *carriers_.back();
}

world::IpAddress Places::address_of(Place const& place) noexcept {
  return place.outermost != nullptr ? place.outermost->external_address() : place.host->address();
}

void Places::change_address(Place const& place) {
  if (place.outermost == nullptr) return network_.move(*place.host, place.router, {next_address()});
  // In the carrier's network beyond those that it gave out; both have enough.
  auto const fresh = place.outermost == place.router ? next_address()
                                                     : address(kCarrier, (65 << 16) + ++given_out_);
  place.router->set_external_addresses({fresh});
}

std::uint64_t Places::denied() const noexcept {
  std::uint64_t packets = 0;
  for (auto const* const router : routers_) packets += router->denied();
  return packets;
}

}  // namespace mutirao::scenario
