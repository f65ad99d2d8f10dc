#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/sim/testing.h"

#include "test_objects.h"

namespace mutirao::middleware {
namespace {

struct Stranger {
  static constexpr std::string_view kType = "Stranger";
  Method<"frobnicate", void()> frobnicate;
};
struct Namesake {
  static constexpr std::string_view kType = "Sample";
  Method<"add", std::int64_t(std::string)> add;
};

/// Every test runs on an object of this program, and on one at the other end of a TCP connection,
/// of a TLS connection, and of a Unix socket. What it shows has to be the same.
class Conformance : public ::testing::TestWithParam<std::string> {
 protected:
  static void with_sample(std::function<void(Ref<Sample>, SampleState&)> const& body) {
    in_its_world([&](world::World& world) {
      SampleServer server{world, {.identity = net::TlsIdentity::make(world.entropy())}};
      Broker client{world};
      body(*(GetParam() == "here" ? server.broker() : client).find<Sample>(sample_at(server)),
           server.state);
    });
  }
  static void in_its_world(std::function<void(world::World&)> const& body) {
    if (GetParam() != "simulated") return in_the_real_world(body);
    sim::for_seeds(3, [&](sim::Simulation& network, std::uint64_t) {
      body(network.add_host("node").world());
    });
  }
  static std::string sample_at(SampleServer& server) {
    if (GetParam() == "tcp" || GetParam() == "simulated") return "sample@" + server.address();
    if (GetParam() == "tls") return "sample@" + server.tls_address();
    if (GetParam() == "unix") return "sample@" + server.local_address();
    return "sample";
  }
};
INSTANTIATE_TEST_SUITE_P(Everywhere, Conformance,
                         ::testing::Values("here", "tcp", "tls", "unix", "simulated"),
                         [](auto const& info) { return info.param; });

TEST_P(Conformance, gives_the_result_of_a_method) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    EXPECT_EQ(sample.add(5), 5);
    EXPECT_EQ(invoke(sample, &Sample::add, 7), 12);
    EXPECT_EQ(sample.get(), 12);
  });
}

TEST_P(Conformance, carries_values_of_every_kind_as_they_are) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    std::vector<Point> const points{{1, 2, "a"}, {-3, INT64_MAX, "b"}};
    EXPECT_EQ(sample.turn(points, std::nullopt),
              (std::vector<Point>{{2, 1, "a'"}, {INT64_MAX, -3, "b'"}}));
    EXPECT_EQ(sample.turn({{1, 2, ""}}, 10), (std::vector<Point>{{2, 11, "'"}}));
    EXPECT_EQ(sample.say("caf\xc3\xa9"), "caf\xc3\xa9");
    EXPECT_EQ(sample.say("no UTF-8: \xff"), "no UTF-8: \xff");
    EXPECT_EQ(sample.say(""), "");
  });
}

TEST_P(Conformance, carries_bytes_of_every_length) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    for (std::size_t const size :
         {0u, 1u, 119u, 121u, 8'000u, 16'383u, 16'384u, 16'385u, 65'536u, 262'144u, 3'000'000u}) {
      Bytes bytes(size);
      for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 >> 3);
      auto const back = sample.echo(bytes);
      ASSERT_TRUE(back) << size << ": " << back.error().what;
      EXPECT_TRUE(*back == bytes) << size;
    }
  });
}

TEST_P(Conformance, tells_why_a_method_failed_and_that_it_was_executed) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    auto const refused = sample.refuse("not today");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::refused);
    EXPECT_EQ(refused.error().what, "not today");
    EXPECT_EQ(refused.error().mend, "ask nicely");
    EXPECT_EQ(refused.error().executed, Executed::yes);
  });
}

TEST_P(Conformance, turns_what_a_servant_throws_into_a_failure_and_goes_on) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    auto const exploded = sample.explode();
    ASSERT_FALSE(exploded);
    EXPECT_THAT(exploded.error().what, testing::HasSubstr("kaboom"));
    EXPECT_EQ(exploded.error().executed, Executed::maybe);
    EXPECT_EQ(sample.add(1), 1);
  });
}

TEST_P(Conformance, ends_a_call_at_its_deadline_on_both_sides) {
  with_sample([](Ref<Sample> sample, SampleState& state) {
    auto const late = sample.nap.with({.deadline = threads::within(20ms)})(1h);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().fault, Fault::timed_out);
    while (state.naps_cut_short == 0) ASSERT_TRUE(threads::sleep_for(1ms));
    EXPECT_EQ(state.naps_under_way, 0);
  });
}

TEST_P(Conformance, does_not_execute_a_call_whose_time_is_over) {
  with_sample([](Ref<Sample> sample, SampleState& state) {
    auto const late = sample.add.with({.deadline = threads::within(-1ms)})(1);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().fault, Fault::timed_out);
    ASSERT_TRUE(threads::sleep_for(10ms));
    EXPECT_EQ(state.total, 0);
  });
}

