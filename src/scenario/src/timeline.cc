#include "timeline.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace mutirao::scenario {
namespace {

constexpr std::uint64_t kDrawStream = 1000;  // beyond those of the kinds
constexpr double kKeptShare = 0.6;           // of the kinds, when each seed leaves out a part

/// splitmix64's finaliser.
std::uint64_t spread(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

bool of_whole_run(FaultKind kind) noexcept {
  return kind == FaultKind::partition || kind == FaultKind::tracker_down;
}

void draw_events(Scenario const& scenario, std::uint64_t seed, FaultKind kind, std::uint32_t peer,
                 std::vector<FaultEvent>& into) {
  auto const& plan = scenario.fault(kind);
  Draws draws{seed, static_cast<std::uint64_t>(kind), peer};
  auto at = Duration::zero();
  while (true) {
    // Events without memory: the time to the next one is exponential.
    auto const minutes = -std::log(1 - draws.fraction()) / plan.per_minute;
    auto const wait = std::chrono::duration<double, std::ratio<60>>{minutes};
    if (wait >= scenario.safety - at) return;
    at += std::chrono::duration_cast<Duration>(wait);
    auto const lasts = draws.between(plan.least, plan.most);
    into.push_back({at, lasts, kind, peer, draws.next()});
    at += lasts;
    if (at >= scenario.safety) return;
  }
}

}  // namespace

Draws::Draws(std::uint64_t seed, std::uint64_t stream, std::uint64_t number) noexcept
    : state_{spread(spread(spread(seed + 1) + stream) + number)} {}

std::uint64_t Draws::next() noexcept { return spread(state_ += 0x9e3779b97f4a7c15); }

double Draws::fraction() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

Duration Draws::between(Duration least, Duration most) noexcept {
  return least + std::chrono::duration_cast<Duration>((most - least) * fraction());
}

Timeline draw_timeline(Scenario const& scenario, std::uint64_t seed) {
  Timeline timeline;
  for (auto const kind : all_fault_kinds()) {
    Draws draws{seed, kDrawStream, static_cast<std::uint64_t>(kind)};
    auto const kept = !scenario.draw_faults || draws.fraction() < kKeptShare;
    auto const on = kept && scenario.fault(kind).per_minute > 0;
    timeline.on[static_cast<std::size_t>(kind)] = on;
    if (!on) continue;
    auto const peers = of_whole_run(kind) ? 1 : scenario.peers;
    for (std::uint32_t peer = 0; peer < peers; ++peer)
      draw_events(scenario, seed, kind, peer, timeline.events);
  }
  std::ranges::sort(timeline.events, {}, [](FaultEvent const& event) {
    return std::tuple{event.at, event.peer, event.kind};
  });
  return timeline;
}

}  // namespace mutirao::scenario
