#pragma once

#include <cstddef>
#include <cstdint>

#include "mutirao/base/time.h"
#include "mutirao/base/units.h"

namespace mutirao::sim {

/// What lies between two hosts. One direction; the other usually has the same.
struct Link {
  Duration latency = 20ms;  ///< one way
  Duration jitter = 2ms;    ///< up to that much more, drawn for each segment and datagram
  /// Chance that a segment or datagram is lost. A datagram is gone; a segment of a stream arrives
  /// later, by the time that its retransmission takes.
  double loss = 0;
  double duplication = 0;  ///< chance that a datagram arrives twice
  /// Chance that a datagram is held back by up to `reordering_delay`, beyond what jitter does.
  double reordering = 0;
  Duration reordering_delay = 50ms;
  /// Longer datagrams vanish, as in a path whose MTU nobody reports; 0 = none does.
  std::size_t datagram_bytes_max = 0;
  std::uint64_t bandwidth_bytes_per_s =
      0;  ///< of this link alone, next to the hosts' own; 0 = no limit
};

/// The figures of a simulated network. The defaults are a good home connection to a near city.
struct NetworkOptions {
  Link link{};  ///< between hosts that were given none of their own
  std::uint64_t uplink_bytes_per_s = 12'500'000;    ///< of each host; 0 = no limit
  std::uint64_t downlink_bytes_per_s = 12'500'000;  ///< of each host; 0 = no limit

  std::size_t send_buffer_bytes = 256_KiB;  ///< accepted from the writer and not yet acknowledged
  std::size_t receive_buffer_bytes = 256_KiB;  ///< on the way or arrived, and not yet read
  /// Largest piece that a stream hands to its uplink. One segment here stands for many packets: it
  /// is the grain of events, and of fairness between the streams of a host.
  std::size_t segment_bytes_max = 64_KiB;
  std::size_t accept_backlog = 1024;  ///< connections that wait for accept(); more are ignored
  std::size_t datagram_buffer_bytes = 208_KiB;  ///< received and not yet read; more are dropped

  Duration retransmission_timeout = 200ms;  ///< doubles with each loss in a row (RFC 6298 §5.5)
  /// A stream whose segments got no answer for this long fails: TCP_USER_TIMEOUT.
  Duration silence_max = 120s;
};

}  // namespace mutirao::sim
