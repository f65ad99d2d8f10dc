#include "mutirao/middleware/interceptors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/threads/cancel_region.h"

#include "../test_objects.h"

namespace mutirao::middleware {
namespace {

struct Till {
  static constexpr std::string_view kType = "Till";
  Method<"pay", std::int64_t(std::int64_t)> pay;
  Method<"price", std::int64_t(std::string), Cacheable<200>> price;
  Method<"slow_price", std::int64_t(std::string), Cacheable<60'000>> slow_price;
  Method<"look", std::int64_t(), Idempotent> look;
  Method<"add", std::int64_t(std::int64_t), Commutative> add;
};

/// What the servant of a till does, and what it has seen.
struct TillState {
  std::atomic<std::int64_t> calls{0};
  std::atomic<std::int64_t> sum{0};
  std::atomic<int> failures{0};  // the next ones, before anything is executed
  Duration takes{};
};

std::shared_ptr<Servant> till_servant(TillState& state) {
  auto const work = [&state]() -> Outcome<std::int64_t> {
    if (state.failures > 0) {
      --state.failures;
      return std::unexpected{not_executed(Fault::exhausted, "busy", "", Retry::elsewhere)};
    }
    ++state.calls;
    if (state.takes > Duration{})
      if (auto slept = threads::sleep_for(state.takes); !slept)
        return std::unexpected{Failure{slept.error(), Executed::maybe, Retry::elsewhere, {}, {}}};
    return state.sum.load();
  };
  auto const add = [&state, work](std::int64_t n) -> Outcome<std::int64_t> {
    auto done = work();
    if (done) done = state.sum += n;
    return done;
  };
  return servant<Till>(on<&Till::pay>(add), on<&Till::add>(add), on<&Till::look>(work),
                       on<&Till::price>([work](std::string const&) { return work(); }),
                       on<&Till::slow_price>([work](std::string const&) { return work(); }));
}

/// A node with tills that other brokers reach over sockets.
class Tills {
 public:
  Tills(world::World& world, std::size_t count) : world_{world} {
    for (std::size_t i = 0; i < count; ++i) {
      auto& one = *nodes_.emplace_back(std::make_unique<Node>(world));
      one.listener = *world.network().listen({world::IpAddress::loopback(), 0});
      EXPECT_TRUE(one.broker.objects().add("till", till_servant(one.state)));
      serving_.spawn("server", [&one] { static_cast<void>(one.broker.serve(*one.listener)); });
    }
  }
  ~Tills() {
    for (auto const& each : nodes_) each->listener->close();
    static_cast<void>(serving_.join());
  }
  [[nodiscard]] TillState& operator[](std::size_t i) { return nodes_[i]->state; }
  [[nodiscard]] Broker& broker(std::size_t i) { return nodes_[i]->broker; }
  [[nodiscard]] Ref<Till> all(Broker& client, bool replicated) {
    auto target = *client.find_target("till@" + address(0));
    for (std::size_t i = 1; i < nodes_.size(); ++i)
      target.replicas.push_back(*client.route_to(address(i)));
    target.replicated = replicated;
    return Ref<Till>{std::move(target)};
  }
  [[nodiscard]] std::string address(std::size_t i) const {
    return nodes_[i]->listener->local().to_string();
  }

