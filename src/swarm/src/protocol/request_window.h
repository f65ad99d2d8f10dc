#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mutirao/base/time.h"

namespace mutirao::swarm {

/// How many blocks to keep asked for from one peer.
///
/// Too few, and the line idles for a round trip after each; too many, and a block that somebody
/// waits for stands in a queue of seconds behind bulk that nobody is in a hurry for. The right
/// amount is the bandwidth-delay product of the way to the peer, which is measured: the highest
/// rate of delivery of late, times the shortest time that a block ever took. Twice that is kept
/// asked for, so that the estimate can grow: as long as more requests bring more bytes, both double
/// each round trip (as in BBR).
///
/// Pure; one owner at a time.
class RequestWindow {
 public:
  static constexpr std::uint32_t kBlocksMin = 4;
  static constexpr std::uint32_t kBlocksMax = 2000;

  /// A block has arrived that was asked for at `asked_at`. `limited`: no further request was out,
  /// so the rate says nothing about the way.
  void delivered(std::uint32_t bytes, TimePoint asked_at, TimePoint now, bool limited) noexcept;
  /// Nothing came for long: what was known is no longer true.
  void reset() noexcept;

  /// Blocks to keep asked for. `hasty`: a read with a deadline is open somewhere, and bulk keeps
  /// its queue short. `peer_max` is the peer's own limit (`reqq`).
  [[nodiscard]] std::uint32_t blocks(bool hasty, std::uint32_t peer_max) const noexcept;
  [[nodiscard]] double bytes_per_s() const noexcept { return rate_; }
  [[nodiscard]] double latency_s() const noexcept { return latency_s_; }

 private:
  static constexpr std::size_t kRounds = 10;
  std::array<double, kRounds> rounds_{};  // rates of the last rounds
  std::size_t round_ = 0;
  std::uint64_t round_bytes_ = 0;
  TimePoint round_since_{};
  bool round_limited_ = false;
  double rate_ = 0;
  double latency_s_ = 0;  // 0: nothing measured
};

}  // namespace mutirao::swarm
