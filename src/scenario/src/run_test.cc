#include "mutirao/scenario/run.h"

#include <gtest/gtest.h>

#include "mutirao/sim/seeds.h"

namespace mutirao::scenario {
namespace {

Scenario shipped(std::string_view name) {
  for (auto const& each : shipped_scenarios()) {
    if (each.name != name) continue;
    auto scenario = parse_scenario(each.text, name);
    EXPECT_TRUE(scenario) << scenario.error().what;
    return scenario.value_or(Scenario{});
  }
  ADD_FAILURE() << "no scenario " << name;
  return {};
}

// Goal: whatever goes wrong, nothing wrong is claimed, nothing verified is lost, and everybody ends
// with the right file; and a run is a function of its seed.
// Method: the shipped scenario with 60 peers and all of its faults, each seed twice.
TEST(SwarmScenario, holds_with_all_faults_and_runs_the_same_twice) {
  auto scenario = shipped("swarm");
  scenario.peers = 60;
  for (auto const seed : sim::seeds(2)) {
    auto const first = run_scenario(scenario, {.seed = seed});
    EXPECT_TRUE(first.ok()) << report_text(scenario, first, 0);
    EXPECT_EQ(first.complete, 60u);
    auto const again = run_scenario(scenario, {.seed = seed});
    EXPECT_EQ(again.trace_hash, first.trace_hash) << sim::replay_hint(seed);
    EXPECT_EQ(report_json(scenario, again, 0), report_json(scenario, first, 0));
  }
}

}  // namespace
}  // namespace mutirao::scenario