 private:
  struct Node {
    explicit Node(world::World& world) : broker{world} {}
    TillState state;
    Broker broker;
    std::unique_ptr<world::Listener> listener;
  };
  world::World& world_;
  std::vector<std::unique_ptr<Node>> nodes_;
  threads::scope serving_;
};

template <class T>
void put(Broker& client, std::shared_ptr<T> interceptor) {
  ASSERT_TRUE(client.chain().replace(
      *Chain::make({{.name = "it", .phase = T::kPhase, .interceptor = interceptor}}, client.last()),
      client.chain().version()));
}
template <class T>
void put_at_object(Broker& server, std::shared_ptr<T> interceptor) {
  auto& objects = server.objects();
  ASSERT_TRUE(objects.chain().replace(
      *Chain::make({{.name = "it", .phase = T::kPhase, .interceptor = interceptor}},
                   objects.last()),
      objects.chain().version()));
}

TEST(Trace, follows_a_request_from_caller_to_object_and_on) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    Broker front{world};
    auto const client_trace = std::make_shared<Trace>(world);
    auto const server_trace = std::make_shared<Trace>(world);
    put(front, client_trace);
    put_at_object(tills.broker(0), server_trace);
    auto const till = tills.all(front, false);
    EXPECT_TRUE(till.look());
    tills[0].failures = 1;
    EXPECT_FALSE(till.look());
    auto const asked = client_trace->spans();
    auto const served = server_trace->spans();
    ASSERT_EQ(asked.size(), 2u);
    ASSERT_EQ(served.size(), 2u);
    EXPECT_EQ(served[0].trace, asked[0].trace);
    EXPECT_EQ(served[0].parent, asked[0].id);
    EXPECT_EQ(asked[0].parent, 0u);
    EXPECT_NE(asked[0].trace, asked[1].trace);
    EXPECT_EQ(served[0].object, "till");
    EXPECT_EQ(served[0].method, "look");
    EXPECT_EQ(served[1].failure, "busy");
  });
}

TEST(Trace, writes_and_reads_the_header_of_w3c) {
  std::string_view const header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  auto const trace = trace_from(header);
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->span, 0x00f067aa0ba902b7u);
  EXPECT_TRUE(trace->sampled);
  EXPECT_EQ(to_traceparent(*trace), header);
  for (std::string_view const wrong :
       {"", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x"})
    EXPECT_FALSE(trace_from(wrong)) << wrong;
}

TEST(Auth, refuses_what_its_policy_does_not_allow_and_nothing_is_executed) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    put_at_object(tills.broker(0), std::make_shared<Auth>([](Call const& call) {
                    if (call.method_name == "look") return Result<void>{};
                    return Result<void>{fail(Fault::refused, "only look", "ask nicely")};
                  }));
    Broker client{world};
    auto const till = tills.all(client, false);
    EXPECT_TRUE(till.look());
    auto const refused = till.pay(5);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::refused);
    EXPECT_EQ(refused.error().executed, Executed::no);
    EXPECT_EQ(refused.error().mend, "ask nicely");
    EXPECT_EQ(refused.error().origin, "auth");
    EXPECT_EQ(tills[0].sum, 0);
  });
}

TEST(DefaultDeadline, ends_a_call_that_named_none_and_leaves_one_alone_that_asked_for_none) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    tills[0].takes = 200ms;
    Broker client{world};
    put(client, std::make_shared<DefaultDeadline>(20ms));
    auto const till = tills.all(client, false);
    auto const late = till.look();
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().fault, Fault::timed_out);
    EXPECT_TRUE(till.look.with({.deadline = Deadline::never()})());
    EXPECT_TRUE(till.look.with({.deadline = threads::within(10s)})());
  });
}

TEST(QueueDelayLimit, takes_a_burst_and_sheds_an_overload) {
  QueueDelayLimit limit{{.target = 5ms, .interval = 100ms}};
  TimePoint now{1s};
  EXPECT_TRUE(limit.admits(1ms, now));
  EXPECT_TRUE(limit.admits(60ms, now + 50ms));    // a burst: the line was short a moment ago
  EXPECT_FALSE(limit.admits(120ms, now + 50ms));  // but not that
  EXPECT_FALSE(limit.admits(60ms, now + 200ms));  // for longer than the interval it was not
  EXPECT_TRUE(limit.admits(4ms, now + 201ms));    // short again
  EXPECT_TRUE(limit.admits(60ms, now + 202ms));
}

TEST(RateLimit, lets_a_burst_through_and_then_so_many_a_second) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    put_at_object(tills.broker(0), std::make_shared<RateLimit>(10, 3));
    Broker client{world};
    auto const till = tills.all(client, false);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(till.look());
    auto const refused = till.look();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::exhausted);
    EXPECT_EQ(refused.error().retry, Retry::later);
    ASSERT_TRUE(threads::sleep_for(refused.error().retry_after));
    EXPECT_TRUE(till.look());
  });
}

