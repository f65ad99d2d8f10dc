#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "mutirao/base/time.h"

namespace mutirao::sim {

/// What is not worth an event of its own: a small message leaves or lands this much early. The line
/// stays busy for all of its time, so that rates are right.
inline constexpr Duration kGrain = 10us;

/// A wire of limited bandwidth: bytes pass one after another. Headers are not counted.
struct Line {
  std::uint64_t bytes_per_s = 0;  ///< 0 = no limit
  TimePoint free_at{};

  /// When the last of `size` bytes that come at `when` is through.
  TimePoint pass(TimePoint when, std::size_t size) noexcept {
    if (bytes_per_s == 0) return when;
    constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
    auto const busy = std::uint64_t{size} * kNanosecondsPerSecond / bytes_per_s;
    free_at = std::max(free_at, when) + Duration{static_cast<Duration::rep>(busy)};
    return free_at;
  }
};

}  // namespace mutirao::sim
