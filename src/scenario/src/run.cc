#include "mutirao/scenario/run.h"

#include <array>

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

Report run_scenario(Scenario const& scenario, RunOptions options) {
  Report report;
  report.seed = options.seed;
  report.peers = scenario.peers;
  auto const timeline = draw_timeline(scenario, options.seed);
  report.faults_on = timeline.on;
  sim::Simulation simulation{
      {.seed = options.seed,
       .network = {.link = {.latency = scenario.latency,
                            .jitter = scenario.jitter,
                            .loss = scenario.loss},
                   .uplink_bytes_per_s = scenario.uplink_bytes_per_s,
                   .downlink_bytes_per_s = scenario.downlink_bytes_per_s},
       .faults = {.share = scenario.named_faults, .forbidden = scenario.named_faults_forbidden}}};
  simulation.run([&](sim::Simulation& network) {
    SwarmRun run{scenario, options, timeline, network, report};
    run.run();
  });
  for (auto const& each : simulation.faults())
    if (each.enabled) report.named_faults.push_back({each.name, each.fired});
  report.trace_hash = simulation.trace_hash();
  report.trace_events = simulation.trace_events();
  return report;
}

}  // namespace mutirao::scenario