TEST(Cache, answers_again_while_an_answer_is_good_and_asks_again_afterwards) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    Broker client{world};
    auto const cache = std::make_shared<Cache>();
    put(client, cache);
    auto const till = tills.all(client, false);
    EXPECT_EQ(till.price("tea"), 0);
    EXPECT_EQ(till.price("tea"), 0);
    EXPECT_EQ(tills[0].calls, 1);
    EXPECT_EQ(till.price("milk"), 0);  // other arguments
    EXPECT_EQ(tills[0].calls, 2);
    EXPECT_TRUE(till.look());
    EXPECT_TRUE(till.look());  // not cacheable
    EXPECT_EQ(tills[0].calls, 4);
    EXPECT_EQ(cache->hits(), 1u);
    ASSERT_TRUE(threads::sleep_for(210ms));
    EXPECT_EQ(till.price("tea"), 0);
    EXPECT_EQ(tills[0].calls, 5);
  });
}

TEST(Cache, makes_one_call_of_many_for_the_same_and_keeps_no_failure) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    tills[0].takes = 20ms;
    tills[0].failures = 1;
    Broker client{world};
    put(client, std::make_shared<Cache>());
    auto const till = tills.all(client, false);
    EXPECT_FALSE(till.slow_price("tea"));
    threads::scope callers;
    for (int i = 0; i < 50; ++i)
      callers.spawn("caller", [&] { EXPECT_EQ(till.slow_price("tea"), 0); });
    EXPECT_TRUE(callers.join());
    EXPECT_EQ(tills[0].calls, 1);
  });
}

TEST(Cache, stays_within_its_room) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    Broker client{world};
    put(client, std::make_shared<Cache>(10'000));
    auto const till = tills.all(client, false);
    for (int i = 0; i < 100; ++i)
      EXPECT_TRUE(till.slow_price(std::string(1000, 'a') + std::to_string(i)));
    EXPECT_EQ(tills[0].calls, 100);
    EXPECT_TRUE(till.slow_price(std::string(1000, 'a') + "99"));  // the last is there
    EXPECT_EQ(tills[0].calls, 100);
    EXPECT_TRUE(till.slow_price(std::string(1000, 'a') + "0"));  // the first is not
    EXPECT_EQ(tills[0].calls, 101);
  });
}

TEST(Deduplicate, executes_a_call_with_a_key_once_and_answers_all_the_same) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    tills[0].takes = 20ms;
    put_at_object(tills.broker(0), std::make_shared<Deduplicate>(Deduplicate::Options{}));
    Broker client{world};
    auto const till = tills.all(client, false);
    threads::scope callers;
    for (int i = 0; i < 20; ++i)
      callers.spawn("caller", [&] { EXPECT_EQ(till.pay.with({.key = {1, 2}})(5), 5); });
    EXPECT_TRUE(callers.join());
    EXPECT_EQ(till.pay.with({.key = {1, 2}})(5), 5);
    EXPECT_EQ(tills[0].sum, 5);
    EXPECT_EQ(till.pay.with({.key = {1, 3}})(5), 10);
    EXPECT_EQ(till.pay(5), 15);  // no key, no memory
  });
}

TEST(Deduplicate, lets_a_call_be_made_again_that_was_not_executed) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    put_at_object(tills.broker(0), std::make_shared<Deduplicate>(Deduplicate::Options{}));
    tills[0].failures = 1;
    Broker client{world};
    auto const till = tills.all(client, false);
    EXPECT_FALSE(till.pay.with({.key = {1, 2}})(5));
    EXPECT_EQ(till.pay.with({.key = {1, 2}})(5), 5);
  });
}

