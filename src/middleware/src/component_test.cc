#include "mutirao/middleware/component.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/threads/channel.h"

#include "test_objects.h"

namespace mutirao::middleware {
namespace {

struct Tally {
  static constexpr std::string_view kType = "Tally";
  Method<"add", std::int64_t(std::int64_t)> add;
  Method<"kind", std::string(), Idempotent> kind;
};

/// How the components of a test behave.
struct Ways {
  std::string kind = "tally";
  Result<void> starts{};
  std::atomic<bool> well{true};
  std::atomic<bool> imports{true};
  std::atomic<int> runs_that_fail{0};
  Duration takes{};
  std::atomic<int> calls{0};
  std::atomic<int> start_that_throws{0};  // the second, say
};

class TallyComponent final : public Component {
 public:
  explicit TallyComponent(Ways& ways) : ways_{ways} {}
  Result<void> start() override {
    if (--ways_.start_that_throws == 0) throw std::runtime_error{"kaboom"};
    return ways_.starts;
  }
  std::shared_ptr<Servant> port(std::string_view) override {
    return servant<Tally>(on<&Tally::add>([this](std::int64_t n) {
                            ++ways_.calls;
                            auto const total = total_ += n;
                            if (ways_.takes > Duration{})
                              static_cast<void>(threads::sleep_for(ways_.takes));
                            return total;
                          }),
                          on<&Tally::kind>([this] { return ways_.kind; }));
  }
  Result<void> probe() override {
    if (ways_.well) return {};
    return fail(Fault::io, "not well");
  }
  Result<Bytes> export_state() override {
    wire::MsgpackWriter out;
    out.integer(total_.load());
    return Bytes{out.written().begin(), out.written().end()};
  }
  Result<void> import_state(ByteView state) override {
    if (!ways_.imports) return fail(Fault::corrupt, "that state is of another time");
    wire::MsgpackReader in{state};
    total_ = in.integer<std::int64_t>();
    return in.finish();
  }
  Result<void> run() override {
    if (ways_.runs_that_fail > 0) {
      --ways_.runs_that_fail;
      return fail(Fault::io, "it fell over");
    }
    return Component::run();
  }

 private:
  Ways& ways_;
  std::atomic<std::int64_t> total_{0};
};

ComponentKind kind_of(Ways& ways, std::uint32_t version = 1) {
  return {.name = ways.kind,
          .about = "counts",
          .provides = {{.name = "tally", .type = "Tally", .version = version}},
          .needs = {},
          .make = [&ways]() -> Result<std::unique_ptr<Component>> {
            return std::make_unique<TallyComponent>(ways);
          }};
}

struct Fixture {
  world::World& world;
  Ways first{.kind = "tally"};
  Ways second{.kind = "tally-2"};
  threads::channel<Error> given_up{1};
  Broker broker{world};
  Assembly assembly{broker, {.restarts_max = 3, .within = 60s, .pause = 1ms}, [this](Error why) {
                      EXPECT_TRUE(given_up.try_send(std::move(why)));
                    }};

