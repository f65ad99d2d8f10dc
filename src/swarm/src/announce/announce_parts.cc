#include "announce/announce_parts.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/check.h"

namespace mutirao::swarm {

Result<void> append_compact_peers(ByteView compact, std::size_t peer_bytes,
                                  std::vector<world::Endpoint>& into) {
  MUT_ASSERT(peer_bytes == kCompactV4Bytes || peer_bytes == kCompactV6Bytes);
  if (compact.size() % peer_bytes != 0)
    return fail(Fault::corrupt,
                fmt::format("the tracker's peer list has {} bytes, no multiple of {}",
                            compact.size(), peer_bytes));
  for (; !compact.empty() && into.size() < kAnswerPeersMax; compact = compact.subspan(peer_bytes)) {
    auto const port = base::load_be<std::uint16_t>(compact.subspan(peer_bytes - 2));
    auto const address = world::IpAddress::from_bytes(compact.first(peer_bytes - 2));
    if (port == 0 || !address || address->is_unspecified()) continue;
    into.push_back({*address, port});
  }
  return {};
}

Result<Duration> checked_interval(std::int64_t seconds) {
  if (seconds < 0)
    return fail(Fault::corrupt, fmt::format("the tracker asks to announce every {} s", seconds));
  return std::chrono::seconds{std::clamp<std::int64_t>(seconds, 5, 24 * 3600)};
}

std::string readable(std::string_view text) {
  constexpr std::size_t kBytesMax = 200;
  std::string out{text.substr(0, kBytesMax)};
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  // A character that was cut in two would be no UTF-8.
  if (text.size() > kBytesMax) {
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
  }
  return out;
}

}  // namespace mutirao::swarm
