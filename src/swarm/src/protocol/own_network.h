#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/swarm/ids.h"

/// How a peer proves that it is of our own network, without telling the key.
///
/// Each side sends 32 random bytes of its own; the other answers with their HMAC-SHA256 under the
/// network key, together with both peer ids of this connection. An answer can't be replayed, as the
/// challenge is new each time, nor be obtained from another node and passed on as one's own, as it
/// names who gives it and to whom. It decides about choking only; bytes are verified in any case.
namespace mutirao::swarm {

using NetworkChallenge = std::array<std::uint8_t, 32>;

[[nodiscard]] Bytes network_challenge(NetworkChallenge const& challenge);
[[nodiscard]] std::optional<NetworkChallenge> parse_network_challenge(ByteView payload);
[[nodiscard]] Bytes network_answer(std::string_view key, NetworkChallenge const& challenge,
                                   PeerId const& from, PeerId const& to);
/// True for what network_answer() gives; takes the same time for every wrong answer.
[[nodiscard]] bool is_network_answer(ByteView payload, std::string_view key,
                                     NetworkChallenge const& challenge, PeerId const& from,
                                     PeerId const& to);

[[nodiscard]] Sha256Digest hmac_sha256(ByteView key, ByteView message);

}  // namespace mutirao::swarm
