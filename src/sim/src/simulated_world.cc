#include "simulated_world.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace mutirao::sim {

std::chrono::system_clock::time_point SimulatedClock::civil() const noexcept {
  using namespace std::chrono;
  constexpr sys_days kFirstDay = 2026y / January / 1;
  auto const since = events_.now().time_since_epoch() + skew_now();
  return kFirstDay + duration_cast<system_clock::duration>(since);
}

Duration SimulatedClock::skew_now() const noexcept {
  if (drift_ == 0) return skew_;
  std::chrono::duration<double, std::nano> const passed{events_.now() - drifts_since_};
  return skew_ + std::chrono::duration_cast<Duration>(passed * drift_);
}

void SimulatedClock::set_skew(Duration skew) noexcept {
  skew_ = skew;
  drifts_since_ = events_.now();
}

void SimulatedClock::set_drift(double drift) noexcept {
  set_skew(skew_now());
  drift_ = drift;
}

void HostEntropy::fill(MutableBytes bytes) {
  random_.fill(bytes);
  if (bytes.size() > sizeof(std::uint64_t) || !edge_.fires(0.001)) return;
  std::ranges::fill(bytes, edge_.random().chance(0.5) ? std::uint8_t{0x00} : std::uint8_t{0xff});
}

SimulatedLog::SimulatedLog(EventQueue const& events, std::string host)
    : events_{events}, host_{std::move(host)} {
  auto const* const wish = std::getenv("MUTIRAO_SIM_LOG");
  shown_ = wish != nullptr && *wish != '\0' && *wish != '0';
  if (shown_ && *wish == '2') least_ = base::LogLevel::debug;
}

void SimulatedLog::write(base::LogLevel level, std::string_view module,
                         std::string_view message) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};
  auto const seconds = std::chrono::duration<double>{events_.now().time_since_epoch()}.count();
  try {
    fmt::print(stderr, "[{:12.6f}] {} {} {}: {}\n", seconds, host_,
               kNames[static_cast<std::size_t>(level)], module, message);
  } catch (...) {
    // A log that can't be written is lost.
  }
}

}  // namespace mutirao::sim
