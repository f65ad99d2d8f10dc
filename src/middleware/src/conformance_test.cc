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

/// Gives so many bytes, in pieces of odd sizes, and then ends or fails.
class Counting final : public ByteSource {
 public:
  explicit Counting(std::size_t bytes, std::optional<Failure> failure = std::nullopt)
      : left_{bytes}, failure_{std::move(failure)} {}
  std::uint64_t sum = 0;
  std::atomic<std::size_t> given{0};

 private:
  Outcome<ByteView> take() override {
    if (left_ == 0 && failure_) return std::unexpected{*failure_};
    piece_.resize(std::min(left_, (pieces_++ * 7919) % 300'000 + 1));
    for (auto& each : piece_) {
      each = static_cast<std::uint8_t>(next_++ * 7 >> 3);
      sum = sum * 31 + each;
    }
    left_ -= piece_.size();
    given += piece_.size();
    return ByteView{piece_};
  }
  std::size_t left_;
  std::optional<Failure> failure_;
  std::size_t pieces_ = 0;
  std::size_t next_ = 0;
  Bytes piece_;
};

TEST_P(Conformance, brings_along_bytes_of_any_length) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    for (std::size_t const size : {0u, 1u, 16'384u, 16'385u, 1'000'000u, 40'000'000u}) {
      auto const source = std::make_shared<Counting>(size);
      auto const weighed = sample.weigh(UINT64_MAX, Attachment{source});
      ASSERT_TRUE(weighed) << size << ": " << weighed.error().what;
      EXPECT_EQ(*weighed, (std::tuple<std::uint64_t, std::uint64_t>{size, source->sum}));
    }
    Bytes const bytes(3'000'000, 1);
    auto const weighed = sample.weigh(UINT64_MAX, Attachment::of(bytes));
    ASSERT_TRUE(weighed) << weighed.error().what;
    EXPECT_EQ(std::get<0>(*weighed), bytes.size());
  });
}

TEST_P(Conformance, answers_before_all_that_is_attached_has_come) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    auto const source = std::make_shared<Counting>(1u << 30);
    auto const weighed = sample.weigh(1'000'000, Attachment{source});
    ASSERT_TRUE(weighed) << weighed.error().what;
    EXPECT_GE(std::get<0>(*weighed), 1'000'000u);
    EXPECT_LT(source->given, 4'000'000u);  // what nobody asked for is not taken
    EXPECT_EQ(sample.add(1), 1);
  });
}

TEST_P(Conformance, takes_nothing_of_what_is_attached_to_a_call_that_does_not_want_it) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    auto const source = std::make_shared<Counting>(1'000'000);
    auto const weighed = sample.weigh(0, Attachment{source});
    ASSERT_TRUE(weighed) << weighed.error().what;
    EXPECT_EQ(source->given, 0u);
    EXPECT_TRUE(source->rewind());
  });
}

TEST_P(Conformance, tells_both_sides_why_what_is_attached_has_no_end) {
  with_sample([](Ref<Sample> sample, SampleState& state) {
    auto const source = std::make_shared<Counting>(
        500'000,
        Failure{Error{Fault::io, "the disk is gone", "plug it in"}, Executed::yes, {}, {}, {}});
    auto const weighed = sample.weigh(UINT64_MAX, Attachment{source});
    ASSERT_FALSE(weighed);
    EXPECT_EQ(weighed.error().what, "the disk is gone");
    EXPECT_EQ(weighed.error().mend, "plug it in");
    EXPECT_EQ(state.weighed, 500'000u);
    auto const without = sample.weigh(UINT64_MAX, Attachment{});
    ASSERT_FALSE(without);
    EXPECT_EQ(without.error().fault, Fault::invalid);
  });
}

/// Never has anything.
class Silent final : public ByteSource {
  Outcome<ByteView> take() override {
    auto const slept = threads::sleep_for(1h);
    return std::unexpected{Failure{slept.error(), Executed::maybe, {}, {}, {}}};
  }
};

TEST_P(Conformance, ends_at_its_deadline_a_call_whose_attachment_does_not_come) {
  with_sample([](Ref<Sample> sample, SampleState&) {
    auto const late = sample.weigh.with({.deadline = threads::within(20ms)})(
        UINT64_MAX, Attachment{std::make_shared<Silent>()});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().fault, Fault::timed_out) << late.error().what;
    EXPECT_EQ(sample.add(1), 1);
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
