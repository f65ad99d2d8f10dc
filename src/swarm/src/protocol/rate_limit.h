#pragma once

#include <atomic>
#include <cstdint>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"

namespace mutirao::swarm {

/// A cap in bytes a second over any number of threads: the arithmetic, without waiting.
///
/// A lock around a counter would cost a limited node the throughput that it has left (clients have
/// been seen to fall to a quarter of their cap). A bucket of tokens that refills with time is the
/// same thing as the one moment at which it will be full again, and that is a single atomic: take()
/// moves it forward and says how long after `now` the bytes may pass. Who comes later waits behind
/// who came earlier, so nobody starves. Any thread.
class TokenBucket {
 public:
  /// `bytes_per_s` 0: no limit. `burst_bytes` may pass at once after a pause.
  TokenBucket(std::uint64_t bytes_per_s, std::uint64_t burst_bytes) noexcept;

  /// Takes the bytes and tells when they may pass: `now` at the earliest.
  [[nodiscard]] TimePoint take(std::uint64_t bytes, TimePoint now) noexcept;
  /// Gives bytes back that did not pass after all.
  void give_back(std::uint64_t bytes) noexcept;
  /// From now on; the bucket is full then, and nobody new waits behind what was taken before.
  void set_rate(std::uint64_t bytes_per_s) noexcept;
  [[nodiscard]] std::uint64_t rate() const noexcept {
    return bytes_per_s_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> bytes_per_s_;
  std::uint64_t burst_bytes_;
  std::atomic<std::int64_t> full_at_ns_;  // when the bucket will be full again
};

/// The same with the waiting: parks the calling user thread until its bytes may pass.
class RateLimit {
 public:
  /// The burst is what passes in a tenth of a second, at least two blocks.
  explicit RateLimit(std::uint64_t bytes_per_s = 0) noexcept;

  /// Fails with timed_out at once when the turn would come after `deadline`; then, and when the
  /// thread is asked to stop, nothing was taken.
  Result<void> acquire(std::uint64_t bytes, Deadline deadline);
  void set_rate(std::uint64_t bytes_per_s) noexcept { bucket_.set_rate(bytes_per_s); }
  [[nodiscard]] std::uint64_t rate() const noexcept { return bucket_.rate(); }

 private:
  TokenBucket bucket_;
};

}  // namespace mutirao::swarm
