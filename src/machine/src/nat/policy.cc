#include "nat/policy.h"

#include <algorithm>

namespace mutirao::machine::nat {
namespace {

/// RFC 1918 and RFC 6598.
bool is_private(world::IpAddress const& address) {
  auto const bytes = address.bytes();
  return bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xF0) == 16) ||
         (bytes[0] == 192 && bytes[1] == 168) || (bytes[0] == 100 && (bytes[1] & 0xC0) == 64);
}

bool is_inside(Ipv4Address address) {
  return std::equal(address.begin(), address.begin() + 3, kRouterAddress.begin());
}

}  // namespace

std::optional<world::Endpoint> Policy::target(Ipv4Address destination, std::uint16_t port) const {
  if (port == 0) return std::nullopt;
  if (destination == kRouterAddress) {
    auto const found = std::ranges::find_if(allowed_, [&](Allowed const& each) {
      return each.address.is_loopback() && (each.port == port || each.port == 0);
    });
    if (found == allowed_.end()) return std::nullopt;
    return world::Endpoint{found->address, port};
  }
  // A network of the host with the same numbers cannot be seen from inside.
  if (is_inside(destination)) return std::nullopt;
  world::Endpoint const endpoint{ip_address(destination), port};
  if (allows(endpoint) || within_reach(endpoint.address)) return endpoint;
  return std::nullopt;
}

bool Policy::may_look_up(std::string_view name) const {
  if (reach_ != NetworkOptions::Reach::nothing) return true;
  auto const same = [](char a, char b) {
    auto const lower = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return lower(a) == lower(b);
  };
  return std::ranges::any_of(
      allowed_, [&](Allowed const& each) { return std::ranges::equal(each.name, name, same); });
}

bool Policy::allows(world::Endpoint endpoint) const {
  return std::ranges::any_of(allowed_, [&](Allowed const& each) {
    return each.address == endpoint.address && !each.address.is_loopback() &&
           (each.port == endpoint.port || each.port == 0);
  });
}

bool Policy::within_reach(world::IpAddress address) const {
  if (reach_ == NetworkOptions::Reach::nothing) return false;
  if (std::ranges::find(host_addresses_, address) != host_addresses_.end()) return false;
  if (!address.is_internal()) return true;
  return reach_ == NetworkOptions::Reach::lan && is_private(address);
}

}  // namespace mutirao::machine::nat
