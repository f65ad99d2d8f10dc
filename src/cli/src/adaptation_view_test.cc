#include "adaptation_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(AdaptationView, tells_a_chain_line_by_line_with_its_revision) {
  middleware::InterceptorStatus one;
  one.side = "server";
  one.name = "limit\x1b[31m";
  one.kind = "rate-limit";
  one.phase = "admission";
  one.about = "at most so many calls a second";
  one.settings = {{"burst", "3"}, {"per-second", "10"}};
  auto const text = interceptor_list({one}, 7);
  EXPECT_THAT(text, HasSubstr("server  admission  limit?[31m  rate-limit  burst=3 per-second=10"));
  one.figures = {{"bytes", 1000}, {"writes", 3}};
  EXPECT_THAT(interceptor_list({one}, 7), HasSubstr("a second: 1000 bytes, 3 writes\n"));
  EXPECT_THAT(text, HasSubstr("revision 7\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(AdaptationView, tells_what_a_component_needs_and_why_it_is_unwell) {
  middleware::ComponentStatus one;
  one.name = "library";
  one.kind = "library";
  one.state = "active";
  one.on_probation = true;
  one.why = "not well";
  one.needs = {"swarm"};
  auto const text = component_list({one});
  EXPECT_THAT(text, HasSubstr("active, on probation (not well)  swarm  -"));
}

TEST(AdaptationView, tells_what_would_be_done_and_what_is_against_it) {
  middleware::Plan plan;
  plan.steps = {"interceptor.add server cache"};
  plan.server = {"trace", "cache"};
  plan.message = {"zstd"};
  plan.conflicts = {"no room"};
  EXPECT_EQ(plan_text(plan),
            "would: interceptor.add server cache\nserver: trace, cache\nclient: -\n"
            "message: zstd\n"
            "conflict: no room\n");
}

TEST(AdaptationView, tells_the_history_with_its_reasons) {
  middleware::AuditEntry entry;
  entry.number = 3;
  entry.time_ms = 1'700'000'000'000;
  entry.who = "ana";
  entry.what = "interceptor.add server cache";
  entry.reason = "it is slow";
  entry.outcome = "applied, revision 2";
  auto const text = history_text({entry});
  EXPECT_THAT(text, HasSubstr("3       2023-11-14 22:13:20  ana  interceptor.add server cache  "
                              "it is slow  applied, revision 2"));
}

}  // namespace
}  // namespace mutirao::cli
