#include "simulated_router.h"

#include <algorithm>
#include <utility>

#include "mutirao/base/check.h"

#include "fabric.h"

namespace mutirao::sim {

SimulatedRouter::SimulatedRouter(Fabric& fabric, std::string name, RouterOptions options,
                                 Subnet& outside, std::uint32_t index)
    : fabric_{fabric},
      name_{std::move(name)},
      options_{std::move(options)},
      outside_{outside},
      index_{index} {
  inside.gateway = this;
  inside.depth = outside.depth + 1;
  MUT_ASSERT(options_.nat || options_.external_addresses.empty());
  for (auto const& address : options_.external_addresses)
    fabric_.attach(outside_, address, {.router = this});
  set_uplink(options_.uplink);
  make_nat();
  make_guard();
}

void SimulatedRouter::make_nat() {
  if (options_.nat) nat_.emplace(*options_.nat, options_.external_addresses, fabric_.random);
}

void SimulatedRouter::make_guard() {
  guard_.reset();
  if (!options_.firewall.blocks_inbound) return;
  auto memory = options_.nat.value_or(NatOptions{});
  memory.filtering = Dependence::address_and_port_dependent;
  memory.leaky = false;
  guard_.emplace(memory, std::vector<world::IpAddress>{}, fabric_.random);
}

world::IpAddress SimulatedRouter::external_address() const noexcept {
  MUT_ASSERT(!options_.external_addresses.empty());
  return options_.external_addresses.front();
}

world::IpAddress SimulatedRouter::give_out_address() noexcept {
  auto bytes = options_.inside.bytes();
  MUT_ASSERT(options_.inside.is_v4());
  std::uint32_t number = base::load_be<std::uint32_t>(bytes) + 2 + inside.given_out++;
  return world::IpAddress::v4(
      {static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
       static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
}

bool SimulatedRouter::owns(world::IpAddress const& address) const noexcept {
  return std::ranges::find(options_.external_addresses, address) !=
         options_.external_addresses.end();
}

// ---- packets -----------------------------------------------------------------------------------

NatTable* SimulatedRouter::table_for(world::IpAddress const& address) noexcept {
  if (translates(address)) return &*nat_;
  return guard_ ? &*guard_ : nullptr;
}

Verdict SimulatedRouter::denial(Header const& packet) {
  ++denied_;
  fabric_.trace.note(fabric_.events.now(), TraceEvent::denied, index_, packet.target.port);
  return options_.firewall.denial == Firewall::Denial::reject ? Verdict::refused : Verdict::lost;
}

Verdict SimulatedRouter::outward(Header& packet) {
  auto const& wall = options_.firewall;
  if (!packet.is_tcp() && wall.blocks_udp) return denial(packet);
  if (packet.kind == Header::Kind::syn && !wall.tcp_ports_allowed.empty() &&
      std::ranges::find(wall.tcp_ports_allowed, packet.target.port) == wall.tcp_ports_allowed.end())
    return denial(packet);
  if (!connected_) return Verdict::lost;
  auto* const table = table_for(packet.source.address);
  if (table == nullptr) return Verdict::passed;
  auto const external = table->outward(packet, fabric_.events.now());
  if (!external) return denial(packet);
  packet.source = *external;
  return Verdict::passed;
}

Verdict SimulatedRouter::inward(Header& packet) {
  if (!connected_) return Verdict::lost;
  if (!packet.is_tcp() && options_.firewall.blocks_udp) return denial(packet);
  auto* const table = table_for(packet.target.address);
  if (table == nullptr) return Verdict::passed;
  auto const target = table->inward(packet, fabric_.events.now());
  if (!target) return denial(packet);
  packet.target = *target;
  return Verdict::passed;
}

Verdict SimulatedRouter::hairpin(Header& packet) {
  if (!options_.nat->hairpins) return denial(packet);
  if (auto const out = outward(packet); out != Verdict::passed) return out;
  return inward(packet);
}

// ---- control -----------------------------------------------------------------------------------

void SimulatedRouter::reboot() {
  if (nat_) nat_->forget();
  if (guard_) guard_->forget();
}

void SimulatedRouter::set_nat(NatOptions options) {
  MUT_ASSERT(nat_);
  options_.nat = options;
  make_nat();
  make_guard();
}

void SimulatedRouter::set_firewall(Firewall firewall) {
  options_.firewall = std::move(firewall);
  make_guard();
}

void SimulatedRouter::set_uplink(Link uplink) {
  options_.uplink = uplink;
  up.bytes_per_s = down.bytes_per_s = uplink.bandwidth_bytes_per_s;
}

void SimulatedRouter::set_external_addresses(std::vector<world::IpAddress> addresses) {
  MUT_ASSERT(nat_ && !addresses.empty());
  for (auto const& old : options_.external_addresses) outside_.members.erase(old);
  options_.external_addresses = std::move(addresses);
  for (auto const& address : options_.external_addresses)
    fabric_.attach(outside_, address, {.router = this});
  make_nat();
}

std::size_t SimulatedRouter::mappings() { return nat_ ? nat_->mappings(fabric_.events.now()) : 0; }

}  // namespace mutirao::sim
