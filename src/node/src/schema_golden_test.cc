#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/node/objects.h"

namespace mutirao::node {
namespace {

constexpr char kUpdate[] =
    "MUTIRAO_UPDATE_GOLDEN=1 build/dev/bin/node_test --gtest_filter='NodeSchema.*'";

std::string schema_path() {
  return std::string{MUTIRAO_SOURCE_DIR} + "/src/node/golden/schema.json";
}

// Goal: nobody breaks programs of others without knowing it.
// Method: the file holds what they were made for; what they would stumble over is told one by one.
// MUTIRAO_UPDATE_GOLDEN=1 writes the file anew, which is to be done for additions, and for a break
// that was decided on (and stands in the changelog).
TEST(NodeSchema, breaks_no_program_that_was_made_for_the_committed_one) {
  auto const now = node_schema();
  if (std::getenv("MUTIRAO_UPDATE_GOLDEN") != nullptr)
    std::ofstream{schema_path()} << now.to_json();
  std::stringstream text;
  text << std::ifstream{schema_path()}.rdbuf();
  auto const committed = middleware::Schema::from_json(text.str());
  ASSERT_TRUE(committed) << committed.error().what << "\nwrite it: " << kUpdate;
  auto const broken = middleware::breaking_changes(*committed, now);
  ASSERT_TRUE(broken.empty()) << fmt::format(
      "programs of others would break:\n  {}\ntake that back, or decide on it: {}",
      fmt::join(broken, "\n  "), kUpdate);
  EXPECT_TRUE(now.to_json() == text.str())
      << "what a node offers has grown, and breaks nobody; keep it: " << kUpdate;
}

TEST(NodeSchema, has_the_objects_that_a_node_has) {
  std::vector<std::string> names;
  for (auto const& each : node_schema().objects) names.push_back(each.name);
  EXPECT_THAT(names, testing::IsSupersetOf({"library", "meta", "node", "swarm", "threads"}));
}

}  // namespace
}  // namespace mutirao::node
