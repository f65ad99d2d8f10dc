#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/machine/network.h"

#include "nat/packet.h"

namespace mutirao::machine::nat {

/// Decides what a guest's packets may reach, and what that is on the host.
///
/// Without it a guest would stand where this process stands: on the loopback of the host, where
/// services believe everybody, and in its private network. Pure policy; see NetworkOptions for what
/// it says.
class Policy {
 public:
  struct Allowed {
    std::string name;  ///< as it was given; perhaps the address
    world::IpAddress address;
    std::uint16_t port = 0;  ///< 0: each
  };
  Policy(NetworkOptions::Reach reach, std::vector<Allowed> allowed)
      : reach_{reach}, allowed_{std::move(allowed)} {}

  /// The host's own addresses, which may change.
  void set_host_addresses(std::vector<world::IpAddress> addresses) {
    host_addresses_ = std::move(addresses);
  }

  /// Where the host connects to for a guest that wants to reach `destination`; nothing: refused.
  [[nodiscard]] std::optional<world::Endpoint> target(Ipv4Address destination,
                                                      std::uint16_t port) const;
  /// Whether the host looks up a name for the guest: one that reaches nothing must not reach name
  /// servers either, which hear what it asks.
  [[nodiscard]] bool may_look_up(std::string_view name) const;

 private:
  [[nodiscard]] bool allows(world::Endpoint endpoint) const;
  [[nodiscard]] bool within_reach(world::IpAddress address) const;

  NetworkOptions::Reach reach_;
  std::vector<Allowed> allowed_;
  std::vector<world::IpAddress> host_addresses_;
};

}  // namespace mutirao::machine::nat