/// As many keys as it may keep, each with an answer of a hundred bytes, at the object.
class DeduplicateLimits : public ::testing::Test {
 protected:
  void run(
      Deduplicate::Options options,
      std::function<void(std::function<Outcome<std::string>(std::uint64_t)> const&)> const& body) {
    in_the_real_world([&](world::World& world) {
      SampleServer server{world};
      put_at_object(server.broker(), std::make_shared<Deduplicate>(options));
      Broker client{world};
      auto const sample = *client.find<Sample>("sample@" + server.address());
      body([&](std::uint64_t key) {
        auto const text = fmt::format("{:0>100}", said_++);
        return sample.say.with({.key = {7, key}})(text);
      });
    });
  }
  int said_ = 0;
};

TEST_F(DeduplicateLimits, bound_the_bytes_of_answers_and_keep_the_keys) {
  run({.keys_max = 100, .bytes_max = 1050}, [&](auto const& say) {
    for (std::uint64_t key = 0; key < 50; ++key) ASSERT_TRUE(say(key));
    auto const last = say(49);
    EXPECT_EQ(*last, fmt::format("{:0>100}", 49));
    auto const first = say(0);
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().executed, Executed::yes);
    EXPECT_THAT(first.error().what, testing::HasSubstr("not kept any more"));
  });
}

TEST_F(DeduplicateLimits, bound_the_number_of_keys) {
  run({.keys_max = 10}, [&](auto const& say) {
    for (std::uint64_t key = 0; key < 50; ++key) ASSERT_TRUE(say(key));
    EXPECT_EQ(*say(45), fmt::format("{:0>100}", 45));
    EXPECT_NE(*say(0), fmt::format("{:0>100}", 0));
  });
}

TEST(Deduplicate, never_forgets_a_call_that_is_under_way) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    tills[0].takes = 50ms;
    put_at_object(tills.broker(0),
                  std::make_shared<Deduplicate>(Deduplicate::Options{.keys_max = 1, .kept = 1ms}));
    Broker client{world};
    auto const till = tills.all(client, false);
    threads::scope callers;
    for (std::uint64_t key : {1, 2, 3, 4})
      for (int i = 0; i < 5; ++i)
        callers.spawn("caller", [&, key, i] {
          ASSERT_TRUE(threads::sleep_for(i * 5ms));
          EXPECT_TRUE(till.pay.with({.key = {1, key}})(5));
        });
    EXPECT_TRUE(callers.join());
    EXPECT_EQ(tills[0].sum, 20);
  });
}

TEST(RetryCalls, makes_a_call_again_that_was_not_executed) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    Broker client{world};
    auto const retry = std::make_shared<RetryCalls>(world);
    put(client, retry);
    auto const till = tills.all(client, false);
    tills[0].failures = 2;
    EXPECT_EQ(till.pay(5), 5);
    EXPECT_EQ(retry->retries(), 2u);
    tills[0].failures = 3;
    EXPECT_FALSE(till.pay(5));  // three tries are enough
    EXPECT_EQ(tills[0].sum, 5);
  });
}

TEST(RetryCalls, goes_elsewhere_and_never_repeats_what_may_have_been_done) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 2};
    Broker client{world};
    put(client, std::make_shared<RetryCalls>(world));
    auto const till = tills.all(client, false);
    tills[0].failures = 100;
    EXPECT_EQ(till.pay(5), 5);
    EXPECT_EQ(tills[0].sum, 0);
    EXPECT_EQ(tills[1].sum, 5);
    tills[0].failures = 0;
    tills[0].takes = 1h;
    // Its time runs out while it is executed: nobody knows how far it came.
    EXPECT_FALSE(till.pay.with({.deadline = threads::within(30ms)})(5));
    ASSERT_TRUE(threads::sleep_for(20ms));
    EXPECT_EQ(tills[1].sum, 5);
  });
}

