#include "mutirao/scenario/minimise.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "mutirao/sim/faults.h"

#include "timeline.h"

namespace mutirao::scenario {
namespace {

Scenario noisy() {
  Scenario scenario;
  scenario.peers = 1000;
  scenario.loss = 0.01;
  for (auto const kind : all_fault_kinds()) scenario.fault(kind).per_minute = 1;
  for (auto const kind : all_gateway_kinds()) scenario.share_behind(kind) = 0.1;
  scenario.named_faults = 0.5;
  return scenario;
}

// Goal: what is not needed for the failure goes, what is needed stays.
// Method: a failure that needs crashes, 7 peers and 10 s of faults.
TEST(Minimise, keeps_only_what_the_failure_needs) {
  MinimiseOptions options;
  options.probe = [](Scenario const& s, std::uint64_t) -> std::optional<std::string> {
    bool const fails = s.peers >= 7 && s.fault(FaultKind::crash).per_minute > 0 && s.safety >= 10s;
    return fails ? "incomplete" : "";
  };
  auto const found = minimise(noisy(), 5, options);
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->kind, "incomplete");
  EXPECT_EQ(found->seed, 5u);
  EXPECT_EQ(found->scenario.peers, 7u);
  EXPECT_EQ(found->scenario.safety, 15s);
  EXPECT_EQ(found->scenario.loss, 0);
  EXPECT_EQ(found->scenario.file_bytes, 16_KiB);
  EXPECT_EQ(found->scenario.liveness_max, noisy().liveness_max) << "it says what failing means";
  for (auto const kind : all_fault_kinds())
    EXPECT_EQ(found->scenario.fault(kind).per_minute > 0, kind == FaultKind::crash);
  EXPECT_EQ(found->scenario.gateways, Scenario{}.gateways);
  EXPECT_EQ(found->scenario.named_faults, 0);
  EXPECT_TRUE(found->scenario.named_faults_forbidden.empty());
  EXPECT_FALSE(found->interrupted);
}

// Goal: of the faults by name and the gateways, those that are needed stay.
TEST(Minimise, keeps_the_name_and_the_gateway_that_the_failure_needs) {
  MinimiseOptions options;
  options.probe = [](Scenario const& s, std::uint64_t) -> std::optional<std::string> {
    auto const& forbidden = s.named_faults_forbidden;
    bool const has_name = s.named_faults > 0 &&
                          std::ranges::find(forbidden, "sim.stream.short_read") == forbidden.end();
    return has_name && s.share_behind(GatewayKind::leaky) > 0 ? "incomplete" : "";
  };
  auto const found = minimise(noisy(), 5, options);
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->scenario.named_faults_forbidden.size(), sim::kWorldFaults.size() - 1);
  for (auto const kind : all_gateway_kinds())
    EXPECT_EQ(found->scenario.share_behind(kind) > 0, kind == GatewayKind::leaky);
}

TEST(Minimise, does_not_take_another_failure_for_this_one) {
  MinimiseOptions options;
  options.probe = [](Scenario const& s, std::uint64_t) -> std::optional<std::string> {
    return s.peers == 1000 ? "wrong_claim" : "incomplete";
  };
  auto const found = minimise(noisy(), 1, options);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->scenario.peers, 1000u);
  EXPECT_EQ(found->kind, "wrong_claim");
}

TEST(Minimise, says_when_there_is_no_failure_and_stops_when_interrupted) {
  MinimiseOptions options;
  options.probe = [](Scenario const&, std::uint64_t) { return std::optional<std::string>{""}; };
  EXPECT_EQ(minimise(noisy(), 1, options).error().fault, Fault::invalid);
  int runs = 0;
  options.probe = [&](Scenario const&, std::uint64_t) -> std::optional<std::string> {
    if (++runs == 4) return std::nullopt;
    return "incomplete";
  };
  auto const found = minimise(noisy(), 1, options);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->interrupted);
  EXPECT_EQ(found->runs, 4u);
}

// What minimise() stands on.
TEST(Timeline, keeps_the_events_of_a_peer_when_others_or_other_kinds_are_left_out) {
  auto const all = draw_timeline(noisy(), 3);
  auto fewer = noisy();
  fewer.peers = 10;
  fewer.fault(FaultKind::churn).per_minute = 0;
  std::vector<Duration> before;
  std::vector<Duration> after;
  auto const crashes_of = [](Timeline const& timeline, std::vector<Duration>& into) {
    for (auto const& event : timeline.events)
      if (event.kind == FaultKind::crash && event.peer == 4) into.push_back(event.at);
  };
  crashes_of(all, before);
  crashes_of(draw_timeline(fewer, 3), after);
  EXPECT_FALSE(before.empty());
  EXPECT_EQ(after, before);
}

TEST(Timeline, leaves_out_other_kinds_with_other_seeds_when_told_to_draw) {
  auto scenario = noisy();
  scenario.peers = 1;
  scenario.draw_faults = true;
  std::array<int, kFaultKinds> on{};
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    auto const timeline = draw_timeline(scenario, seed);
    for (std::size_t kind = 0; kind < kFaultKinds; ++kind) on[kind] += timeline.on[kind];
  }
  for (auto const count : on) EXPECT_TRUE(count > 30 && count < 90) << count;
}

}  // namespace
}  // namespace mutirao::scenario
