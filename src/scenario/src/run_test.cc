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

// Goal: the same on disks that refuse one call in ten, and on disks that rot; and with a part of
// the faults left out, as drawn.
TEST(SwarmScenario, holds_on_failing_and_on_rotting_disks) {
  auto scenario = shipped("swarm");
  scenario.peers = 30;
  scenario.draw_faults = true;
  scenario.fault(FaultKind::disk_errors) = {.per_minute = 0.5};
  scenario.fault(FaultKind::bit_rot) = {.per_minute = 0.5};
  for (auto const seed : sim::seeds(6)) {
    auto const report = run_scenario(scenario, {.seed = seed});
    EXPECT_TRUE(report.ok()) << report_text(scenario, report, 0);
    EXPECT_EQ(report.complete, 30u);
  }
}

}  // namespace
}  // namespace mutirao::scenario
