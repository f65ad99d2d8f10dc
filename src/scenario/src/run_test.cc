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
// with the right file.
// Method: the shipped scenario with 60 peers and all of its faults.
TEST(SwarmScenario, holds_with_all_faults) {
  auto scenario = shipped("swarm");
  scenario.peers = 60;
  for (auto const seed : sim::seeds(2)) {
    auto const report = run_scenario(scenario, {.seed = seed});
    EXPECT_TRUE(report.ok()) << report_text(scenario, report, 0);
    EXPECT_EQ(report.complete, 60u);
  }
}

}  // namespace
}  // namespace mutirao::scenario
