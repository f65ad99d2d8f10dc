#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/world/address.h"

/// What the answers of HTTP and UDP trackers have in common. All of it comes from strangers.
namespace mutirao::swarm {

inline constexpr std::size_t kAnswerPeersMax = 1000;
inline constexpr std::size_t kCompactV4Bytes = 6;   // BEP 23: address and port
inline constexpr std::size_t kCompactV6Bytes = 18;  // BEP 7

/// Appends the peers of a compact list of `peer_bytes` each. A length that is no multiple is
/// refused; port 0 is dropped, and so is what goes beyond kAnswerPeersMax.
Result<void> append_compact_peers(ByteView compact, std::size_t peer_bytes,
                                  std::vector<world::Endpoint>& into);

/// The seconds that a tracker asks us to wait, brought between 5 s (nobody makes us hammer) and 24
/// h (nobody silences us); refuses negative ones.
[[nodiscard]] Result<Duration> checked_interval(std::int64_t seconds);

/// A stranger's text for our log and screen: at most 200 bytes, control characters replaced.
[[nodiscard]] std::string readable(std::string_view text);

/// Seconds until the next announce when the tracker says nothing.
inline constexpr std::int64_t kIntervalDefaultSeconds = 1800;

}  // namespace mutirao::swarm
