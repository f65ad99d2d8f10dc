#include "mutirao/middleware/reflection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"

#include "test_ledger.h"
#include "test_objects.h"

namespace mutirao::middleware {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A broker with a ledger, a guarded one, and "meta", called from its own node.
class MirrorDesk {
 public:
  explicit MirrorDesk(world::World& world, ReflectionOptions options = {}) : broker{world} {
    auto& objects = broker.objects();
    MUT_ASSERT(objects.add("ledger", test_objects::make_ledger(total), {.about = "of the tests"}));
    MUT_ASSERT(objects.add("safe", test_objects::make_ledger(total),
                           {.capability = "sesame", .epoch = 3}));
    MUT_ASSERT(offer_meta(objects, std::move(options)));
    meta.emplace(broker.find<Meta>("meta").value());
  }
  Outcome<std::string> call(std::string const& method, std::string const& arguments,
                            std::uint32_t items_max = 0, std::string const& object = "ledger") {
    return meta->call(object, method, arguments, items_max, "");
  }

  std::atomic<std::int64_t> total = 0;
  Broker broker;
  std::optional<Ref<Meta>> meta;
};

void at_the_mirror(std::function<void(MirrorDesk&)> const& body) {
  in_the_real_world([&](world::World& world) {
    MirrorDesk desk{world};
    body(desk);
  });
}

/// Notes who calls.
struct NoteCaller final : Interceptor {
  Reply intercept(Call& call, Next next) override {
    seen.push_back(fmt::format("{}.{} for {}", call.target->object, call.method_name, call.caller));
    return next(call);
  }
  std::vector<std::string> seen;
};

TEST(Reflection, lists_the_objects_with_what_they_are) {
  at_the_mirror([](MirrorDesk& desk) {
    ASSERT_TRUE(desk.call("add", "[5]"));
    auto const all = desk.meta->list();
    ASSERT_TRUE(all) << all.error().what;
    ASSERT_EQ(all->size(), 3u);
    EXPECT_EQ(to_json({all->at(0), all->at(2)}),
              R"({"objects":[{"name":"ledger","type":"Ledger","about":"of the tests",)"
              R"("guarded":false,"epoch":1,"calls":1,"running":0},)"
              R"({"name":"safe","type":"Ledger","about":"","guarded":true,"epoch":3,)"
              R"("calls":0,"running":0}]})");
    EXPECT_EQ(all->at(1).name, "meta");
    EXPECT_EQ(all->at(1).running, 1u);  // this very call
  });
}

TEST(Reflection, shows_the_methods_in_their_order_and_the_records_they_speak_of) {
  at_the_mirror([](MirrorDesk& desk) {
    auto const shown = desk.meta->show("ledger");
    ASSERT_TRUE(shown) << shown.error().what;
    EXPECT_EQ(shown->object.type, "Ledger");
    ASSERT_EQ(shown->methods.size(), 8u);
    EXPECT_EQ(shown->methods[0].name, "add");
    EXPECT_EQ(shown->methods[1].cacheable_ms, 2000);
    EXPECT_THAT(shown->methods[3].parameters, ElementsAre("Point"));
    EXPECT_TRUE(shown->methods[5].yields);
    ASSERT_EQ(shown->records.size(), 1u);
    EXPECT_EQ(shown->records[0].fields[2].number, 5u);
    auto const absent = desk.meta->show("legder");
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().fault, Fault::not_found);
    EXPECT_EQ(absent.error().mend, "do you mean ledger?");
  });
}

TEST(Reflection, calls_with_json_and_gives_json) {
  at_the_mirror([](MirrorDesk& desk) {
    EXPECT_EQ(desk.call("add", "[5]").value(), "5");
    EXPECT_EQ(desk.call("total", "").value(), "5");
    EXPECT_EQ(desk.call("mirror", R"([{"x":1,"label":"a"}])").value(),
              R"({"x":0,"y":1,"label":"a"})");
    EXPECT_EQ(desk.call("nap", "[0]").value(), "null");
    EXPECT_EQ(desk.call("count", "[3]").value(), "[0,1,2]");
    EXPECT_EQ(desk.meta->call("safe", "add", "[1]", 0, "sesame").value(), "6");
  });
}