  explicit Fixture(world::World& w) : world{w} {
    assembly.add_kind(kind_of(first));
    assembly.add_kind(kind_of(second, 2));
  }
  [[nodiscard]] Ref<Tally> tally() { return *broker.find<Tally>("tally"); }
};

void with_assembly(std::function<void(Fixture&)> const& body) {
  in_the_real_world([&](world::World& world) {
    Fixture fixture{world};
    body(fixture);
  });
}

TEST(Component, is_reached_through_its_port) {
  with_assembly([](Fixture& f) {
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    EXPECT_EQ(f.tally().add(5), 5);
    auto const listed = f.assembly.list();
    ASSERT_EQ(listed.size(), 1u);
    EXPECT_EQ(listed[0].state, "active");
    EXPECT_THAT(f.assembly.kinds_for("tally"), testing::ElementsAre("tally", "tally-2"));
  });
}

TEST(Component, hands_its_state_to_its_successor_and_no_call_is_lost) {
  with_assembly([](Fixture& f) {
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    std::atomic<bool> stop = false;
    std::atomic<std::int64_t> calls = 0;
    threads::scope callers;
    for (int i = 0; i < 20; ++i) {
      callers.spawn("caller", [&]() -> Result<void> {
        while (!stop) {
          MUT_TRY(f.tally().add(1));
          ++calls;
          threads::yield();
        }
        return {};
      });
    }
    for (int turn = 0; turn < 20; ++turn) {
      auto const swapped = f.assembly.swap("tally", turn % 2 == 0 ? "tally-2" : "tally",
                                           {.drain = 5s, .probation = 1ms});
      ASSERT_TRUE(swapped) << swapped.error().what;
      while (f.assembly.list()[0].on_probation) ASSERT_TRUE(threads::sleep_for(1ms));
    }
    stop = true;
    auto const joined = callers.join();
    EXPECT_TRUE(joined) << joined.error().what;
    EXPECT_EQ(f.tally().add(0), calls.load());
    EXPECT_EQ(f.assembly.list()[0].swaps, 20u);
  });
}

TEST(Component, goes_on_as_it_was_when_its_successor_does_not_start_or_take_over) {
  with_assembly([](Fixture& f) {
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    EXPECT_EQ(f.tally().add(5), 5);
    f.second.starts = fail(Fault::io, "no room");
    auto const unstarted = f.assembly.swap("tally", "tally-2");
    ASSERT_FALSE(unstarted);
    EXPECT_THAT(unstarted.error().what, testing::HasSubstr("goes on as it was"));
    EXPECT_THAT(unstarted.error().what, testing::HasSubstr("no room"));
    f.second.starts = {};
    f.second.imports = false;
    auto const unlearnt = f.assembly.swap("tally", "tally-2");
    ASSERT_FALSE(unlearnt);
    EXPECT_THAT(unlearnt.error().what, testing::HasSubstr("of another time"));
    EXPECT_EQ(f.tally().kind(), "tally");
    EXPECT_EQ(f.tally().add(1), 6);
  });
}

TEST(Component, comes_back_when_its_successor_is_not_well_on_probation) {
  with_assembly([](Fixture& f) {
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    EXPECT_EQ(f.tally().add(5), 5);
    ASSERT_TRUE(f.assembly.swap("tally", "tally-2", {.drain = 5s, .probation = 10s}));
    EXPECT_EQ(f.tally().kind(), "tally-2");
    EXPECT_EQ(f.tally().add(1), 6);
    f.second.well = false;
    while (f.tally().kind() != "tally") ASSERT_TRUE(threads::sleep_for(5ms));
    EXPECT_EQ(f.tally().add(1), 7);
    EXPECT_EQ(f.assembly.list()[0].why, "not well");
  });
}

TEST(Component, is_started_again_when_it_fails_and_given_up_when_that_happens_too_often) {
  with_assembly([](Fixture& f) {
    f.first.runs_that_fail = 2;
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    while (f.assembly.list()[0].restarts < 2) ASSERT_TRUE(threads::sleep_for(1ms));
    EXPECT_TRUE(f.tally().add(1));
    EXPECT_FALSE(f.given_up.try_receive());
    ASSERT_TRUE(f.assembly.remove("tally", threads::within(5s)));
    f.first.runs_that_fail = 100;
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    auto const why = f.given_up.receive(threads::within(30s));
    ASSERT_TRUE(why);
    EXPECT_THAT(why->what, testing::HasSubstr("failed 4 times within 60 s: it fell over"));
    EXPECT_EQ(f.assembly.list()[0].state, "failed");
  });
}

TEST(Component, stays_when_it_is_still_being_called_at_the_deadline_of_its_removal) {
  with_assembly([](Fixture& f) {
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    threads::scope callers;
    f.first.takes = 100ms;
    callers.spawn("caller", [&] { EXPECT_EQ(f.tally().add(5), 5); });
    while (f.first.calls == 0) ASSERT_TRUE(threads::sleep_for(1ms));
    auto const busy = f.assembly.remove("tally", threads::within(10ms));
    ASSERT_FALSE(busy);
    EXPECT_THAT(busy.error().what, testing::HasSubstr("still being called, and stays"));
    EXPECT_EQ(f.tally().add(1), 6);
    EXPECT_TRUE(callers.join());
    EXPECT_TRUE(f.assembly.remove("tally", threads::within(5s)));
  });
}

TEST(Component, needs_what_is_there_in_a_version_that_fits) {
  with_assembly([](Fixture& f) {
    Ways ways{.kind = "reader"};
    auto reader = kind_of(ways);
    reader.provides = {};
    reader.needs = {{.port = "tally", .type = "Tally", .version_min = 1, .version_max = 1}};
    f.assembly.add_kind(reader);
    auto const alone = f.assembly.add("reader", "reader");
    ASSERT_FALSE(alone);
    EXPECT_THAT(alone.error().what,
                testing::HasSubstr("needs the port tally, which nobody offers"));
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    ASSERT_TRUE(f.assembly.add("reader", "reader"));
    auto const newer = f.assembly.swap("tally", "tally-2");
    ASSERT_FALSE(newer);
    EXPECT_THAT(newer.error().what, testing::HasSubstr("needs version 1 to 1 of tally"));
    auto const removed = f.assembly.remove("tally", threads::within(1s));
    ASSERT_FALSE(removed);
    EXPECT_THAT(removed.error().what, testing::HasSubstr("reader needs tally"));
  });
}

TEST(Component, refuses_a_circle_and_names_its_path) {
  ComponentKind const a{.name = "a", .provides = {{.name = "pa"}}, .needs = {{.port = "pc"}}};
  ComponentKind const b{.name = "b", .provides = {{.name = "pb"}}, .needs = {{.port = "pa"}}};
  ComponentKind const c{.name = "c", .provides = {{.name = "pc"}}, .needs = {{.port = "pb"}}};
  auto const order = Assembly::order_of({{"a", &a}, {"b", &b}, {"c", &c}});
  ASSERT_FALSE(order);
  EXPECT_THAT(order.error().what, testing::HasSubstr("a needs c needs b needs a"));
  EXPECT_THAT(*Assembly::order_of({{"b", &b}, {"a", &a}}), testing::ElementsAre("a", "b"));
}

TEST(Component, is_started_again_although_the_first_attempt_threw) {
  with_assembly([](Fixture& f) {
    f.first.runs_that_fail = 1;
    f.first.start_that_throws = 2;
    ASSERT_TRUE(f.assembly.add("tally", "tally"));
    for (int i = 0; i < 100 && f.assembly.list()[0].restarts < 2; ++i)
      ASSERT_TRUE(threads::sleep_for(20ms));
    EXPECT_EQ(f.assembly.list()[0].restarts, 2u);
    EXPECT_THAT(f.assembly.list()[0].why, testing::HasSubstr("kaboom"));
    EXPECT_TRUE(f.tally().kind());
    EXPECT_FALSE(f.given_up.try_receive());
  });
}

TEST(Component, may_be_removed_while_it_is_about_to_be_started_again) {
  in_the_real_world([](world::World& world) {
    Ways ways;
    ways.runs_that_fail = 100;
    std::atomic<bool> given_up = false;
    Broker broker{world};
    Assembly assembly{broker, {.restarts_max = 3, .within = 60s, .pause = 30ms}, [&](Error const&) {
                        given_up = true;
                      }};
    assembly.add_kind(kind_of(ways));
    ASSERT_TRUE(assembly.add("tally", "tally"));
    while (assembly.list()[0].restarts < 1) ASSERT_TRUE(threads::sleep_for(1ms));
    EXPECT_TRUE(assembly.remove("tally", threads::within(5s)));
    ASSERT_TRUE(threads::sleep_for(300ms));
    EXPECT_FALSE(given_up);
  });
}

}  // namespace
}  // namespace mutirao::middleware
