#pragma once

#include <optional>

#include "mutirao/base/bytes.h"

namespace mutirao::machine::nat {

inline constexpr std::uint16_t kDhcpServerPort = 67, kDhcpClientPort = 68;

/// The answer to a DHCP message (RFC 2131), to be sent to all; nothing for what asks nothing.
///
/// There is one client and one address, so that there is nothing to remember.
[[nodiscard]] std::optional<Bytes> dhcp_answer(ByteView message);

}  // namespace mutirao::machine::nat
