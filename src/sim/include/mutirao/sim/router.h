#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/sim/firewall.h"
#include "mutirao/sim/link.h"
#include "mutirao/sim/nat.h"
#include "mutirao/world/address.h"

namespace mutirao::sim {

class Router;

struct RouterOptions {
  /// What its uplink goes to: another router's inside (a double or carrier-grade NAT), or the
  /// Internet when null.
  Router* behind = nullptr;
  /// Absent: it translates nothing, and hosts inside must be given addresses that are not in use
  /// where the uplink goes to. IPv6 is never translated.
  std::optional<NatOptions> nat = NatOptions{};
  Firewall firewall{};
  /// Of the NAT, at the other end of the uplink. When empty, the next free one: of 20.0.0.0/8 on
  /// the Internet, which is no internal one to those who look.
  std::vector<world::IpAddress> external_addresses{};
  /// Hosts inside get this address + 2, + 3, ...; the same for each router, as at home.
  world::IpAddress inside = world::IpAddress::v4({192, 168, 1, 0});

  /// Between two machines inside, and between one and the router.
  Link lan{.latency = 200us, .jitter = 50us};
  /// Between the router and what it is behind, on top of what lies there (NetworkOptions::link on
  /// the Internet). Its bandwidth is that of each direction.
  Link uplink{.latency = 1ms, .jitter = 100us, .bandwidth_bytes_per_s = 12'500'000};
};

/// A NAT, a firewall, both, or a mere router: what stands between a subnet and the rest.
///
/// A packet that leaves passes all routers up to the common network at the moment when it is sent,
/// and those on its way in when it arrives there; each link takes its time.
class Router {
 public:
  virtual ~Router() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// The first one outside; the router must have a NAT.
  [[nodiscard]] virtual world::IpAddress external_address() const noexcept = 0;

  /// Forgets all mappings, permissions and connections, as after a loss of power.
  virtual void reboot() = 0;
  /// Forgets all besides, as a changed rule set does. Not from or to none.
  virtual void set_nat(NatOptions options) = 0;
  virtual void set_firewall(Firewall firewall) = 0;
  virtual void set_uplink(Link uplink) = 0;
  /// Pulls and plugs the uplink; inside all goes on.
  virtual void set_connected(bool connected) = 0;
  /// Another external address, as after a new dial-up; also forgets all.
  virtual void set_external_addresses(std::vector<world::IpAddress> addresses) = 0;

  [[nodiscard]] virtual std::size_t mappings() = 0;
  /// Packets that were not let through, both ways.
  [[nodiscard]] virtual std::uint64_t denied() const noexcept = 0;
};

}  // namespace mutirao::sim
