#include "config_entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::node {
namespace {

ConfigEntry entry_of(std::vector<ConfigEntry> const& all, std::string_view key) {
  for (auto const& each : all)
    if (each.key == key) return each;
  ADD_FAILURE() << key;
  return {};
}

TEST(ConfigEntries, tell_what_is_in_force_and_where_it_came_from) {
  NodeConfig config;
  config.state_folder = "/srv/state";
  config.upload_rate_max = 16'000'000;
  config.from = {{"state", "$MUTIRAO_STATE_DIR"}, {"upload-limit", "--upload-limit"}};
  auto const all = config_entries(config, *world::Endpoint::parse("0.0.0.0:6883"), std::nullopt);
  EXPECT_EQ(entry_of(all, "state").value, "/srv/state");
  EXPECT_EQ(entry_of(all, "state").from, "$MUTIRAO_STATE_DIR");
  EXPECT_EQ(entry_of(all, "listen").value, "0.0.0.0:6883");
  EXPECT_EQ(entry_of(all, "listen").from, "chosen by the node");
  EXPECT_EQ(entry_of(all, "upload-limit").value, "16000000");
  EXPECT_EQ(entry_of(all, "upload-limit").from, "--upload-limit");
  EXPECT_EQ(entry_of(all, "download-limit").value, "none");
  EXPECT_EQ(entry_of(all, "download-limit").from, "default");
  EXPECT_EQ(entry_of(all, "control-port").value, "none");
  for (auto const& each : all) EXPECT_NE(each.about, "") << each.key;
}

TEST(ConfigEntries, tell_no_password) {
  for (auto const& [given, shown] :
       {std::pair{"http://ana:se@cret@share.example.org/a@b", "http://***@share.example.org/a@b"},
        std::pair{"http://share.example.org/a@b", "http://share.example.org/a@b"}}) {
    NodeConfig config;
    config.base_url = given;
    EXPECT_EQ(entry_of(config_entries(config, {}, {}), "url").value, shown);
  }
}

}  // namespace
}  // namespace mutirao::node
