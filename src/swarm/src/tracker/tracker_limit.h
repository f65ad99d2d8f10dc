#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/world/address.h"

#include "tracker/tracker_siphash.h"

namespace mutirao::swarm {

/// How many announces one source may make: a token bucket for each address (IPv6: for each /64,
/// which is what one customer has).
///
/// A table of buckets that grows with the sources would be the attack itself. This one has a fixed
/// size: a source shares a row of four buckets with others, and takes over the one that was idle
/// the longest. Whoever is pushed out begins anew with a full bucket, which costs us a burst and no
/// memory.
///
/// Pure: time is given. One owner at a time.
class SourceLimit {
 public:
  struct Options {
    double per_second = 20;  ///< 0: no limit
    double burst = 400;
    std::size_t rows = 1024;  ///< a power of two
  };
  SourceLimit(Options options, SipKey key);
  /// Takes one token; false when there is none.
  [[nodiscard]] bool allow(world::IpAddress const& source, TimePoint now);

 private:
  struct Bucket {
    std::uint64_t tag = 0;  ///< hash of the source; 0: never used
    float tokens = 0;
    std::uint32_t at_ms = 0;
  };
  static constexpr std::size_t kBucketsPerRow = 4;
  using Row = std::array<Bucket, kBucketsPerRow>;

  Options options_;
  SipKey key_;
  std::vector<Row> rows_;
};

}  // namespace mutirao::swarm
