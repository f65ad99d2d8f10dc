#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "mutirao/machine/network.h"

namespace mutirao::machine {
namespace {

std::optional<std::uint16_t> port_of(std::string_view digits) {
  std::uint16_t port = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0)
    return std::nullopt;
  return port;
}

}  // namespace

Result<NetworkOptions::Reach> parse_reach(std::string_view text) {
  if (text == "off") return NetworkOptions::Reach::nothing;
  if (text == "internet") return NetworkOptions::Reach::internet;
  if (text == "lan") return NetworkOptions::Reach::lan;
  return fail(Fault::invalid, fmt::format("a network that reaches '{}'", text),
              "give off, internet or lan");
}

Result<NetworkOptions::Allowed> parse_allowed(std::string_view text) {
  auto const nonsense = fail(Fault::invalid, fmt::format("'{}' is nothing to allow", text),
                             "give HOST:PORT, as in 127.0.0.1:8080 or mirror.example:*");
  auto const colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return nonsense;
  auto host = text.substr(0, colon);
  bool const bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed != host.contains(':')) return nonsense;
  auto const digits = text.substr(colon + 1);
  if (digits == "*") return NetworkOptions::Allowed{.host = std::string{host}};
  auto const port = port_of(digits);
  if (!port) return nonsense;
  return NetworkOptions::Allowed{.host = std::string{host}, .port = *port};
}

Result<NetworkOptions::Published> parse_published(std::string_view text) {
  auto const nonsense =
      fail(Fault::invalid, fmt::format("'{}' is no port to publish", text),
           "give [HOST_ADDRESS:]PORT:GUEST_PORT[/udp], as in 2222:22 or 0.0.0.0:5353:53/udp");
  NetworkOptions::Published published;
  auto left = text;
  if (left.ends_with("/udp")) {
    published.protocol = NetworkOptions::Protocol::udp;
    left.remove_suffix(4);
  } else if (left.ends_with("/tcp")) {
    left.remove_suffix(4);
  }
  auto const colon = left.rfind(':');
  if (colon == left.npos) return nonsense;
  auto const guest_port = port_of(left.substr(colon + 1));
  if (!guest_port) return nonsense;
  published.guest_port = *guest_port;
  left = left.substr(0, colon);
  if (auto const port = port_of(left)) {
    published.at = {world::IpAddress::loopback(), *port};
    return published;
  }
  auto const at = world::Endpoint::parse(left);
  if (!at || at->port == 0) return nonsense;
  published.at = *at;
  return published;
}

}  // namespace mutirao::machine
