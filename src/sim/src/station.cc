#include "station.h"

#include <algorithm>

#include "connection.h"

namespace mutirao::sim {

void Station::remember(std::shared_ptr<Connection> const& connection) {
  if (connections.size() >= connections_to_prune_at) {
    std::erase_if(connections, [](auto const& other) { return other.expired(); });
    connections_to_prune_at = std::max<std::size_t>(64, connections.size() * 2);
  }
  connections.push_back(connection);
}

bool Station::owns(world::IpAddress address) const noexcept {
  return address.is_loopback() || std::ranges::find(addresses, address) != addresses.end();
}

world::IpAddress const* Station::address_like(world::IpAddress other) const noexcept {
  for (auto const& address : addresses) {
    if (address.is_v4() == other.is_v4()) return &address;
  }
  return nullptr;
}

std::uint16_t Station::free_port() {
  constexpr std::uint16_t kFirst = 32768, kLast = 60999;  // ip_local_port_range
  for (int tries = kFirst; tries <= kLast; ++tries) {
    last_port = last_port >= kLast ? kFirst : static_cast<std::uint16_t>(last_port + 1);
    auto const taken = [port = last_port](auto const& table) {
      return std::ranges::any_of(table,
                                 [port](auto const& entry) { return entry.first.port == port; });
    };
    if (!taken(listeners) && !taken(datagram_sockets)) return last_port;
  }
  return 0;
}

}  // namespace mutirao::sim