TEST(RetryCalls, sends_again_what_is_attached_only_from_its_beginning) {
  /// Fails the first call after it has taken a piece, as if a replica had died.
  class TakesAndFails final : public Interceptor {
   public:
    Reply intercept(Call& call, Next next) override {
      if (calls++ > 0) return next(call);
      EXPECT_TRUE(call.attachment->next());
      return call.fail(
          Failure{Error{Fault::closed, "lost", {}}, Executed::no, Retry::elsewhere, {}, {}});
    }
    int calls = 0;
  };
  class Once final : public ByteSource {
    Outcome<ByteView> take() override { return std::exchange(left_, {}); }
    Bytes const bytes_{1, 2, 3};
    ByteView left_{bytes_};
  };
  in_the_real_world([](world::World& world) {
    Broker broker{world};
    SampleState state;
    ASSERT_TRUE(broker.objects().add("sample", sample_servant(state)));
    for (bool const again : {true, false}) {
      auto const fails = std::make_shared<TakesAndFails>();
      auto chain = Chain::make({{.name = "retry",
                                 .phase = Phase::retry,
                                 .interceptor = std::make_shared<RetryCalls>(world)},
                                {.name = "fails", .phase = Phase::route, .interceptor = fails}},
                               broker.last());
      ASSERT_TRUE(chain);
      ASSERT_TRUE(broker.chain().replace(*std::move(chain), broker.chain().version()));
      Bytes const bytes{1, 2, 3};
      auto const weighed = broker.find<Sample>("sample")->weigh(
          UINT64_MAX, again ? Attachment::of(bytes) : Attachment{std::make_shared<Once>()});
      EXPECT_EQ(weighed.has_value(), again);
      EXPECT_EQ(fails->calls, again ? 2 : 1);
      EXPECT_EQ(weighed ? std::get<0>(*weighed) : 3u, 3u);
    }
  });
}

TEST(RetryBudget, gives_a_tenth_of_the_calls_and_a_reserve) {
  RetryBudget budget{{.share = 0.1, .reserve = 5}};
  int taken = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.first_try();
    if (budget.take()) ++taken;
  }
  EXPECT_GE(taken, 100);
  EXPECT_LE(taken, 106);
}

TEST(Hedge, asks_another_place_when_the_first_is_slow_and_takes_the_loser_back) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 2};
    tills[0].takes = 1h;
    tills[1].sum = 7;
    Broker client{world};
    auto const hedge = std::make_shared<Hedge>(5ms);
    put(client, hedge);
    auto const till = tills.all(client, false);
    EXPECT_EQ(till.look(), 7);
    EXPECT_EQ(hedge->hedged(), 1u);
    tills[0].takes = Duration{};
    EXPECT_EQ(till.look(), 0);
    EXPECT_FALSE(till.pay.with({.deadline = threads::within(-1ms)})(5));
  });
}

TEST(Replicate, calls_all_replicas_at_the_same_time) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 3};
    Broker client{world};
    put(client, std::make_shared<Replicate>(Replicate::Policy::all));
    auto const till = tills.all(client, true);
    EXPECT_EQ(till.add(5), 5);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(tills[i].sum, 5);
    tills[1].sum = 6;
    auto const torn = till.look();
    ASSERT_FALSE(torn);
    EXPECT_THAT(torn.error().what, testing::HasSubstr("do not agree"));
    EXPECT_THAT(torn.error().what,
                testing::HasSubstr(tills.address(1) + ": an answer that 1 of 3 gave"));
  });
}

TEST(Replicate, needs_more_than_half_for_a_quorum_and_one_for_the_first) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 3};
    Broker client{world};
    put(client, std::make_shared<Replicate>(Replicate::Policy::quorum));
    auto const till = tills.all(client, true);
    tills[0].sum = 9;
    EXPECT_EQ(till.look(), 0);
    tills[1].failures = 1;
    EXPECT_FALSE(till.look());
    put(client, std::make_shared<Replicate>(Replicate::Policy::first));
    tills[0].takes = 1h;
    tills[1].takes = 1h;
    EXPECT_EQ(till.look(), 0);
  });
}

TEST(Replicate, refuses_a_method_whose_order_matters) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 3};
    Broker client{world};
    put(client, std::make_shared<Replicate>(Replicate::Policy::all));
    auto const refused = tills.all(client, true).pay(5);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().executed, Executed::no);
    EXPECT_THAT(refused.error().mend, testing::HasSubstr("Commutative"));
  });
}

