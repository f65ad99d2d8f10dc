#pragma once

#include <functional>

#include "mutirao/base/bytes.h"
#include "mutirao/swarm/tracker.h"

#include "announce/announce_udp.h"
#include "tracker/tracker_connection_id.h"
#include "tracker/tracker_registry.h"

namespace mutirao::swarm {

/// The tracker's side of BEP 15: a question in, an answer out; no socket inside.
///
/// The source of a datagram can be forged, and then the answer hits somebody else. Until the source
/// has proven itself by a connection id, an answer is never longer than its question.
class TrackerUdp {
 public:
  using Allow = std::function<bool(world::IpAddress const& source)>;
  TrackerUdp(TrackerRegistry& registry, ConnectionIds const& ids, TrackerOptions const& options,
             Allow allow)
      : registry_{registry}, ids_{ids}, options_{options}, allow_{std::move(allow)} {}

  /// Replaces `answer`; leaves it empty where silence is the answer.
  void answer(ByteView datagram, world::Endpoint const& from, std::uint32_t now_s, Bytes& answer);

 private:
  void announce(UdpAnnounceQuestion const& question, world::Endpoint const& from,
                std::uint32_t now_s, Bytes& answer);
  void scrape(UdpScrapeQuestion const& question, std::uint32_t now_s, Bytes& answer);

  TrackerRegistry& registry_;
  ConnectionIds const& ids_;
  TrackerOptions const& options_;
  Allow allow_;
};

}  // namespace mutirao::swarm
