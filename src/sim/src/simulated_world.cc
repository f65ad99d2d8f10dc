#include "simulated_world.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace mutirao::sim {

std::chrono::system_clock::time_point SimulatedClock::civil() const noexcept {
  using namespace std::chrono;
  constexpr sys_days kFirstDay = 2026y / January / 1;
  auto const since = events_.now().time_since_epoch() + skew_;
  return kFirstDay + duration_cast<system_clock::duration>(since);
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