// Every concern can be taken out of a running node, and the rest goes on.
TEST(DefaultChains, do_without_each_of_their_interceptors) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    Broker client{world};
    auto const trace = std::make_shared<Trace>(world);
    auto const till = tills.all(client, false);
    auto const sides = {
        std::tuple{&client.chain(), client.last(), default_client_chain(world, trace)},
        std::tuple{&tills.broker(0).objects().chain(), tills.broker(0).objects().last(),
                   default_server_chain(trace)}};
    for (auto const& [chain, last, whole] : sides) {
      for (std::size_t without = 0; without <= whole.size(); ++without) {
        auto rest = whole;
        if (without < whole.size()) rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(without));
        for (auto& each : rest) each.after.clear();
        ASSERT_TRUE(chain->replace(*Chain::make(std::move(rest), last), chain->version()));
        auto const before = tills[0].sum.load();
        EXPECT_EQ(till.pay(1), before + 1);
        EXPECT_TRUE(till.price("tea"));
        EXPECT_TRUE(till.look());
      }
    }
  });
}

/// Throws for the first call.
class ThrowsOnce final : public Interceptor {
 public:
  Reply intercept(Call& call, Next next) override {
    if (!thrown_.exchange(true)) throw std::runtime_error{"kaboom"};
    return next(call);
  }

 private:
  std::atomic<bool> thrown_{false};
};

template <class T>
void put_before_one_that_throws(Broker& client, std::shared_ptr<T> interceptor) {
  ASSERT_TRUE(client.chain().replace(
      *Chain::make(
          {{.name = "it", .phase = T::kPhase, .interceptor = interceptor},
           {.name = "bad", .phase = Phase::route, .interceptor = std::make_shared<ThrowsOnce>()}},
          client.last()),
      client.chain().version()));
}

TEST(Cache, lets_the_next_try_when_the_call_that_was_to_fill_it_threw) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    Broker client{world};
    put_before_one_that_throws(client, std::make_shared<Cache>());
    auto const till = tills.all(client, false);
    EXPECT_THROW(static_cast<void>(till.price("tea")), std::runtime_error);
    threads::cancel_region const region{threads::within(3s)};
    EXPECT_TRUE(till.price("tea"));
  });
}

TEST(Deduplicate, tells_those_with_the_same_key_that_the_first_call_threw) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 1};
    Broker client{world};
    put_before_one_that_throws(client, std::make_shared<Deduplicate>(Deduplicate::Options{}));
    auto const till = tills.all(client, false);
    EXPECT_THROW(static_cast<void>(till.pay.with({.key = {1, 2}})(5)), std::runtime_error);
    threads::cancel_region const region{threads::within(3s)};
    auto const again = till.pay.with({.key = {1, 2}})(5);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().executed, Executed::maybe);
    EXPECT_EQ(again.error().fault, Fault::io);
  });
}

TEST(Hedge, fails_when_a_call_throws) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 2};
    Broker client{world};
    put_before_one_that_throws(client, std::make_shared<Hedge>(1h));
    auto const till = tills.all(client, false);
    threads::cancel_region const region{threads::within(3s)};
    auto const lost = till.look();
    ASSERT_FALSE(lost);
    EXPECT_THAT(lost.error().what, testing::HasSubstr("kaboom"));
    EXPECT_TRUE(till.look());
  });
}

TEST(Replicate, counts_a_call_that_throws_as_one_that_failed) {
  in_the_real_world([](world::World& world) {
    Tills tills{world, 2};
    Broker client{world};
    put_before_one_that_throws(client, std::make_shared<Replicate>(Replicate::Policy::all));
    auto const till = tills.all(client, true);
    threads::cancel_region const region{threads::within(3s)};
    auto const lost = till.look();
    ASSERT_FALSE(lost);
    EXPECT_THAT(lost.error().what, testing::HasSubstr("kaboom"));
    EXPECT_TRUE(till.look());
  });
}

}  // namespace
}  // namespace mutirao::middleware