TEST(Reflection, ends_a_method_that_yields_when_there_are_enough_values) {
  at_the_mirror([](MirrorDesk& desk) {
    EXPECT_EQ(desk.call("count", "[1000000000]", 3).value(), "[0,1,2]");
    EXPECT_EQ(desk.call("count", "[2]", 3).value(), "[0,1]");
    EXPECT_EQ(desk.call("count", "[0]", 3).value(), "[]");
    auto const endless = desk.call("count", "[1000000000]");
    ASSERT_FALSE(endless);
    EXPECT_EQ(endless.error().fault, Fault::exhausted);
  });
}

// Goal: who calls through "meta" learns as much of a failure as who calls the object itself.
TEST(Reflection, a_failure_says_what_it_says_without_reflection) {
  at_the_mirror([](MirrorDesk& desk) {
    auto const trouble = desk.call("trouble", R"(["rain"])");
    ASSERT_FALSE(trouble);
    EXPECT_EQ(trouble.error().what, "too much rain");
    EXPECT_EQ(trouble.error().mend, "rest");
    EXPECT_EQ(trouble.error().executed, Executed::no);
    EXPECT_EQ(trouble.error().retry, Retry::later);
    EXPECT_EQ(trouble.error().origin, "admission");
    struct Case {
      Outcome<std::string> given;
      Fault fault;
      std::string what;
      std::string mend;
    };
    for (auto const& [given, fault, what, mend] :
         {Case{desk.call("ad", "[5]"), Fault::not_found, "ledger is a Ledger and has no method ad",
               "do you mean ledger.add?"},
          Case{desk.call("add", "[5]", 0, "legder"), Fault::not_found,
               "there is no object called legder here", "do you mean ledger?"},
          Case{desk.call("mirror", R"([{"x":"one"}])"), Fault::invalid,
               "arguments[0].x: a string where an integer is wanted", ""},
          Case{desk.call("mirror", R"([{"lable":"one"}])"), Fault::invalid,
               "arguments[0].lable: Point has no such field", "do you mean label?"},
          Case{desk.call("add", "{}"), Fault::invalid,
               "arguments: an object where an array (int64) is wanted", ""},
          Case{desk.call("add", "[5"), Fault::invalid, "arguments: this is not JSON", ""},
          Case{desk.call("add", "[5]", 0, "safe"), Fault::refused,
               "safe may only be called with its capability", "ask its owner for a reference"},
          Case{desk.call("call", R"(["ledger","total","[]",0,""])", 0, "meta"), Fault::invalid,
               "meta.call does not call itself", "call what you mean by its own name"}}) {
      ASSERT_FALSE(given) << what;
      EXPECT_EQ(given.error().fault, fault);
      EXPECT_THAT(given.error().what, HasSubstr(what));
      EXPECT_EQ(given.error().mend, mend);
      EXPECT_EQ(given.error().executed, Executed::no);
    }
    EXPECT_EQ(desk.total.load(), 0);
  });
}

