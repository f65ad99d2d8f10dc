#include "fabric.h"

#include <algorithm>

#include "mutirao/base/check.h"

namespace mutirao::sim {

namespace {
Link const kLoopback{.latency = 20us, .jitter = 5us};
}  // namespace

Fabric::Fabric(NetworkOptions network, std::uint64_t seed, EventQueue& queue, Trace& rolling)
    : options{network}, events{queue}, trace{rolling}, random{seed, "network"} {
  MUT_ASSERT(options.segment_bytes_max > 0 && options.send_buffer_bytes > 0 &&
             options.receive_buffer_bytes > 0);
}

Station& Fabric::add_station(std::string name, std::vector<world::IpAddress> addresses) {
  auto& station = *stations_.emplace_back(std::make_unique<Station>());
  auto const number = static_cast<std::uint32_t>(stations_.size());
  station.index = number;
  if (addresses.empty()) {
    addresses.push_back(world::IpAddress::v4({10, static_cast<std::uint8_t>(number >> 16),
                                              static_cast<std::uint8_t>(number >> 8),
                                              static_cast<std::uint8_t>(number)}));
  }
  for (auto const& address : addresses) {
    bool const is_new = by_address_.emplace(address, &station).second;
    MUT_ASSERT(is_new);
  }
  bool const is_new = by_name_.emplace(name, &station).second;
  MUT_ASSERT(is_new);
  station.name = std::move(name);
  station.addresses = std::move(addresses);
  return station;
}

Station* Fabric::find(Station& from, world::IpAddress address) noexcept {
  // As Linux does: to connect to the unspecified address is to connect to oneself.
  if (address.is_loopback() || address.is_unspecified()) return &from;
  auto const found = by_address_.find(address);
  return found != by_address_.end() ? found->second : nullptr;
}

Station* Fabric::find(std::string_view name) noexcept {
  auto const found = by_name_.find(name);
  return found != by_name_.end() ? found->second : nullptr;
}

bool Fabric::cut(Station const& a, Station const& b) const noexcept {
  if (&a == &b) return false;
  if (a.isolated || b.isolated) return true;
  return !cuts_.empty() && cuts_.contains(std::minmax(a.index, b.index));
}

void Fabric::set_cut(Station const& a, Station const& b, bool is_cut) {
  Pair const pair = std::minmax(a.index, b.index);
  if (is_cut) {
    cuts_.insert(pair);
  } else {
    cuts_.erase(pair);
  }
}

Link const& Fabric::link(Station const& from, Station const& to) const noexcept {
  if (&from == &to) return kLoopback;
  auto const found = paths_.find({from.index, to.index});
  return found != paths_.end() ? found->second.link : options.link;
}

void Fabric::set_link(Station const& from, Station const& to, Link link) {
  auto& path = paths_[{from.index, to.index}];
  path.link = link;
  path.line.bytes_per_s = link.bandwidth_bytes_per_s;
}

Duration Fabric::delay(Station const& from, Station const& to) {
  auto const& between = link(from, to);
  return between.latency + random.up_to(between.jitter);
}

TimePoint Fabric::departure(Station& from, Station const& to, std::size_t size) {
  auto const now = events.now();
  if (&from == &to) return now;
  auto const left = from.uplink.pass(now, size);
  Pair const pair{from.index, to.index};
  if (auto const found = paths_.find(pair); found != paths_.end())
    return found->second.line.pass(left, size);
  if (options.link.bandwidth_bytes_per_s == 0) return left;
  auto& line = default_lines_[pair];
  line.bytes_per_s = options.link.bandwidth_bytes_per_s;
  return line.pass(left, size);
}

TimePoint Fabric::landing(Station const& from, Station& to, std::size_t size) {
  auto const now = events.now();
  return &from == &to ? now : to.downlink.pass(now, size);
}

}  // namespace mutirao::sim