TEST_P(Conformance, takes_a_call_back_when_its_caller_is_stopped) {
  with_sample([](Ref<Sample> sample, SampleState& state) {
    threads::scope callers;
    callers.spawn("caller", [&] {
      auto const cut = sample.nap(1h);
      ASSERT_FALSE(cut);
      EXPECT_EQ(cut.error().fault, Fault::cancelled);
    });
    while (state.naps_under_way == 0) ASSERT_TRUE(threads::sleep_for(1ms));
    callers.request_stop();
    ASSERT_TRUE(callers.join());
    while (state.naps_cut_short == 0) ASSERT_TRUE(threads::sleep_for(1ms));
  });
}

TEST_P(Conformance, yields_values_in_order) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    auto numbers = sample.count(10'000);
    for (std::int64_t expected = 0;; ++expected) {
      auto const next = numbers.next();
      ASSERT_TRUE(next) << next.error().what;
      if (!*next) {
        EXPECT_EQ(expected, 10'000);
        break;
      }
      ASSERT_EQ(**next, expected);
    }
    EXPECT_EQ(numbers.next(), std::nullopt);
  });
}

TEST_P(Conformance, holds_a_fast_servant_back_when_nobody_takes_its_values) {
  with_sample([](Ref<Sample> sample, SampleState& state) {
    auto numbers = sample.count(10'000'000);
    EXPECT_EQ(numbers.next(), 0);
    std::int64_t before = -1;
    while (before != state.yielded) {
      before = state.yielded;
      ASSERT_TRUE(threads::sleep_for(50ms));
    }
    EXPECT_LT(state.yielded, 500'000);
    EXPECT_EQ(numbers.next(), 1);
  });
}

TEST_P(Conformance, ends_a_servant_whose_values_nobody_wants_any_more) {
  with_sample([](Ref<Sample> sample, SampleState& state) {
    {
      auto numbers = sample.count(INT64_MAX);
      EXPECT_EQ(numbers.next(), 0);
    }
    std::int64_t before = -1;
    while (before != state.yielded) {
      before = state.yielded;
      ASSERT_TRUE(threads::sleep_for(50ms));
    }
  });
}

TEST_P(Conformance, says_which_objects_and_methods_do_not_exist_and_what_comes_near) {
  in_its_world([](world::World& world) {
    SampleServer server{world, {.identity = net::TlsIdentity::make(world.entropy())}};
    Broker client{world};
    auto& broker = GetParam() == "here" ? server.broker() : client;
    auto const place = sample_at(server).substr(6);
    auto const missing = broker.find<Sample>("simple" + place)->get();
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().fault, Fault::not_found);
    EXPECT_EQ(missing.error().executed, Executed::no);
    EXPECT_THAT(missing.error().mend, testing::HasSubstr("sample"));

    auto const stranger = broker.find<Stranger>("sample" + place)->frobnicate();
    ASSERT_FALSE(stranger);
    EXPECT_EQ(stranger.error().fault, Fault::not_found);
    EXPECT_THAT(stranger.error().mend, testing::HasSubstr("add, get, echo"));
  });
}

TEST_P(Conformance, refuses_arguments_of_another_type) {
  in_its_world([](world::World& world) {
    SampleServer server{world, {.identity = net::TlsIdentity::make(world.entropy())}};
    Broker client{world};
    auto& broker = GetParam() == "here" ? server.broker() : client;
    auto const other = *broker.find<Namesake>(sample_at(server));
    auto const refused = other.add("five");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::invalid);
    EXPECT_EQ(refused.error().executed, Executed::no);
    EXPECT_EQ(server.state.total, 0);
  });
}

TEST_P(Conformance, serves_many_callers_at_once_each_with_its_own_answer) {
  with_sample([](Ref<Sample> sample, SampleState& state) {
    threads::scope callers;
    for (int i = 0; i < 500; ++i) {
      callers.spawn("caller", [&, i]() -> Result<void> {
        for (int k = 0; k < 40; ++k) {
          auto const text = std::to_string(i * 1000 + k);
          EXPECT_EQ(MUT_TRY(sample.say(text)), text);
          MUT_TRY(sample.add(1));
        }
        return {};
      });
    }
    EXPECT_TRUE(callers.join());
    EXPECT_EQ(state.total, 500 * 40);
  });
}

TEST_P(Conformance, calls_eight_slow_servers_in_the_time_of_one) {
  with_sample([](Ref<Sample> sample, SampleState& state) {
    threads::scope fan;
    for (int i = 0; i < 8; ++i)
      fan.spawn("call", [&]() -> Result<void> {
        MUT_TRY(sample.nap(200ms));
        return {};
      });
    while (state.naps_under_way < 8) ASSERT_TRUE(threads::sleep_for(1ms));
    EXPECT_TRUE(fan.join());
  });
}

}  // namespace
}  // namespace mutirao::middleware