// Goal: reflection is no way around what the chain is there for.
TEST(Reflection, a_call_passes_the_chain_for_whoever_calls_and_ends_with_its_deadline) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    auto& objects = server.broker().objects();
    ASSERT_TRUE(offer_meta(objects));
    auto const note = std::make_shared<NoteCaller>();
    ASSERT_TRUE(objects.chain().replace(
        *Chain::make({{.name = "note", .phase = Phase::auth, .interceptor = note}}, objects.last()),
        objects.chain().version()));
    Broker elsewhere{world};
    auto const meta = elsewhere.find<Meta>("meta@" + server.address()).value();
    EXPECT_EQ(meta.call("sample", "add", "[5]", 0, "").value(), "5");
    ASSERT_EQ(note->seen.size(), 2u);
    EXPECT_TRUE(note->seen[0].starts_with("meta.call for 127.0.0.1:")) << note->seen[0];
    EXPECT_EQ(note->seen[1],
              "sample.add" + note->seen[0].substr(std::string_view{"meta.call"}.size()));
    auto const late = meta.call.with({.deadline = threads::within(50ms)})("sample", "nap",
                                                                          "[60000000000]", 0, "");
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().fault, Fault::timed_out);
    while (server.state.naps_cut_short < 1) ASSERT_TRUE(threads::sleep_for(1ms));
  });
}

TEST(Reflection, a_call_is_taken_back_when_its_caller_is_stopped) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    ASSERT_TRUE(offer_meta(server.broker().objects()));
    Broker elsewhere{world};
    auto const meta = elsewhere.find<Meta>("meta@" + server.address()).value();
    threads::scope callers;
    callers.spawn("caller", [&] {
      auto const cut = meta.call("sample", "nap", "[3600000000000]", 0, "");
      ASSERT_FALSE(cut);
      EXPECT_EQ(cut.error().fault, Fault::cancelled);
    });
    while (server.state.naps_under_way < 1) ASSERT_TRUE(threads::sleep_for(1ms));
    callers.request_stop();
    ASSERT_TRUE(callers.join());
    while (server.state.naps_cut_short < 1) ASSERT_TRUE(threads::sleep_for(1ms));
  });
}

TEST(Reflection, the_schema_is_that_of_all_objects) {
  at_the_mirror([](MirrorDesk& desk) {
    auto const text = desk.meta->schema();
    ASSERT_TRUE(text) << text.error().what;
    auto const schema = Schema::from_json(*text);
    ASSERT_TRUE(schema) << schema.error().what;
    EXPECT_EQ(schema->objects.size(), 3u);
    EXPECT_EQ(schema->interfaces.size(), 2u);
    EXPECT_THAT(breaking_changes(*schema, *schema), IsEmpty());
  });
}

TEST(Reflection, tells_the_last_spans_of_the_chain_or_of_the_trace_that_it_was_given) {
  in_the_real_world([](world::World& world) {
    MirrorDesk desk{world};
    auto const none = desk.meta->spans(0);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().fault, Fault::unsupported);

    auto const trace = std::make_shared<Trace>(world);
    auto& chain = desk.broker.objects().chain();
    ASSERT_TRUE(chain.replace(
        *Chain::make({{.name = "trace", .interceptor = trace}}, desk.broker.objects().last()),
        chain.version()));
    ASSERT_TRUE(desk.call("add", "[5]"));
    ASSERT_FALSE(desk.call("trouble", R"(["rain"])"));
    auto const all = desk.meta->spans(0);
    ASSERT_TRUE(all) << all.error().what;
    ASSERT_EQ(all->size(), 4u);  // the call inside ends before that of meta.call
    auto const& inner = all->at(0);
    auto const& outer = all->at(1);
    EXPECT_EQ(inner.method, "add");
    EXPECT_EQ(outer.method, "call");
    EXPECT_EQ(inner.parent, outer.span);
    EXPECT_EQ(inner.trace, outer.trace);
    EXPECT_EQ(inner.trace.size(), 32u);
    EXPECT_GE(inner.began_ago, inner.took);
    EXPECT_EQ(all->at(2).failure, "too much rain");
    auto const last = desk.meta->spans(1);
    ASSERT_TRUE(last);
    ASSERT_EQ(last->size(), 1u);
    EXPECT_EQ(last->at(0).span, all->at(3).span);

    MirrorDesk other{world, {.trace = trace}};
    EXPECT_EQ(other.meta->spans(0).value().size(), 4u);
  });
}

}  // namespace
}  // namespace mutirao::middleware
