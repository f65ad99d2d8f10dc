#include "protocol/rate_limit.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/swarm/ids.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::swarm {
namespace {
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kLongAgoNs = INT64_MIN / 4;

std::int64_t ns_of(TimePoint when) noexcept { return when.time_since_epoch().count(); }

/// The time in which the bucket refills by that much; `bytes_per_s` is not 0.
std::int64_t cost_ns(std::uint64_t bytes, std::uint64_t bytes_per_s) noexcept {
  // Beyond an hour nobody waits; the cap keeps sums far from overflow.
  constexpr double kCostMaxNs = 3600.0 * kSecondNs;
  double const cost = static_cast<double>(bytes) * kSecondNs / static_cast<double>(bytes_per_s);
  return static_cast<std::int64_t>(std::min(cost, kCostMaxNs));
}
}  // namespace

TokenBucket::TokenBucket(std::uint64_t bytes_per_s, std::uint64_t burst_bytes) noexcept
    : bytes_per_s_{bytes_per_s}, burst_bytes_{burst_bytes}, full_at_ns_{kLongAgoNs} {}

TimePoint TokenBucket::take(std::uint64_t bytes, TimePoint now) noexcept {
  std::uint64_t const bytes_per_s = rate();
  if (bytes_per_s == 0) return now;
  std::int64_t const burst = cost_ns(burst_bytes_, bytes_per_s);
  std::int64_t const cost = cost_ns(bytes, bytes_per_s);
  std::int64_t full_at = full_at_ns_.load(std::memory_order_relaxed);
  std::int64_t after;
  do {
    after = std::max(full_at, ns_of(now)) + cost;
  } while (!full_at_ns_.compare_exchange_weak(full_at, after, std::memory_order_relaxed));
  // The bucket is empty when it will be full only one burst from now.
  return std::max(now, TimePoint{Duration{after - burst}});
}

void TokenBucket::give_back(std::uint64_t bytes) noexcept {
  if (std::uint64_t const bytes_per_s = rate(); bytes_per_s != 0)
    full_at_ns_.fetch_sub(cost_ns(bytes, bytes_per_s), std::memory_order_relaxed);
}

void TokenBucket::set_rate(std::uint64_t bytes_per_s) noexcept {
  bytes_per_s_.store(bytes_per_s, std::memory_order_relaxed);
  full_at_ns_.store(kLongAgoNs, std::memory_order_relaxed);
}

RateLimit::RateLimit(std::uint64_t bytes_per_s) noexcept
    : bucket_{bytes_per_s, std::max<std::uint64_t>(bytes_per_s / 10, 2 * kBlockBytes)} {}

Result<void> RateLimit::acquire(std::uint64_t bytes, Deadline deadline) {
  if (bucket_.rate() == 0) return {};
  TimePoint const now = threads::now();
  TimePoint const turn = bucket_.take(bytes, now);
  if (turn <= now) return {};
  if (deadline.passed(turn)) {
    bucket_.give_back(bytes);
    return fail(Fault::timed_out,
                fmt::format("the rate limit of {} has no room before the deadline",
                            base::format_rate(static_cast<double>(bucket_.rate()))),
                "raise the limit");
  }
  auto slept = threads::sleep_until(turn);
  if (!slept) bucket_.give_back(bytes);
  return slept;
}

}  // namespace mutirao::swarm
