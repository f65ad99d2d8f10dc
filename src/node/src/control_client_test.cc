#include "mutirao/node/control_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/sim/testing.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::node {
namespace {

using testing::HasSubstr;

constexpr char kSocket[] = "/control.sock";

/// Stands where admission does, and refuses the first calls as that does.
class RefusesAtFirst final : public middleware::Interceptor {
 public:
  explicit RefusesAtFirst(int calls) noexcept : left_{calls} {}
  middleware::Reply intercept(middleware::Call& call, middleware::Next next) override {
    ++seen;
    if (left_-- <= 0) return next(call);
    auto failure = middleware::not_executed(Fault::exhausted, "too busy: it waited", "again",
                                            middleware::Retry::later);
    failure.retry_after = 100ms;
    return call.fail(std::move(failure));
  }
  int seen = 0;

 private:
  int left_;
};

/// A node that refuses so many calls, and what its status is for a command beside it.
struct Asked {
  Result<NodeStatus> status;
  int calls;
};
Asked ask_a_node_that_refuses(int calls, sim::Simulation& network, Deadline deadline) {
  auto& host = network.add_host("host");
  middleware::Broker node{host.world()};
  auto const refuses = std::make_shared<RefusesAtFirst>(calls);
  auto& objects = node.objects();
  EXPECT_TRUE(objects.chain().replace(
      *middleware::Chain::make(
          {{.name = "admission", .phase = middleware::Phase::admission, .interceptor = refuses}},
          objects.last()),
      objects.chain().version()));
  EXPECT_TRUE(objects.add(
      "node", middleware::servant<NodeObject>(
                  middleware::on<&NodeObject::status>([] {
                    NodeStatus status;
                    status.version = "served";
                    return status;
                  }),
                  middleware::on<&NodeObject::stop>([] {}),
                  middleware::on<&NodeObject::config>([] { return std::vector<ConfigEntry>{}; }))));
  auto const listener = *host.world().network().listen_local(kSocket);
  threads::scope serving;
  serving.spawn("node", [&] { static_cast<void>(node.serve(*listener)); });
  auto status = ControlClient{host.world(), {.socket = kSocket}}.status(deadline);
  listener->close();
  return {std::move(status), refuses->seen};
}

TEST(ControlClient, calls_a_node_again_that_is_busy_for_the_moment) {
  sim::for_seeds(4, [](sim::Simulation& network, std::uint64_t) {
    auto const asked = ask_a_node_that_refuses(3, network, threads::within(10s));
    ASSERT_TRUE(asked.status) << asked.status.error().what;
    EXPECT_EQ(asked.status->version, "served");
    EXPECT_EQ(asked.calls, 4);
  });
}

TEST(ControlClient, says_that_a_node_stays_busy_after_some_seconds_of_asking) {
  sim::for_seeds(4, [](sim::Simulation& network, std::uint64_t) {
    auto const begun = threads::now();
    auto const asked = ask_a_node_that_refuses(1000, network, threads::within(1h));
    ASSERT_FALSE(asked.status);
    EXPECT_EQ(asked.status.error().fault, Fault::exhausted);
    EXPECT_THAT(asked.status.error().what, HasSubstr("stays busy: too busy"));
    EXPECT_THAT(asked.status.error().mend, HasSubstr("mutirao thread list"));
    auto const took = threads::now() - begun;
    EXPECT_GT(took, 1s);
    EXPECT_LT(took, 10s);
  });
}

TEST(ControlClient, does_not_ask_again_when_its_time_is_over_or_no_node_is_there) {
  sim::for_seeds(1, [](sim::Simulation& network, std::uint64_t) {
    auto const asked = ask_a_node_that_refuses(1000, network, threads::within(50ms));
    EXPECT_FALSE(asked.status);
    EXPECT_EQ(asked.calls, 1);
    auto& lonely = network.add_host("lonely");
    auto const begun = threads::now();
    auto const status =
        ControlClient{lonely.world(), {.socket = kSocket}}.status(threads::within(1h));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().fault, Fault::unreachable);
    EXPECT_LT(threads::now() - begun, 50ms);
  });
}

}  // namespace
}  // namespace mutirao::node
