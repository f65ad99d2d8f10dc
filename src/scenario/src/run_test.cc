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

// Goal: who can only dial out gets its file too, whatever it stands behind and however its address
// and its router behave.
// Method: the shipped scenario with 60 peers, and faults of every kind that it has.
TEST(SwarmScenario, holds_behind_nats_and_firewalls) {
  auto scenario = shipped("swarm-behind-nats");
  scenario.peers = 60;
  std::uint64_t moved = 0;
  std::uint64_t rebooted = 0;
  std::uint64_t by_name = 0;
  for (auto const seed : sim::seeds(3)) {
    auto const report = run_scenario(scenario, {.seed = seed});
    EXPECT_TRUE(report.ok()) << report_text(scenario, report, 0);
    EXPECT_EQ(report.complete, 60u);
    EXPECT_GT(report.behind[static_cast<std::size_t>(GatewayKind::port_restricted)], 5u);
    EXPECT_GT(report.denied, 0u);
    moved += report.faults_fired[static_cast<std::size_t>(FaultKind::address_change)];
    rebooted += report.faults_fired[static_cast<std::size_t>(FaultKind::router_reboot)];
    for (auto const& each : report.named_faults) by_name += each.fired;
    EXPECT_NE(report_text(scenario, report, 0).find("port_restricted "), std::string::npos);
    EXPECT_NE(report_json(scenario, report, 0).find("\"behind\":{\"full_cone\":"),
              std::string::npos);
  }
  EXPECT_GT(moved, 0u);
  EXPECT_GT(rebooted, 0u);
  EXPECT_GT(by_name, 0u);
}

// Goal: nobody is left out when all stand behind one kind: seeds can still be dialled.
TEST(SwarmScenario, holds_when_every_peer_stands_behind_the_same_kind) {
  for (auto const kind : all_gateway_kinds()) {
    Scenario scenario;
    scenario.peers = 12;
    scenario.known_peers = 1;
    scenario.arrival = 5s;
    scenario.safety = 30s;
    scenario.share_behind(kind) = 1;
    scenario.fault(FaultKind::address_change) = {.per_minute = 1, .least = 1s, .most = 5s};
    auto const report = run_scenario(scenario, {.seed = 1});
    EXPECT_TRUE(report.ok()) << to_string(kind) << ": " << report_text(scenario, report, 0);
    EXPECT_EQ(report.behind[static_cast<std::size_t>(kind)], 12u);
  }
}

// Goal: names that are forbidden never come, and leave the others as they were.
TEST(SwarmScenario, has_the_faults_by_name_that_its_seed_draws) {
  Scenario scenario;
  scenario.peers = 8;
  scenario.arrival = 2s;
  scenario.safety = 10s;
  scenario.named_faults = 1;
  scenario.named_faults_forbidden = {"sim.stream.short_read"};
  auto const report = run_scenario(scenario, {.seed = 1});
  EXPECT_TRUE(report.ok()) << report_text(scenario, report, 0);
  EXPECT_EQ(report.named_faults.size(), 7u);
  for (auto const& each : report.named_faults) EXPECT_NE(each.name, "sim.stream.short_read");
  EXPECT_NE(faults_text(report).find("sim.stream.split_write "), std::string::npos);
}

// Goal: a part of a long trace can be read, and is the same part that a whole run has.
TEST(SwarmScenario, tells_the_events_that_it_is_asked_for) {
  Scenario scenario;
  scenario.peers = 4;
  scenario.safety = 5s;
  auto const some = run_scenario(scenario, {.seed = 3, .events = EventRange{50, 59}});
  ASSERT_EQ(some.events.size(), 10u);
  EXPECT_EQ(some.events.front().number, 50u);
  EXPECT_TRUE(some.interrupted) << "nobody has to wait for the rest";
  auto const more = run_scenario(scenario, {.seed = 3, .events = EventRange{1, 1000}});
  for (auto const& each : some.events) EXPECT_EQ(each.what, more.events[each.number - 1].what);
  EXPECT_FALSE(parse_events("9..3") || parse_events("0..3") || parse_events("5") ||
               parse_events("1..2x") || parse_events("1..99999999"));
  EXPECT_EQ(parse_events("7..9")->last, 9u);
}

}  // namespace
}  // namespace mutirao::scenario
