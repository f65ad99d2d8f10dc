#include "connect.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

namespace mutirao::net {
namespace {

constexpr std::size_t kAddressesMax = 8;
/// What one address may take while others are left: a route that swallows packets must not eat the
/// whole deadline.
constexpr Duration kAttempt = std::chrono::seconds{3};

Result<std::vector<world::IpAddress>> addresses_of(world::World& world, std::string const& host,
                                                   Deadline deadline) {
  if (auto const address = world::IpAddress::parse(host)) return std::vector{*address};
  if (host.contains(':')) return fail(Fault::invalid, fmt::format("no address: [{}]", host));
  return world.network().resolve(host, deadline);
}

/// The system's order within each family, the families alternating: a dead one costs one attempt.
std::vector<world::IpAddress> alternate(std::vector<world::IpAddress> const& addresses) {
  std::vector<world::IpAddress> out;
  if (addresses.empty()) return out;
  auto const same = [&](auto const& address) {
    return address.is_v4() == addresses.front().is_v4();
  };
  std::vector<world::IpAddress> first, second;
  for (auto const& address : addresses) (same(address) ? first : second).push_back(address);
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  if (out.size() > kAddressesMax) out.resize(kAddressesMax);
  return out;
}

}  // namespace

Result<std::unique_ptr<world::Stream>> connect_to(world::World& world, wire::Url const& url,
                                                  bool public_only,
                                                  std::optional<world::IpAddress> from,
                                                  Deadline deadline) {
  auto addresses = MUT_TRY(addresses_of(world, url.host, deadline));
  if (addresses.empty()) return fail(Fault::not_found, fmt::format("{} has no address", url.host));
  if (public_only) {
    auto const internal = addresses.front();
    std::erase_if(addresses, [](auto const& address) { return address.is_internal(); });
    if (addresses.empty())
      return fail(
          Fault::refused,
          fmt::format("{} leads to the internal address {}, which a URL from outside may not",
                      url.host, internal.to_string()),
          "if you trust it, give the URL yourself, or allow internal addresses");
  }
  if (from)
    std::erase_if(addresses, [&](auto const& address) { return address.is_v4() != from->is_v4(); });
  auto const order = alternate(addresses);
  if (order.empty())
    return fail(Fault::unreachable,
                fmt::format("{} has no address of the family of {}", url.host, from->to_string()));
  for (std::size_t i = 0;; ++i) {
    bool const last = i + 1 == order.size();
    auto const until = last ? deadline : earlier(deadline, threads::within(kAttempt));
    auto stream =
        world.network().connect({.address = order[i], .port = url.port}, {.from = from}, until);
    if (stream || last || deadline.passed(threads::now()) ||
        stream.error().fault == Fault::cancelled)
      return stream;
  }
}

}  // namespace mutirao::net
