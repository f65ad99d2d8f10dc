#include "fabric.h"

#include <algorithm>
#include <bit>

#include "mutirao/base/check.h"

// Who is where, and what is cut; route.cc has how packets find their way.
namespace mutirao::sim {

Fabric::Faults::Faults(FaultRegistry& registry)
    : connect_fails{registry.point("sim.network.connect_fails")},
      resolve_fails{registry.point("sim.network.resolve_fails")},
      slow_accept{registry.point("sim.network.slow_accept")},
      short_read{registry.point("sim.stream.short_read")},
      split_write{registry.point("sim.stream.split_write")},
      late_wakeup{registry.point("sim.stream.late_wakeup")} {}

Fabric::Fabric(NetworkOptions network, std::uint64_t seed, EventQueue& queue, Trace& rolling,
               FaultRegistry& registry)
    : options{network}, events{queue}, trace{rolling}, random{seed, "network"}, faults{registry} {
  MUT_ASSERT(options.segment_bytes_max > 0 && options.send_buffer_bytes > 0 &&
             options.receive_buffer_bytes > 0);
}

// ---- places ------------------------------------------------------------------------------------

Subnet& Fabric::subnet_behind(Router* router) noexcept {
  return router != nullptr ? static_cast<SimulatedRouter*>(router)->inside : internet_;
}

Station& Fabric::add_station(std::string name, Router* behind,
                             std::vector<world::IpAddress> addresses) {
  auto& station = *stations_.emplace_back(std::make_unique<Station>());
  station.index = static_cast<std::uint32_t>(stations_.size());
  bool const is_new = by_name_.emplace(name, &station).second;
  MUT_ASSERT(is_new);
  station.name = std::move(name);
  trace.name_host(station.index, station.name);
  place(station, subnet_behind(behind), std::move(addresses));
  return station;
}

SimulatedRouter& Fabric::add_router(std::string name, RouterOptions options) {
  auto& outside = subnet_behind(options.behind);
  if (options.nat && options.external_addresses.empty()) {
    auto const number = external_given_out_ + 1;
    if (outside.gateway != nullptr) {
      options.external_addresses = {outside.gateway->give_out_address()};
    } else {
      ++external_given_out_;
      options.external_addresses = {world::IpAddress::v4(
          {20, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
           static_cast<std::uint8_t>(number)})};
    }
  }
  constexpr std::uint32_t kFirstIndex = 1u << 23;  // in the trace; hosts count from 1
  auto const index = kFirstIndex + static_cast<std::uint32_t>(routers_.size());
  trace.name_host(index, name);
  return *routers_.emplace_back(std::make_unique<SimulatedRouter>(
      *this, std::move(name), std::move(options), outside, index));
}

void Fabric::place(Station& station, Subnet& subnet, std::vector<world::IpAddress> addresses) {
  if (addresses.empty()) {
    auto const number = station.index;
    addresses.push_back(subnet.gateway != nullptr
                            ? subnet.gateway->give_out_address()
                            : world::IpAddress::v4({10, static_cast<std::uint8_t>(number >> 16),
                                                    static_cast<std::uint8_t>(number >> 8),
                                                    static_cast<std::uint8_t>(number)}));
  }
  for (auto const& address : addresses) attach(subnet, address, {.station = &station});
  station.subnet = &subnet;
  station.addresses = std::move(addresses);
}

void Fabric::attach(Subnet& subnet, world::IpAddress address, Member member) {
  bool const is_new = subnet.members.emplace(address, member).second;
  MUT_ASSERT(is_new);
  auto* const gateway = subnet.gateway;
  if (gateway != nullptr && !gateway->translates(address))
    attach(gateway->outside(), address, {.router = gateway});
}

void Fabric::move(Station& station, Router* behind, std::vector<world::IpAddress> addresses) {
  for (auto const& old : station.addresses) {
    for (auto* subnet = station.subnet;; subnet = &subnet->gateway->outside()) {
      subnet->members.erase(old);
      if (subnet->gateway == nullptr || subnet->gateway->translates(old)) break;
    }
  }
  ++station.moves;
  place(station, subnet_behind(behind), std::move(addresses));
  note(TraceEvent::moved, station);
}

Station* Fabric::find(std::string_view name) noexcept {
  auto const found = by_name_.find(name);
  return found != by_name_.end() ? found->second : nullptr;
}

// ---- cuts --------------------------------------------------------------------------------------

bool Fabric::cut(Station const& from, Station const& to) const noexcept {
  if (&from == &to) return false;
  if (from.isolated || to.isolated) return true;
  if (auto const until = std::max(from.isolated_until, to.isolated_until);
      until != TimePoint{} && events.now() < until)
    return true;
  if (partitions_ != 0 && ((from.first_sides & to.second_sides) != 0 ||
                           (from.second_sides & to.first_sides & partitions_both_ways_) != 0))
    return true;
  return !cuts_.empty() && cuts_.contains({from.index, to.index});
}

void Fabric::set_cut(Station const& a, Station const& b, bool is_cut) {
  for (auto const& pair : {Pair{a.index, b.index}, Pair{b.index, a.index}}) {
    if (is_cut) {
      cuts_[pair] = true;
    } else {
      cuts_.erase(pair);
    }
  }
}

PartitionId Fabric::set_cut(std::span<Station* const> first, std::span<Station* const> second,
                            Direction direction) {
  MUT_ASSERT(~partitions_ != 0);  // 64 at once
  auto const number = static_cast<unsigned>(std::countr_one(partitions_));
  auto const bit = std::uint64_t{1} << number;
  partitions_ |= bit;
  if (direction == Direction::both) partitions_both_ways_ |= bit;
  for (auto* const station : first) station->first_sides |= bit;
  for (auto* const station : second) station->second_sides |= bit;
  return static_cast<PartitionId>(number);
}

void Fabric::heal(PartitionId partition) {
  auto const bit = std::uint64_t{1} << static_cast<unsigned>(partition);
  if ((partitions_ & bit) == 0) return;  // with all others, already
  partitions_ &= ~bit;
  partitions_both_ways_ &= ~bit;
  for (auto const& station : stations_) {
    station->first_sides &= ~bit;
    station->second_sides &= ~bit;
  }
}

void Fabric::heal() noexcept {
  cuts_.clear();
  clogs_.clear();
  partitions_ = partitions_both_ways_ = 0;
  for (auto const& station : stations_) {
    station->isolated = false;
    station->isolated_until = {};
    station->first_sides = station->second_sides = 0;
  }
  for (auto const& router : routers_) router->set_connected(true);
}

void Fabric::clog(Station const& from, Station const& to, TimePoint until) {
  clogs_[{from.index, to.index}] = until;
}

TimePoint Fabric::unclogged(Station const& from, Station const& to) const noexcept {
  auto const now = events.now();
  if (clogs_.empty()) return now;
  auto const found = clogs_.find({from.index, to.index});
  if (found == clogs_.end() || found->second <= now) return now;
  // To look again at the full second: it may be over sooner, and what came first goes first.
  auto const second = std::chrono::floor<std::chrono::seconds>(now) + 1s;
  return std::min<TimePoint>(found->second, second);
}

}  // namespace mutirao::sim
