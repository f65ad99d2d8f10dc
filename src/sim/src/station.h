#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mutirao/world/address.h"

#include "line.h"
#include "subnet.h"
#include "uplink.h"

namespace mutirao::sim {

class Connection;
struct ListenerState;
class Handshake;
struct DatagramState;

/// A host as the network sees it.
struct Station {
  std::uint32_t index = 0;
  std::string name;
  std::vector<world::IpAddress> addresses;  ///< without loopback
  Subnet* subnet = nullptr;
  std::uint32_t moves = 0;  ///< times that its addresses changed
  bool up = true;
  bool answers_strangers = true;
  bool isolated = false;
  TimePoint isolated_until{};
  std::uint64_t first_sides = 0;  ///< of the partitions between sets: one bit for each
  std::uint64_t second_sides = 0;
  Uplink uplink;
  Line downlink;
  std::map<world::Endpoint, std::shared_ptr<ListenerState>> listeners;
  std::map<std::string, std::shared_ptr<ListenerState>, std::less<>> local_listeners;
  std::map<world::Endpoint, std::shared_ptr<DatagramState>> datagram_sockets;
  /// Attempts from a chosen port, by local and remote endpoint: two that meet become one
  /// connection.
  std::map<std::pair<world::Endpoint, world::Endpoint>, Handshake*> connecting;

  /// Connections with an end here, for the day it crashes.
  void remember(std::shared_ptr<Connection> const& connection);
  std::vector<std::weak_ptr<Connection>> connections;
  std::size_t connections_to_prune_at = 64;

  [[nodiscard]] bool owns(world::IpAddress address) const noexcept;
  /// The first of the same family; null when there is none.
  [[nodiscard]] world::IpAddress const* address_like(world::IpAddress other) const noexcept;
  /// The entry that takes what arrives for `at`: bound to that address, or to any.
  template <class Value>
  static Value const* bound_to(std::map<world::Endpoint, Value> const& table, world::Endpoint at);
  /// Whether `at` would take what another entry takes.
  template <class Value>
  static bool in_use(std::map<world::Endpoint, Value> const& table, world::Endpoint at);
  /// A free port of the range that Linux gives out; 0 when there is none.
  [[nodiscard]] std::uint16_t free_port();
  std::uint16_t last_port = 32767;
};

template <class Value>
Value const* Station::bound_to(std::map<world::Endpoint, Value> const& table, world::Endpoint at) {
  if (auto const exact = table.find(at); exact != table.end()) return &exact->second;
  world::IpAddress const any =
      at.address.is_v4() ? world::IpAddress::any() : world::IpAddress::v6({});
  auto const wide = table.find({any, at.port});
  return wide != table.end() ? &wide->second : nullptr;
}

template <class Value>
bool Station::in_use(std::map<world::Endpoint, Value> const& table, world::Endpoint at) {
  for (auto const& [other, value] : table) {
    if (other.port != at.port || other.address.is_v4() != at.address.is_v4()) continue;
    if (other.address == at.address || other.address.is_unspecified() ||
        at.address.is_unspecified())
      return true;
  }
  return false;
}

}  // namespace mutirao::sim
