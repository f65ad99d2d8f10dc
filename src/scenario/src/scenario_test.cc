// Scenarios as text: strict, with errors that a person can act on.
#include "mutirao/scenario/scenario.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/scenario/quantity.h"

namespace mutirao::scenario {
namespace {

using testing::HasSubstr;

Error error_of(std::string_view text) {
  auto const scenario = parse_scenario(text, "lab.toml");
  EXPECT_FALSE(scenario) << text;
  return scenario ? Error{} : scenario.error();
}

TEST(Scenario, reads_every_kind_of_value) {
  auto const scenario = parse_scenario(R"(
title = "a lab"
peers = 12
arrival = "1.5 min"
[content]
size = "3 MiB"
format = "v2"
[discovery]
tracker = false
known_peers = 4
[network]
loss = 0.05
uplink = "0 B/s"
[gateways]
symmetric = 0.5
[faults.by_name]
share = 0.25
forbidden = "sim.stream.short_read, sim.disk.slow_call"
[faults.crash]
per_minute = 2
most = "90 s"
)",
                                       "lab.toml");
  ASSERT_TRUE(scenario) << scenario.error().what;
  EXPECT_EQ(scenario->title, "a lab");
  EXPECT_EQ(scenario->peers, 12u);
  EXPECT_EQ(scenario->arrival, 90s);
  EXPECT_EQ(scenario->file_bytes, 3_MiB);
  EXPECT_EQ(scenario->format, "v2");
  EXPECT_FALSE(scenario->tracker);
  EXPECT_EQ(scenario->loss, 0.05);
  EXPECT_EQ(scenario->uplink_bytes_per_s, 0u);
  EXPECT_EQ(scenario->fault(FaultKind::crash).per_minute, 2);
  EXPECT_EQ(scenario->fault(FaultKind::crash).most, 90s);
  EXPECT_EQ(scenario->fault(FaultKind::churn).per_minute, 0);
  EXPECT_EQ(scenario->share_behind(GatewayKind::symmetric), 0.5);
  EXPECT_EQ(scenario->share_behind(GatewayKind::carrier), 0);
  EXPECT_EQ(scenario->named_faults, 0.25);
  EXPECT_EQ(scenario->named_faults_forbidden,
            (std::vector<std::string>{"sim.disk.slow_call", "sim.stream.short_read"}));
}

TEST(Scenario, names_file_line_key_and_the_mend) {
  struct Case {
    std::string_view text, what, mend;
  };
  for (auto const& [text, what, mend] : std::initializer_list<Case>{
           {"peers = 3\n[network]\nlos = 0.1\n", "lab.toml:3: network.los is no key",
            "network.loss"},
           {"peers = \"three\"\n", "lab.toml:1: peers = \"three\" is no whole number",
            "a whole number"},
           {"peers = 0\n", "lab.toml:1: peers = 0 is out of range", "from 1 to 10000"},
           {"\nnetwork.loss = 0.9\n", "lab.toml:2: network.loss = 0.9 is out of range",
            "from 0 to 0.5"},
           {"network.loss = nan\n", "is out of range", "from 0 to 0.5"},
           {"arrival = 60\n", "lab.toml:1: arrival = 60 is no time", "\"20 ms\""},
           {"content.size = \"1 TB\"\n", "is no size", "\"1 MiB\""},
           {"network.uplink = \"1 MB\"\n", "is no rate", "\"2 MB/s\""},
           {"content.format = \"v3\"\n", "is no choice", "v1, v2, hybrid"},
           {"discovery.tracker = 1\n", "is neither true nor false", "true or false"},
           {"title = [1]\n", "has a list or a date", "a text in quotes"},
           {"title = \"a\\nb\"\n", "has control characters", "one line"},
           {"peers = 3\npeers = 4\n", "lab.toml:2:", "mutirao sim show"},
           {"peers = \n", "lab.toml:1:", "mutirao sim show"},
           {"a.b.c.d.e = 1\n", "lies too deep", "at most 3"},
           {"content.piece = \"48 KiB\"\n", "lab.toml: content.piece is no power of two", "32 KiB"},
           {"[faults.kill]\nleast = \"9 s\"\nmost = \"1 s\"\n", "faults.kill.least is more", ""},
           {"discovery.tracker = false\n", "discovery.known_peers is 0", "tracker"},
           {"gateways.full_cone = 1.5\n", "gateways.full_cone = 1.5 is out of range",
            "from 0 to 1"},
           {"gateways.fullcone = 0.5\n", "gateways.fullcone is no key", "gateways.full_cone"},
           {"[gateways]\nleaky = 0.7\nsymmetric = 0.6\n", "all gateways make 1.3", "at most 1"},
           {"gateways.no_udp = 0.1\n", "don't reach the tracker", "discovery.known_peers = 1"},
           {"faults.router_reboot.per_minute = 1\n", "has no router to strike",
            "gateways.port_restricted = 0.5"},
           {"faults.by_name.share = 2\n", "is out of range", "from 0 to 1"},
           {"faults.by_name.forbidden = 3\n", "is no text", "names in quotes"},
           {"faults.by_name.forbidden = \"sim.disk.slow_cal\"\n",
            "has an unknown name, \"sim.disk.slow_cal\"", "sim.disk.slow_call"},
           {"faults.by_name.forbidden = \"x\"\n", "has an unknown name", "sim.entropy.edge"},
           {"peers = 10000\ncontent.size = \"1 GiB\"\n", "more than 64 GiB", "fewer peers"},
       }) {
    auto const error = error_of(text);
    EXPECT_EQ(error.fault, Fault::invalid) << text;
    EXPECT_THAT(error.what, HasSubstr(what));
    EXPECT_THAT(error.mend, HasSubstr(mend));
  }
}

TEST(Scenario, takes_letters_beyond_ascii_in_texts_and_comments_alone) {
  auto const scenario = parse_scenario("\xEF\xBB\xBFtitle = \"mutirão ~7e\" # não", "lab.toml");
  ASSERT_TRUE(scenario);
  EXPECT_EQ(scenario->title, "mutirão ~7e");
  EXPECT_THAT(error_of("peers = 3\ntítulo = 3").what, HasSubstr("lab.toml:2: "));
  EXPECT_THAT(error_of("\"título\" = 3").what, HasSubstr("lab.toml:1: título is no key"));
  EXPECT_EQ(error_of("title = \"\xE3\"").what, "lab.toml is not UTF-8");
}

TEST(Scenario, refuses_what_is_too_large) {
  EXPECT_THAT(error_of(std::string(kScenarioBytesMax + 1, ' ')).what, HasSubstr("bytes"));
  std::string many;
  for (std::size_t i = 0; i <= kScenarioKeysMax; ++i) many += fmt::format("k{} = 1\n", i);
  EXPECT_THAT(error_of(many).what, HasSubstr("too many keys"));
}

TEST(Scenario, is_written_so_that_it_reads_again_to_the_same) {
  for (auto const& shipped : shipped_scenarios()) {
    auto const scenario = parse_scenario(shipped.text, shipped.name);
    ASSERT_TRUE(scenario) << scenario.error().what;
    for (auto const& written : {to_toml(*scenario), to_commented_toml(*scenario)}) {
      auto const again = parse_scenario(written, "again");
      ASSERT_TRUE(again) << again.error().what;
      EXPECT_EQ(*again, *scenario);
    }
  }
}

TEST(Scenario, takes_settings_as_the_file_would) {
  Scenario scenario;
  ASSERT_TRUE(set_key(scenario, "network.loss=0.25"));
  ASSERT_TRUE(set_key(scenario, "liveness.limit=90 s"));
  ASSERT_TRUE(set_key(scenario, "discovery.tracker=false"));
  EXPECT_EQ(scenario.loss, 0.25);
  EXPECT_EQ(scenario.liveness_max, 90s);
  EXPECT_FALSE(scenario.tracker);
  ASSERT_TRUE(set_key(scenario, "faults.by_name.forbidden=sim.entropy.edge"));
  EXPECT_EQ(scenario.named_faults_forbidden, (std::vector<std::string>{"sim.entropy.edge"}));
  EXPECT_THAT(set_key(scenario, "network.los=1").error().mend, HasSubstr("network.loss=1"));
  EXPECT_THAT(set_key(scenario, "peers").error().mend, HasSubstr("peers=VALUE"));
  EXPECT_THAT(set_key(scenario, "peers=x").error().what, HasSubstr("is no whole number"));
}

TEST(Quantity, reads_what_it_wrote) {
  for (auto const time :
       {Duration{0}, Duration{1us}, Duration{1500ms}, Duration{90s}, Duration{2h}})
    EXPECT_EQ(parse_duration(write_duration(time)), time);
  for (std::uint64_t const bytes : {0ull, 1ull, 1000ull, 1025ull, 1ull << 20, 3'000'000ull})
    EXPECT_EQ(parse_bytes(write_bytes(bytes)), bytes);
  EXPECT_EQ(write_duration(90s), "90 s");
  EXPECT_EQ(write_bytes(1_MiB), "1 MiB");
  for (auto const* text : {"", "5", "s", "-1 s", "1 d", "nan s", "inf s", "1e300 h"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

}  // namespace
}  // namespace mutirao::scenario
