#pragma once

#include <cstdint>
#include <unordered_map>

#include "mutirao/world/address.h"

#include "address_hash.h"

namespace mutirao::sim {

struct Station;
class SimulatedRouter;

/// Who an address leads to within one subnet: a host, a router on the way to it, or nobody.
struct Member {
  Station* station = nullptr;
  SimulatedRouter* router = nullptr;
};

/// The machines that reach each other without a router: the Internet, or what is inside of one
/// router. Subnets form a tree.
struct Subnet {
  SimulatedRouter* gateway = nullptr;  ///< null: this is the Internet
  unsigned depth = 0;                  ///< routers between it and the Internet
  std::unordered_map<world::IpAddress, Member, AddressHash> members;
  std::uint32_t given_out = 0;  ///< addresses, so far

  [[nodiscard]] Member find(world::IpAddress const& address) const noexcept {
    auto const found = members.find(address);
    return found != members.end() ? found->second : Member{};
  }
};

}  // namespace mutirao::sim
