#include "mutirao/scenario/run.h"

#include <array>
#include <charconv>

#include "mutirao/sim/simulation.h"

#include "swarm_run.h"
#include "timeline.h"

namespace mutirao::scenario {

std::string_view to_string(FailureKind kind) noexcept {
  static constexpr std::array<std::string_view, 7> kNames{
      "wrong_claim", "wrong_bytes", "lost_verified", "lost_torrent",
      "stray_file",  "incomplete",  "wrong_file"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<EventRange> parse_events(std::string_view text) {
  constexpr std::string_view kDots = "..";
  auto const dots = text.find(kDots);
  if (dots == std::string_view::npos) return std::nullopt;
  auto const number = [](std::string_view digits) {
    std::uint64_t value = 0;
    auto const* const end = digits.data() + digits.size();
    auto const read = std::from_chars(digits.data(), end, value);
    return read.ec == std::errc{} && read.ptr == end ? value : 0;
  };
  EventRange const range{number(text.substr(0, dots)), number(text.substr(dots + kDots.size()))};
  if (range.first == 0 || range.last < range.first || range.last - range.first >= kEventsMax)
    return std::nullopt;
  return range;
}

Report run_scenario(Scenario const& scenario, RunOptions options) {
  Report report;
  report.seed = options.seed;
  report.peers = scenario.peers;
  auto const timeline = draw_timeline(scenario, options.seed);
  report.faults_on = timeline.on;
  auto const events = options.events.value_or(EventRange{});
  sim::Recording recording{events.first, events.last};
  sim::Simulation simulation{
      {.seed = options.seed,
       .network = {.link = {.latency = scenario.latency,
                            .jitter = scenario.jitter,
                            .loss = scenario.loss},
                   .uplink_bytes_per_s = scenario.uplink_bytes_per_s,
                   .downlink_bytes_per_s = scenario.downlink_bytes_per_s},
       .faults = {.share = scenario.named_faults, .forbidden = scenario.named_faults_forbidden},
       .recording = options.events ? &recording : nullptr}};
  simulation.run([&](sim::Simulation& network) {
    SwarmRun run{scenario, options, timeline, network, report};
    run.run();
  });
  for (auto const& each : simulation.faults())
    if (each.enabled) report.named_faults.push_back({each.name, each.fired});
  for (std::size_t i = 0; i < recording.size(); ++i)
    report.events.push_back({events.first + i, recording.describe(recording[i])});
  report.trace_hash = simulation.trace_hash();
  report.trace_events = simulation.trace_events();
  return report;
}

}  // namespace mutirao::scenario
