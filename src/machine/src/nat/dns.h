#pragma once

#include <optional>
#include <span>
#include <string>

#include "mutirao/base/bytes.h"

#include "nat/packet.h"

namespace mutirao::machine::nat {

inline constexpr std::uint16_t kDnsPort = 53;

/// A question to a name server (RFC 1035, 4.1).
struct DnsQuestion {
  std::string name;  ///< without the dot at its end; letters, digits, '-', '_' and dots
  std::uint16_t type;
  ByteView header;    ///< of the message
  ByteView question;  ///< as it was asked

  static constexpr std::uint16_t kAddress = 1;  // an IPv4 one
  [[nodiscard]] bool wants_address() const noexcept { return type == kAddress; }
};
/// Nothing for what is no single question with a host name in it.
[[nodiscard]] std::optional<DnsQuestion> parse_dns_question(ByteView message);

enum class DnsOutcome : std::uint8_t {
  found = 0,
  failed = 2,
  no_such_name = 3,
  refused = 5,
};
/// Fits a datagram of 512 bytes: of many addresses the first.
[[nodiscard]] Bytes dns_answer(DnsQuestion const& question, DnsOutcome outcome,
                               std::span<Ipv4Address const> addresses = {});

}  // namespace mutirao::machine::nat
