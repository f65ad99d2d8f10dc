#pragma once

#include <cstdint>
#include <vector>

namespace mutirao::sim {

/// What a router lets pass, besides what its NAT does with it.
struct Firewall {
  /// What becomes of what may not pass: nothing is heard of it, or the sender is told (ICMP, or a
  /// reset), so that a connect fails at once with refused. Datagrams vanish in both, as on a socket
  /// that is not connected.
  enum class Denial : std::uint8_t { drop, reject };

  /// Only answers come in: to hosts inside with public addresses. Behind a NAT that translates, its
  /// filter decides (NatOptions::filtering).
  bool blocks_inbound = false;
  bool blocks_udp = false;  ///< in both directions
  std::vector<std::uint16_t>
      tcp_ports_allowed{};  ///< where hosts inside may connect to; empty: all
  Denial denial = Denial::drop;

  /// As many offices, hotels and schools have it.
  [[nodiscard]] static Firewall web_only() {
    return {.blocks_inbound = true, .blocks_udp = true, .tcp_ports_allowed = {80, 443}};
  }
  [[nodiscard]] static Firewall no_udp() { return {.blocks_udp = true}; }
  [[nodiscard]] static Firewall no_inbound() { return {.blocks_inbound = true}; }
};

}  // namespace mutirao::sim
