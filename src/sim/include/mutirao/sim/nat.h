#pragma once

#include <cstddef>
#include <cstdint>

#include "mutirao/base/time.h"

namespace mutirao::sim {

/// What a NAT looks at besides the sender inside, for mappings (RFC 4787 §4.1) and for filters
/// (§5).
enum class Dependence : std::uint8_t {
  endpoint_independent,
  address_dependent,
  address_and_port_dependent,
};

/// Which external port a new mapping gets (RFC 4787 §4.2).
enum class PortAssignment : std::uint8_t {
  preserved,       ///< the sender's own, or any other when that is taken
  preserved_only,  ///< the sender's own, or none: the second of two equal ports inside gets nothing
  random,
  sequential,  ///< one after another, so that the next can be guessed
};

/// Which address of several (RFC 4787 §4.1, "IP address pooling").
enum class Pooling : std::uint8_t {
  paired,     ///< a host inside keeps one
  arbitrary,  ///< drawn for each mapping
};

/// How a NAT behaves.
///
/// Whether two hosts can reach each other is decided by the NATs between them, and field NATs
/// differ in each of these. The names are those of RFC 4787 (UDP), RFC 5382 (TCP) and RFC 6888
/// (carrier-grade); the defaults are a NAT that follows them, and the makers below are the kinds
/// that people speak of.
struct NatOptions {
  Dependence mapping = Dependence::endpoint_independent;          ///< REQ-1 of RFC 4787, 5382
  Dependence filtering = Dependence::address_and_port_dependent;  ///< RFC 4787 REQ-8
  PortAssignment port_assignment = PortAssignment::preserved;
  bool keeps_parity = false;           ///< even ports to even ones (RFC 4787 §4.2.2)
  std::uint16_t port_first = 1024;     ///< of what is given out, and
  std::uint16_t port_last = 65535;     ///< the last; nothing passes when none is free
  std::size_t ports_per_host_max = 0;  ///< RFC 6888 REQ-4; 0 = no limit
  Pooling pooling = Pooling::paired;   ///< RFC 4787 REQ-2; of RouterOptions::external_addresses
  bool hairpins = false;               ///< hosts inside reach each other from outside (RFC 4787 §6)

  /// Of a mapping, and of the permission for each remote, since the last datagram that refreshed
  /// it.
  Duration udp_lifetime = 120s;             ///< RFC 4787 REQ-5
  bool inbound_refreshes = true;            ///< as outbound always does (RFC 4787 REQ-6)
  Duration tcp_lifetime = 124min;           ///< of an idle open connection (RFC 5382 REQ-5)
  Duration tcp_transitory_lifetime = 4min;  ///< of one that opens or closes (RFC 5382 REQ-5)

  /// A plain Linux router with masquerading and no rule for what comes in: an early packet of a
  /// peer is taken for the router's own, and occupies the pair (external endpoint, peer). What the
  /// host inside sends to that peer afterwards gets another port, and is filtered at the other end.
  bool leaky = false;

  [[nodiscard]] static NatOptions full_cone() {
    return {.filtering = Dependence::endpoint_independent};
  }
  [[nodiscard]] static NatOptions address_restricted() {
    return {.filtering = Dependence::address_dependent};
  }
  [[nodiscard]] static NatOptions port_restricted() { return {}; }
  [[nodiscard]] static NatOptions symmetric() {
    return {.mapping = Dependence::address_and_port_dependent,
            .port_assignment = PortAssignment::random};
  }
  [[nodiscard]] static NatOptions symmetric_predictable() {
    return {.mapping = Dependence::address_and_port_dependent,
            .port_assignment = PortAssignment::sequential};
  }
  [[nodiscard]] static NatOptions leaky_port_restricted() { return {.leaky = true}; }
};

}  // namespace mutirao::sim
