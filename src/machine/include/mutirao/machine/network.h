#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/world/address.h"

namespace mutirao::machine {

/// What a machine's network card is connected to: a small network of its own, 10.0.2.0/24, whose
/// router makes the guest's connections anew from this process. So a guest needs no privileges of
/// ours, and reaches exactly what these options say.
///
/// The guest is 10.0.2.15 (DHCP gives it that), the router 10.0.2.2, and 10.0.2.3 answers DNS for
/// names that have IPv4 addresses. There is no IPv6 inside, and nothing but the router answers
/// pings.
struct NetworkOptions {
  /// How far the guest gets by itself. Whatever it says, the host itself (loopback and all of its
  /// addresses), link-local addresses, multicast and reserved ones are refused unless `allowed`.
  enum class Reach : std::uint8_t {
    nothing,   ///< only what is `allowed`
    internet,  ///< public addresses
    lan,       ///< private ones as well (RFC 1918, RFC 6598)
  };
  /// Reached all the same, by TCP and UDP. What is on the loopback of the host is found at the
  /// router: 127.0.0.1:8080 at 10.0.2.2:8080.
  struct Allowed {
    std::string host;        ///< an address, or a name that is looked up when the machine is made
    std::uint16_t port = 0;  ///< 0: each
  };
  enum class Protocol : std::uint8_t { tcp, udp };
  /// A port of the host that leads to one of the guest. The guest sees the router as its peer.
  struct Published {
    world::Endpoint at;
    std::uint16_t guest_port = 0;
    Protocol protocol = Protocol::tcp;
  };

  Reach reach = Reach::nothing;
  std::vector<Allowed> allowed{};
  std::vector<Published> published{};  ///< 64 at most
};

/// "off", "internet" or "lan".
[[nodiscard]] Result<NetworkOptions::Reach> parse_reach(std::string_view text);
/// "HOST:PORT", where PORT may be "*"; an IPv6 address stands in brackets.
[[nodiscard]] Result<NetworkOptions::Allowed> parse_allowed(std::string_view text);
/// "[HOST_ADDRESS:]PORT:GUEST_PORT[/udp]"; the address is 127.0.0.1 when there is none.
[[nodiscard]] Result<NetworkOptions::Published> parse_published(std::string_view text);

}  // namespace mutirao::machine
