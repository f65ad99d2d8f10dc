#include "mutirao/middleware/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_objects.h"

namespace mutirao::middleware {
namespace {

/// Writes down that a call passed it.
class Marks final : public Interceptor {
 public:
  Marks(std::string name, std::vector<std::string>* seen) : name_{std::move(name)}, seen_{seen} {}
  Reply intercept(Call& call, Next next) override {
    seen_->push_back(name_);
    return next(call);
  }

 private:
  std::string name_;
  std::vector<std::string>* seen_;
};

class End final : public Interceptor {
 public:
  Reply intercept(Call& call, Next /*nobody*/) override { return call.done(); }
};

/// Fails a share of the calls, or takes its time.
class Bad final : public Interceptor {
 public:
  Bad(unsigned one_in, Duration takes) noexcept : one_in_{one_in}, takes_{takes} {}
  Reply intercept(Call& call, Next next) override {
    if (takes_ > Duration{}) static_cast<void>(threads::sleep_for(takes_));
    if (one_in_ != 0 && ++calls_ % one_in_ == 0)
      return call.fail(not_executed(Fault::io, "bad luck"));
    return next(call);
  }

 private:
  unsigned one_in_;
  Duration takes_;
  std::atomic<unsigned> calls_{0};
};

std::vector<std::string> order_of(std::vector<Placed> placed) {
  std::vector<std::string> seen;
  for (auto& each : placed) each.interceptor = std::make_shared<Marks>(each.name, &seen);
  auto const chain = Chain::make(std::move(placed), std::make_shared<End>());
  if (!chain) return {chain.error().what};
  Target const target{.object = "x"};
  Call call{target, "y", nullptr, {}};
  EXPECT_FALSE((**chain)(call).failed());
  return seen;
}

Placed at(std::string name, Phase phase, std::vector<std::string> before = {},
          std::vector<std::string> after = {}) {
  return {.name = std::move(name),
          .phase = phase,
          .interceptor = nullptr,
          .before = std::move(before),
          .after = std::move(after)};
}

TEST(Chain, orders_by_phase_and_by_wish_inside_a_phase) {
  EXPECT_THAT(
      order_of({at("c", Phase::retry), at("a", Phase::trace), at("b", Phase::retry, {"c"})}),
      testing::ElementsAre("a", "b", "c"));
  EXPECT_THAT(
      order_of({at("1", Phase::cache, {}, {"3"}), at("2", Phase::cache), at("3", Phase::cache)}),
      testing::ElementsAre("2", "3", "1"));
}

TEST(Chain, refuses_a_circle_a_second_of_one_name_and_a_wish_across_phases) {
  EXPECT_THAT(order_of({at("a", Phase::cache, {"b"}), at("b", Phase::cache, {"a"})})[0],
              testing::HasSubstr("in a circle: a after b after a"));
  EXPECT_THAT(order_of({at("a", Phase::cache), at("a", Phase::retry)})[0],
              testing::HasSubstr("two interceptors are called a"));
  EXPECT_THAT(order_of({at("a", Phase::cache, {"b"}), at("b", Phase::retry)})[0],
              testing::HasSubstr("another phase (retry, not cache)"));
}

TEST(LiveChain, keeps_a_chain_for_the_calls_inside_it_and_lets_it_go_after_the_last) {
  struct Slow final : Interceptor {
    threads::latch inside{1};
    threads::latch go{1};
    Reply intercept(Call& call, Next next) override {
      inside.count_down();
      static_cast<void>(go.wait(threads::within(10s)));
      return next(call);
    }
  };
  in_the_real_world([](world::World&) {
    auto const last = std::make_shared<End>();
    auto slow = std::make_shared<Slow>();
    std::weak_ptr<Slow> const watched = slow;
    LiveChain live{*Chain::make({{.name = "slow", .interceptor = slow}}, last)};
    threads::scope scope;
    scope.spawn("call", [&] {
      Target const target{.object = "x"};
      Call call{target, "y", nullptr, {}};
      EXPECT_FALSE(live(call).failed());
    });
    ASSERT_TRUE(slow->inside.wait(threads::within(10s)));
    ASSERT_EQ(live.replace(*Chain::make({}, last), 1), 2u);
    EXPECT_EQ(live.draining(), 1u);
    EXPECT_FALSE(live.replace(*Chain::make({}, last), 1));  // decided on what is no more
    slow->go.count_down();
    slow.reset();
    ASSERT_TRUE(scope.join());
    EXPECT_EQ(live.draining(), 0u);
    ASSERT_TRUE(live.replace(*Chain::make({}, last), 2));
    EXPECT_TRUE(watched.expired());
  });
}

ChainFigures tried(std::shared_ptr<Interceptor> bad, unsigned per_mille, ChainFigures& old) {
  ChainFigures next;
  in_the_real_world([&](world::World&) {
    auto const last = std::make_shared<End>();
    LiveChain live{*Chain::make({}, last)};
    ASSERT_TRUE(
        live.begin_trial(*Chain::make({{.name = "bad", .interceptor = bad}}, last), 1, per_mille));
    Target const target{.object = "x"};
    for (int i = 0; i < 10'000; ++i) {
      Call call{target, "y", nullptr, {}};
      static_cast<void>(live(call));
    }
    std::tie(old, next) = live.trial_figures();
    EXPECT_EQ(live.end_trial(false), 1u);
  });
  return next;
}

TEST(LiveChain, tries_a_chain_on_a_share_of_the_calls_and_sees_what_it_does_to_them) {
  ChainFigures old;
  auto const failing = tried(std::make_shared<Bad>(10, 0ms), 100, old);
  EXPECT_EQ(failing.calls, 1000u);
  EXPECT_EQ(failing.failures, 100u);
  EXPECT_EQ(old.failures, 0u);
  EXPECT_THAT(*left_band(old, failing, {}), testing::HasSubstr("10.0 % of its calls failed"));
  auto const slow = tried(std::make_shared<Bad>(0, 3ms), 30, old);
  EXPECT_GE(slow.p99, 3ms);
  EXPECT_THAT(*left_band(old, slow, {}), testing::HasSubstr("its p99"));
  auto const good = tried(std::make_shared<Bad>(0, 0ms), 500, old);
  EXPECT_FALSE(left_band(old, good, {}));
  EXPECT_FALSE(left_band({.calls = 1000}, {.calls = 10, .failures = 10}, {}));  // too few to tell
}

}  // namespace
}  // namespace mutirao::middleware
