#pragma once

#include <algorithm>
#include <chrono>
#include <compare>

namespace mutirao::base {

using Duration = std::chrono::nanoseconds;

/// The monotonic time of a world: CLOCK_MONOTONIC in the real one, virtual in a simulated one. It
/// has no now(): ask the World, or `threads::now()`.
struct WorldTime {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<WorldTime>;
  static constexpr bool is_steady = true;
};
using TimePoint = WorldTime::time_point;

/// The moment after which a blocking call gives up. Absolute, so that it can be handed down a call
/// chain unchanged; always the last parameter.
class Deadline {
 public:
  [[nodiscard]] static constexpr Deadline never() noexcept { return Deadline{TimePoint::max()}; }
  [[nodiscard]] static constexpr Deadline at(TimePoint when) noexcept { return Deadline{when}; }

  [[nodiscard]] constexpr bool is_never() const noexcept { return when_ == TimePoint::max(); }
  [[nodiscard]] constexpr TimePoint when() const noexcept { return when_; }
  [[nodiscard]] constexpr bool passed(TimePoint now) const noexcept { return now >= when_; }
  friend constexpr auto operator<=>(Deadline, Deadline) = default;

 private:
  constexpr explicit Deadline(TimePoint when) noexcept : when_{when} {}
  TimePoint when_;
};

[[nodiscard]] constexpr Deadline earlier(Deadline a, Deadline b) noexcept { return std::min(a, b); }

}  // namespace mutirao::base

namespace mutirao {
using base::Deadline;
using base::Duration;
using base::earlier;
using base::TimePoint;
using namespace std::chrono_literals;
}  // namespace mutirao
