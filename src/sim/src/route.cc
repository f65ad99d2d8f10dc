// How packets find their way, and how long that takes.
#include <algorithm>

#include "fabric.h"

namespace mutirao::sim {

namespace {
Link const kLoopback{.latency = 20us, .jitter = 5us};
constexpr Duration kLineBacklogMax = 200ms;  // a longer queue drops its tail

/// One way after the other.
Link joined(Link const& a, Link const& b) {
  auto const either = [](double one, double other) { return 1 - (1 - one) * (1 - other); };
  auto const narrower = [](auto one, auto other) {
    return one == 0 || other == 0 ? std::max(one, other) : std::min(one, other);
  };
  return {.latency = a.latency + b.latency,
          .jitter = a.jitter + b.jitter,
          .loss = either(a.loss, b.loss),
          .duplication = either(a.duplication, b.duplication),
          .reordering = either(a.reordering, b.reordering),
          .reordering_delay = std::max(a.reordering_delay, b.reordering_delay),
          .datagram_bytes_max = narrower(a.datagram_bytes_max, b.datagram_bytes_max),
          .bandwidth_bytes_per_s = narrower(a.bandwidth_bytes_per_s, b.bandwidth_bytes_per_s)};
}

Subnet* outside_of(Subnet const* subnet) noexcept { return &subnet->gateway->outside(); }

Subnet const* common(Subnet const* a, Subnet const* b) noexcept {
  while (a->depth > b->depth) a = outside_of(a);
  while (b->depth > a->depth) b = outside_of(b);
  while (a != b) {
    a = outside_of(a);
    b = outside_of(b);
  }
  return a;
}
}  // namespace

// ---- packets -----------------------------------------------------------------------------------

Way Fabric::outward(Station& from, Header& packet, std::optional<std::size_t> size) {
  auto const& target = packet.target.address;
  Way way{.left = events.now()};
  // As Linux does: to connect to the unspecified address is to connect to oneself.
  if (from.owns(target) || target.is_unspecified()) {
    way.verdict = Verdict::passed;
    way.station = &from;
    way.link = kLoopback;
    return way;
  }
  bool first = true;
  auto const add = [&](Link const& link) {
    way.link = first ? link : joined(way.link, link);
    first = false;
  };
  auto* subnet = from.subnet;
  auto member = subnet->find(target);
  if (size &&
      (member.station != nullptr || member.router != nullptr || subnet->gateway != nullptr)) {
    if (!packet.is_tcp() && from.uplink.free_at() - way.left > kLineBacklogMax) return way;
    way.left = from.uplink.pass(way.left, *size);
  }
  for (; member.station == nullptr && member.router == nullptr; member = subnet->find(target)) {
    auto* const router = subnet->gateway;
    if (router == nullptr) return way;
    add(router->lan());
    if (router->owns(target)) {
      way.verdict = router->hairpin(packet);
      member = subnet->find(target);
      if (member.station == nullptr && member.router == nullptr) way.verdict = Verdict::lost;
      if (way.verdict != Verdict::passed) return way;
      break;
    }
    way.verdict = router->outward(packet);
    if (way.verdict != Verdict::passed) return way;
    way.verdict = Verdict::lost;
    if (size) {
      if (!packet.is_tcp() && router->up.free_at - way.left > kLineBacklogMax) return way;
      way.left = router->up.pass(way.left, *size);
    }
    add(router->uplink());
    subnet = &router->outside();
  }
  way.verdict = Verdict::passed;
  way.station = member.station;
  way.router = member.router;
  if (member.station == nullptr) {
    add(link_within(*subnet));
    add(member.router->uplink());
    return way;
  }
  add(link_within(*subnet, from, *member.station));
  if (size) way.left = pass_between(from, *member.station, way.left, *size);
  return way;
}

Way Fabric::inward(SimulatedRouter& router, Header& packet, std::optional<std::size_t> size) {
  Way way{.verdict = router.inward(packet), .link = router.lan(), .left = events.now()};
  if (way.verdict != Verdict::passed) return way;
  if (size) way.left = router.down.pass(way.left, *size);
  auto const member = router.inside.find(packet.target.address);
  way.station = member.station;
  way.router = member.router;
  if (member.router != nullptr) {
    way.link = joined(way.link, member.router->uplink());
  } else if (member.station == nullptr) {
    way.verdict = Verdict::lost;
  }
  return way;
}

Way Fabric::cross(Station& from, Header& packet) {
  auto way = outward(from, packet, {});
  while (way.verdict == Verdict::passed && way.router != nullptr)
    way = inward(*way.router, packet, {});
  return way;
}

// ---- links and lines ---------------------------------------------------------------------------

void Fabric::set_link(Station const& from, Station const& to, Link link) {
  auto& path = paths_[{from.index, to.index}];
  path.link = link;
  path.line.bytes_per_s = link.bandwidth_bytes_per_s;
}

Link const& Fabric::link_within(Subnet const& subnet, Station const& from,
                                Station const& to) const noexcept {
  if (!paths_.empty() && from.subnet == to.subnet) {
    if (auto const found = paths_.find({from.index, to.index}); found != paths_.end())
      return found->second.link;
  }
  return link_within(subnet);
}

Link Fabric::link(Station const& from, Station const& to) const {
  if (&from == &to) return kLoopback;
  auto const* const top = common(from.subnet, to.subnet);
  auto all = link_within(*top, from, to);
  for (auto const* bottom : {from.subnet, to.subnet}) {
    for (auto const* subnet = bottom; subnet != top; subnet = outside_of(subnet))
      all = joined(all, joined(subnet->gateway->lan(), subnet->gateway->uplink()));
  }
  return all;
}

TimePoint Fabric::pass_between(Station const& from, Station const& to, TimePoint when,
                               std::size_t size) {
  Pair const pair{from.index, to.index};
  if (!paths_.empty() && from.subnet == to.subnet) {
    if (auto const found = paths_.find(pair); found != paths_.end())
      return found->second.line.pass(when, size);
  }
  if (options.link.bandwidth_bytes_per_s == 0) return when;
  auto& line = default_lines_[pair];
  line.bytes_per_s = options.link.bandwidth_bytes_per_s;
  return line.pass(when, size);
}

TimePoint Fabric::departure(Station& from, Station const& to, std::size_t size) {
  auto const now = events.now();
  if (&from == &to) return now;
  auto left = from.uplink.pass(now, size);
  auto const* const top = common(from.subnet, to.subnet);
  for (auto const* subnet = from.subnet; subnet != top; subnet = outside_of(subnet))
    left = subnet->gateway->up.pass(left, size);
  return pass_between(from, to, left, size);
}

TimePoint Fabric::landing(Station const& from, Station& to, std::size_t size) {
  auto landed = events.now();
  if (&from == &to) return landed;
  auto const* const top = common(from.subnet, to.subnet);
  for (auto const* subnet = to.subnet; subnet != top; subnet = outside_of(subnet))
    landed = subnet->gateway->down.pass(landed, size);
  return to.downlink.pass(landed, size);
}

}  // namespace mutirao::sim
