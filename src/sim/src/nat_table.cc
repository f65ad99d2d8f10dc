#include "nat_table.h"

#include <algorithm>
#include <utility>

#include "mutirao/base/check.h"

namespace mutirao::sim {

namespace {
constexpr Duration kLeakLifetime = 30s;  // net.netfilter.nf_conntrack_udp_timeout
constexpr int kRandomTriesMax = 16;      // then the next free one from there

world::Endpoint depending(Dependence on, world::Endpoint remote) noexcept {
  switch (on) {
    case Dependence::endpoint_independent:
      return {};
    case Dependence::address_dependent:
      return {remote.address, 0};
    case Dependence::address_and_port_dependent:
      break;
  }
  return remote;
}
}  // namespace

std::size_t NatTable::Hash::operator()(MappingKey const& key) const noexcept {
  return mix(hash_of(key.inside) + 3 * hash_of(key.remote) + (key.tcp ? 1 : 0));
}
std::size_t NatTable::Hash::operator()(ExternalKey const& key) const noexcept {
  return mix(hash_of(key.external) + (key.tcp ? 1 : 0));
}
std::size_t NatTable::Hash::operator()(PermissionKey const& key) const noexcept {
  return mix(hash_of(key.remote) + key.mapping);
}
std::size_t NatTable::Hash::operator()(LeakKey const& key) const noexcept {
  return mix(hash_of(key.external) + 3 * hash_of(key.remote));
}

NatTable::NatTable(NatOptions options, std::vector<world::IpAddress> external,
                   SeededEntropy& random)
    : options_{options}, external_{std::move(external)}, random_{random} {
  MUT_ASSERT(options_.port_first > 0 && options_.port_first <= options_.port_last);
  next_port_ = options_.port_first;
}

NatTable::MappingKey NatTable::key_of(Header const& packet) const noexcept {
  auto const on = translates() ? options_.mapping : Dependence::endpoint_independent;
  return {packet.source, depending(on, packet.target), packet.is_tcp()};
}

world::Endpoint NatTable::filtered(world::Endpoint remote) const noexcept {
  return depending(options_.filtering, remote);
}

// ---- packets -----------------------------------------------------------------------------------

std::optional<world::Endpoint> NatTable::outward(Header const& packet, TimePoint now) {
  drop_expired(now);
  if (packet.is_tcp()) {
    auto const slot = outward_tcp(packet, now);
    if (!slot) return std::nullopt;
    return slots_[*slot].external;
  }
  auto key = key_of(packet);
  auto slot = find(key, now);
  if (!slot) slot = make(key, false);
  if (!slot) return std::nullopt;
  refresh(*slot, now + options_.udp_lifetime);
  if (options_.leaky && leaked(slots_[*slot], packet.target, now)) {
    key.remote = packet.target;
    slot = find(key, now);
    if (!slot) slot = make(key, true);
    if (!slot) return std::nullopt;
    refresh(*slot, now + options_.udp_lifetime);
  }
  permit(*slot, packet.target, now + options_.udp_lifetime);
  return slots_[*slot].external;
}

std::optional<world::Endpoint> NatTable::inward(Header const& packet, TimePoint now) {
  drop_expired(now);
  auto const found = by_external_.find({packet.target, packet.is_tcp()});
  auto const deny = [&]() -> std::optional<world::Endpoint> {
    if (options_.leaky && !packet.is_tcp())
      leaks_[{packet.target, packet.source}] = now + kLeakLifetime;
    return std::nullopt;
  };
  if (found == by_external_.end()) return deny();
  auto const slot = found->second;
  auto const& mapping = slots_[slot];
  if (mapping.expires <= now) return deny();
  if (packet.is_tcp()) {
    if (packet.kind == Header::Kind::syn) {
      if (!permitted(mapping, packet.source, now)) return std::nullopt;
      begin_session(slot, packet.source);
    }
    if (!follow(slot, packet, false, now)) return std::nullopt;
    return slots_[slot].key.inside;
  }
  if (!permitted(mapping, packet.source, now)) return deny();
  if (options_.inbound_refreshes) {
    refresh(slot, now + options_.udp_lifetime);
    if (options_.filtering != Dependence::endpoint_independent)
      permit(slot, packet.source, now + options_.udp_lifetime);
  }
  return mapping.key.inside;
}

std::optional<std::uint32_t> NatTable::outward_tcp(Header const& packet, TimePoint now) {
  auto const key = key_of(packet);
  auto slot = find(key, now);
  if (packet.kind == Header::Kind::syn) {
    if (!slot) slot = make(key, false);
    if (!slot) return std::nullopt;
    auto const until = now + options_.tcp_transitory_lifetime;
    refresh(*slot, until);
    permit(*slot, packet.target, until);
    begin_session(*slot, packet.target);
  }
  if (!slot || !follow(*slot, packet, true, now)) return std::nullopt;
  return slot;
}

void NatTable::begin_session(std::uint32_t slot, world::Endpoint remote) {
  auto& mapping = slots_[slot];
  if (sessions_.try_emplace({mapping.serial, remote}).second) ++mapping.sessions;
}

/// Keeps the session that the packet belongs to alive; false when there is none.
bool NatTable::follow(std::uint32_t slot, Header const& packet, bool out, TimePoint now) {
  auto const remote = out ? packet.target : packet.source;
  auto const& mapping = slots_[slot];
  auto const found = sessions_.find({mapping.serial, remote});
  if (found == sessions_.end()) return false;
  auto& session = found->second;
  bool const is_new = session.expires == TimePoint{};
  if (!is_new && session.expires <= now && packet.kind != Header::Kind::syn) return false;
  switch (packet.kind) {
    case Header::Kind::syn:
      session.open = session.out_ended = session.in_ended = false;
      break;
    case Header::Kind::reset:
      session.out_ended = session.in_ended = true;
      break;
    case Header::Kind::fin:
      (out ? session.out_ended : session.in_ended) = true;
      break;
    default:
      session.open = true;
      break;
  }
  bool const lasting = session.open && !(session.out_ended && session.in_ended);
  auto const until = now + (lasting ? options_.tcp_lifetime : options_.tcp_transitory_lifetime);
  bool const sooner = until < session.expires;
  session.expires = until;
  if (is_new || sooner) due_.push({until, slot, mapping.serial, remote, Due::What::session});
  refresh(slot, until);
  if (options_.filtering != Dependence::endpoint_independent && out) permit(slot, remote, until);
  return true;
}

bool NatTable::permitted(Mapping const& mapping, world::Endpoint remote, TimePoint now) const {
  if (options_.filtering == Dependence::endpoint_independent) return true;
  auto const found = permissions_.find({mapping.serial, filtered(remote)});
  return found != permissions_.end() && found->second > now;
}

bool NatTable::leaked(Mapping const& mapping, world::Endpoint remote, TimePoint now) const {
  auto const found = leaks_.find({mapping.external, remote});
  return found != leaks_.end() && found->second > now && !permitted(mapping, remote, now);
}

// ---- lifetimes ---------------------------------------------------------------------------------

void NatTable::refresh(std::uint32_t slot, TimePoint until) {
  auto& mapping = slots_[slot];
  if (mapping.expires == TimePoint{}) {
    due_.push({until, slot, mapping.serial, {}, Due::What::mapping});
  }
  mapping.expires = std::max(mapping.expires, until);
}

void NatTable::permit(std::uint32_t slot, world::Endpoint remote, TimePoint until) {
  if (options_.filtering == Dependence::endpoint_independent) return;
  auto const serial = slots_[slot].serial;
  auto const [at, is_new] = permissions_.try_emplace({serial, filtered(remote)}, until);
  if (is_new) due_.push({until, slot, serial, filtered(remote), Due::What::permission});
  at->second = std::max(at->second, until);
}

void NatTable::drop_expired(TimePoint now) {
  while (!due_.empty() && due_.top().when <= now) {
    auto due = due_.top();
    due_.pop();
    TimePoint expires{};
    PermissionKey const key{due.serial, due.remote};
    switch (due.what) {
      case Due::What::mapping: {
        auto const& mapping = slots_[due.slot];
        if (mapping.serial != due.serial) continue;
        expires = mapping.expires;
        if (expires <= now) drop(due.slot);
        break;
      }
      case Due::What::permission: {
        auto const found = permissions_.find(key);
        if (found == permissions_.end()) continue;
        expires = found->second;
        if (expires <= now) permissions_.erase(found);
        break;
      }
      case Due::What::session: {
        auto const found = sessions_.find(key);
        if (found == sessions_.end()) continue;
        expires = found->second.expires;
        if (expires > now) break;
        sessions_.erase(found);
        if (auto& mapping = slots_[due.slot];
            mapping.serial == due.serial && --mapping.sessions == 0)
          drop(due.slot);
        break;
      }
    }
    if (expires <= now) continue;
    due.when = expires;
    due_.push(due);
  }
}

void NatTable::drop(std::uint32_t slot) {
  auto& mapping = slots_[slot];
  by_inside_.erase(mapping.key);
  by_external_.erase({mapping.external, mapping.key.tcp});
  --hosts_[mapping.key.inside.address].ports;
  mapping = {};
  free_slots_.push_back(slot);
}

std::size_t NatTable::mappings(TimePoint now) {
  drop_expired(now);
  return by_inside_.size();
}

void NatTable::forget() noexcept {
  slots_.clear();
  free_slots_.clear();
  by_inside_.clear();
  by_external_.clear();
  permissions_.clear();
  sessions_.clear();
  leaks_.clear();
  hosts_.clear();
  due_ = {};
}

// ---- mappings ----------------------------------------------------------------------------------

std::optional<std::uint32_t> NatTable::find(MappingKey const& key, TimePoint now) const {
  auto const found = by_inside_.find(key);
  if (found == by_inside_.end() || slots_[found->second].expires <= now) return std::nullopt;
  return found->second;
}

std::optional<std::uint32_t> NatTable::make(MappingKey const& key, bool avoid_own_port) {
  auto const external = assign(key, avoid_own_port);
  if (!external) return std::nullopt;
  std::uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[slot] = {++serial_, key, *external, {}};
  by_inside_[key] = slot;
  by_external_[{*external, key.tcp}] = slot;
  ++hosts_[key.inside.address].ports;
  return slot;
}

bool NatTable::free(world::Endpoint external, bool tcp) const {
  return !by_external_.contains({external, tcp});
}

std::optional<world::Endpoint> NatTable::assign(MappingKey const& key, bool avoid_own_port) {
  if (!translates()) return key.inside;
  auto const [host, is_new] = hosts_.try_emplace(key.inside.address);
  if (is_new) host->second.address = hosts_.size() % external_.size();
  if (options_.ports_per_host_max != 0 && host->second.ports >= options_.ports_per_host_max)
    return std::nullopt;
  auto const address =
      options_.pooling == Pooling::paired ? host->second.address : random_.below(external_.size());
  world::Endpoint external{external_[address], key.inside.port};

  auto const how = options_.port_assignment;
  bool const preserves = how == PortAssignment::preserved || how == PortAssignment::preserved_only;
  bool const in_range = external.port >= options_.port_first && external.port <= options_.port_last;
  if (preserves && in_range && !avoid_own_port && free(external, key.tcp)) return external;
  if (how == PortAssignment::preserved_only) return std::nullopt;

  unsigned const step = options_.keeps_parity ? 2 : 1;
  auto const matching = [&](std::uint32_t port) {
    return options_.keeps_parity && (port & 1) != (key.inside.port & 1u) ? port + 1 : port;
  };
  if (how == PortAssignment::sequential) {
    auto const port = scan(external, key.tcp, matching(next_port_), step);
    if (!port) return std::nullopt;
    next_port_ = *port + 1u;
    return world::Endpoint{external.address, *port};
  }
  auto const count = std::uint32_t{options_.port_last} - options_.port_first + 1;
  std::uint32_t drawn = 0;
  for (int tries = 0; tries < kRandomTriesMax; ++tries) {
    drawn = matching(options_.port_first + static_cast<std::uint32_t>(random_.below(count)));
    if (drawn > options_.port_last) continue;
    external.port = static_cast<std::uint16_t>(drawn);
    if (free(external, key.tcp)) return external;
  }
  auto const port = scan(external, key.tcp, drawn, step);
  if (!port) return std::nullopt;
  return world::Endpoint{external.address, *port};
}

/// The first free port from `start` on, around the end of the range.
std::optional<std::uint16_t> NatTable::scan(world::Endpoint external, bool tcp, std::uint32_t start,
                                            unsigned step) {
  auto const first =
      step == 1 ? options_.port_first : options_.port_first + ((options_.port_first ^ start) & 1u);
  auto const last = options_.port_last;
  if (first > last) return std::nullopt;
  auto port = start < first || start > last ? first : start;
  for (auto left = (last - first) / step + 1; left > 0; --left) {
    external.port = static_cast<std::uint16_t>(port);
    if (free(external, tcp)) return external.port;
    port = port + step > last ? first : port + step;
  }
  return std::nullopt;
}

}  // namespace mutirao::sim
