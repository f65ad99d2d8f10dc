#include "mutirao/middleware/adaptation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/middleware/adaptation_object.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/sim/testing.h"

#include "test_objects.h"

namespace mutirao::middleware {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

/// Fails every call: a change that somebody will regret.
class Broken final : public Interceptor {
 public:
  Reply intercept(Call& call, Next /*rest*/) override {
    return call.fail(not_executed(Fault::io, "broken"));
  }
};

struct Adapted {
  explicit Adapted(world::World& w) : world{w}, server{world}, log{world} {
    for (auto& kind : shipped_kinds(world, std::make_shared<Trace>(world)))
      adaptation.add_kind(std::move(kind));
    for (auto& kind : shipped_message_kinds(world)) adaptation.add_kind(std::move(kind));
    adaptation.add_kind(
        InterceptorKind{.name = "broken",
                        .about = "fails every call",
                        .phase = Phase::admission,
                        .make = [](auto const&) -> Result<std::shared_ptr<Interceptor>> {
                          return std::make_shared<Broken>();
                        }});
    EXPECT_TRUE(adaptation.begin({"trace", "deadline", "retry"}, {"trace", "admission"}));
  }
  world::World& world;
  SampleServer server;
  AuditLog log;
  Assembly assembly{server.broker(), Supervision{}, [](Error const&) {}};
  Adaptation adaptation{server.broker(), nullptr, log};

  [[nodiscard]] Ref<Sample> sample() { return *server.broker().find<Sample>("sample"); }
  [[nodiscard]] ApplyOptions because(std::string reason) const {
    return {.expected = adaptation.revision(), .who = "test", .reason = std::move(reason)};
  }
};

void with_adapted(std::function<void(Adapted&)> const& body) {
  in_the_real_world([&](world::World& world) {
    Adapted adapted{world};
    body(adapted);
  });
}

Edit add(std::string side, std::string kind, std::map<std::string, std::string> settings = {}) {
  return {.what = "interceptor.add",
          .side = std::move(side),
          .name = std::move(kind),
          .kind = {},
          .settings = std::move(settings)};
}

TEST(Adaptation, tells_what_a_change_would_do_and_changes_nothing) {
  with_adapted([](Adapted& a) {
    auto const plan = a.adaptation.plan({add("server", "rate-limit", {{"per-second", "5"}})});
    EXPECT_THAT(plan.steps, ElementsAre("interceptor.add server rate-limit per-second=5"));
    EXPECT_THAT(plan.server, ElementsAre("trace", "admission", "rate-limit"));
    EXPECT_THAT(plan.conflicts, IsEmpty());
    EXPECT_EQ(a.adaptation.revision(), 1u);
    EXPECT_EQ(a.adaptation.interceptors().size(), 5u);
  });
}

TEST(Adaptation, refuses_what_does_not_fit_together_with_every_reason) {
  with_adapted([](Adapted& a) {
    auto const conflicts = [&](Edit edit) {
      return a.adaptation.plan({std::move(edit)}).conflicts;
    };
    EXPECT_THAT(conflicts(add("server", "trace")), ElementsAre(HasSubstr("already")));
    EXPECT_THAT(conflicts(add("server", "cahe")), ElementsAre(HasSubstr("do you mean cache?")));
    EXPECT_THAT(conflicts(add("server", "retry")), ElementsAre(HasSubstr("makes no sense")));
    EXPECT_THAT(conflicts(add("middle", "cache")),
                ElementsAre(HasSubstr("client, server or message")));
    EXPECT_THAT(conflicts(add("server", "cache", {{"mb", "lots"}})),
                ElementsAre(HasSubstr("a number from")));
    EXPECT_THAT(conflicts(add("server", "cache", {{"size", "5"}})),
                ElementsAre(HasSubstr("no setting size")));
    EXPECT_THAT(conflicts({.what = "interceptor.remove", .side = "server", .name = "admision"}),
                ElementsAre(HasSubstr("do you mean admission?")));
    EXPECT_THAT(conflicts({.what = "reboot", .side = "server"}),
                ElementsAre(HasSubstr("nothing that can be done")));
  });
}

TEST(Adaptation, applies_a_change_once_and_only_to_what_it_was_decided_on) {
  with_adapted([](Adapted& a) {
    EXPECT_TRUE(a.sample().get());
    auto const old = a.because("too many calls");
    EXPECT_EQ(a.adaptation.apply(
                  {add("server", "rate-limit", {{"per-second", "0.01"}, {"burst", "1"}})}, old),
              2u);
    EXPECT_TRUE(a.sample().get());
    EXPECT_FALSE(a.sample().get());
    auto const late = a.adaptation.apply({add("server", "cache")}, old);
    ASSERT_FALSE(late);
    EXPECT_THAT(late.error().what, HasSubstr("revision 2 by now, not 1"));
    EXPECT_FALSE(a.adaptation.apply({add("server", "cache")}, a.because("")));  // no reason
    EXPECT_EQ(
        a.adaptation.apply({{.what = "interceptor.remove", .side = "server", .name = "rate-limit"}},
                           a.because("it was too strict")),
        3u);
    EXPECT_TRUE(a.sample().get());
    EXPECT_TRUE(a.sample().get());
  });
}

TEST(Adaptation, goes_back_to_an_earlier_revision) {
  with_adapted([](Adapted& a) {
    EXPECT_TRUE(a.adaptation.apply({add("server", "broken")}, a.because("a mistake")));
    EXPECT_FALSE(a.sample().get());
    EXPECT_EQ(a.adaptation.rollback(1, "test", "nothing works"), 3u);
    EXPECT_TRUE(a.sample().get());
    EXPECT_FALSE(a.adaptation.rollback(77, "test", "why not"));
  });
}

TEST(Adaptation, takes_a_change_back_that_nobody_confirms) {
  with_adapted([](Adapted& a) {
    auto options = a.because("let us see");
    options.confirm_within = 30ms;
    EXPECT_EQ(a.adaptation.apply({add("server", "broken")}, options), 2u);
    EXPECT_FALSE(a.sample().get());
    while (a.adaptation.revision() != 3) ASSERT_TRUE(threads::sleep_for(5ms));
    EXPECT_TRUE(a.sample().get());
    EXPECT_THAT(a.adaptation.history(1)[0].reason, HasSubstr("revision 2 was not confirmed"));
    options = a.because("this time it is good");
    options.confirm_within = 30ms;
    ASSERT_EQ(a.adaptation.apply({add("server", "cache")}, options), 4u);
    EXPECT_TRUE(a.adaptation.confirm(4, "test"));
    ASSERT_TRUE(threads::sleep_for(60ms));
    EXPECT_EQ(a.adaptation.revision(), 4u);
    EXPECT_FALSE(a.adaptation.confirm(4, "test"));  // once
  });
}

TEST(Adaptation, makes_no_change_on_top_of_one_that_waits_for_its_confirmation) {
  with_adapted([](Adapted& a) {
    auto options = a.because("let us see");
    options.confirm_within = 10s;
    EXPECT_EQ(a.adaptation.apply({add("server", "cache")}, options), 2u);
    auto const second = a.adaptation.apply({add("client", "cache")}, a.because("and that"));
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().mend, HasSubstr("confirm 2"));
    EXPECT_TRUE(a.adaptation.confirm(2, "test"));
    EXPECT_EQ(a.adaptation.apply({add("client", "cache")}, a.because("and that")), 3u);
    EXPECT_FALSE(a.adaptation.rollback(1, "test", ""));  // no reason
  });
}

TEST(Adaptation, can_be_reached_whatever_was_done_to_the_chains) {
  with_adapted([](Adapted& a) {
    auto& objects = a.server.broker().objects();
    SampleState state;
    ASSERT_TRUE(objects.add("way out", sample_servant(state), {.outside_chain = true}));
    EXPECT_TRUE(a.adaptation.apply({add("server", "broken")}, a.because("a mistake")));
    EXPECT_FALSE(a.sample().get());
    EXPECT_TRUE(a.server.broker().find<Sample>("way out")->get());
    // What guards it can't be taken away.
    auto const guard = std::make_shared<Auth>([](Call const& call) -> Result<void> {
      if (call.method->reads) return {};
      return fail(Fault::refused, "only look");
    });
    ASSERT_TRUE(objects.add("guarded", adaptation_servant(a.adaptation, a.assembly),
                            {.outside_chain = true, .guard = guard}));
    auto const guarded = *a.server.broker().find<AdaptationObject>("guarded");
    EXPECT_EQ(guarded.revision(), 2u);
    auto const refused = guarded.confirm(2, "test");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, "only look");
    ASSERT_TRUE(objects.remove("guarded", Deadline::never()));
  });
}

TEST(Adaptation, writes_down_who_it_was_and_not_who_somebody_says_it_is) {
  with_adapted([](Adapted& a) {
    auto const edit = add("message", "count");
    auto& objects = a.server.broker().objects();
    ASSERT_TRUE(objects.add("adaptation", adaptation_servant(a.adaptation, a.assembly)));
    Broker client{a.world};
    for (auto const& [place, who] : {std::pair{a.server.local_address(), "ana"},
                                     std::pair{a.server.address(), "127.0.0.1:"}}) {
      auto const adaptation = *client.find<AdaptationObject>("adaptation@" + place);
      auto options = a.because("to see");
      options.who = "ana";
      ASSERT_TRUE(adaptation.apply({edit}, options));
      EXPECT_THAT(a.adaptation.history(1)[0].who, testing::StartsWith(who));
      ASSERT_TRUE(adaptation.rollback(1, "ana", "enough"));
      EXPECT_THAT(a.adaptation.history(1)[0].who, testing::StartsWith(who));
    }
    ASSERT_TRUE(objects.remove("adaptation", Deadline::never()));
  });
}

TEST(Adaptation, takes_a_change_back_on_trial_before_it_hurts_more_than_a_few) {
  with_adapted([](Adapted& a) {
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> calls = 0;
    std::atomic<std::uint64_t> failed = 0;
    threads::scope callers;
    for (int i = 0; i < 4; ++i) {
      callers.spawn("caller", [&] {
        auto const sample = a.sample();
        while (!stop) {
          ++calls;
          if (!sample.get()) ++failed;
          threads::yield();
        }
      });
    }
    auto options = a.because("worth a try");
    options.trial = 2s;
    auto const tried = a.adaptation.apply({add("server", "broken")}, options);
    stop = true;
    EXPECT_TRUE(callers.join());
    ASSERT_FALSE(tried);
    EXPECT_THAT(tried.error().what, HasSubstr("100.0 % of its calls failed"));
    EXPECT_LT(failed, calls / 50);
    EXPECT_EQ(a.adaptation.revision(), 1u);
    EXPECT_THAT(a.adaptation.history(1)[0].outcome, HasSubstr("failed: taken back on trial"));
    options.trial = 30ms;
    EXPECT_EQ(a.adaptation.apply({add("server", "cache")}, options), 2u);
    EXPECT_TRUE(a.sample().get());
  });
}

std::string const kKey(64, 'a');

TEST(Adaptation, changes_what_messages_pass_as_it_changes_chains) {
  with_adapted([](Adapted& a) {
    Broker client{a.world};
    auto const sample = *client.find<Sample>("sample@" + a.server.address());
    Bytes const text(100'000, 'a');
    auto const plan = a.adaptation.plan({add("message", "pace"), add("message", "zstd")});
    EXPECT_THAT(plan.message, ElementsAre("zstd", "pace"));  // in the order in which they act
    EXPECT_THAT(plan.conflicts, IsEmpty());
    EXPECT_EQ(a.adaptation.apply({add("message", "count")}, a.because("how much is it?")), 2u);
    EXPECT_EQ(sample.echo(text), text);
    auto const sent = [&] { return a.adaptation.interceptors().back().figures.at("bytes"); };
    auto const plain = sent();
    EXPECT_GT(plain, 100'000u);
    EXPECT_EQ(a.adaptation.apply({add("message", "zstd", {{"level", "3"}})}, a.because("much")),
              3u);
    EXPECT_EQ(sample.echo(text), text);
    EXPECT_LT(sent() - plain, 10'000u);
    auto const status = a.adaptation.interceptors();
    EXPECT_EQ(status[5].side, "message");
    EXPECT_EQ(status[5].phase, "compress");
    EXPECT_EQ(a.adaptation.rollback(1, "test", "enough of it"), 4u);
    EXPECT_EQ(a.adaptation.interceptors().size(), 5u);
    EXPECT_EQ(sample.echo(text), text);
    auto options = a.because("let us see");
    options.confirm_within = 30ms;
    EXPECT_EQ(a.adaptation.apply({add("message", "zstd")}, options), 5u);
    while (a.adaptation.revision() != 6) ASSERT_TRUE(threads::sleep_for(5ms));
    EXPECT_EQ(a.adaptation.interceptors().size(), 5u);
  });
}

TEST(Adaptation, refuses_what_does_not_fit_messages_with_every_reason) {
  with_adapted([](Adapted& a) {
    auto const conflicts = [&](std::vector<Edit> const& edits) {
      return a.adaptation.plan(edits).conflicts;
    };
    EXPECT_THAT(conflicts({add("message", "cache")}), ElementsAre(HasSubstr("is for calls")));
    EXPECT_THAT(conflicts({add("server", "zstd")}), ElementsAre(HasSubstr("is for messages")));
    EXPECT_THAT(conflicts({add("message", "ztsd")}), ElementsAre(HasSubstr("do you mean zstd?")));
    EXPECT_THAT(conflicts({add("message", "zstd", {{"level", "99"}})}),
                ElementsAre(HasSubstr("a number from 1 to 19")));
    auto again = add("message", "other");
    again.kind = "zstd";
    EXPECT_THAT(conflicts({add("message", "zstd"), again}),
                ElementsAre(HasSubstr("two interceptors compress messages")));
    EXPECT_THAT(conflicts({add("message", "chacha20-poly1305")}),
                ElementsAre(HasSubstr("openssl rand")));
    EXPECT_THAT(conflicts({add("message", "chacha20-poly1305", {{"key-file", "keys/one"}})}),
                ElementsAre(HasSubstr("no absolute path")));
    EXPECT_THAT(conflicts({add("message", "chacha20-poly1305", {{"key-file", "/no/such/key"}})}),
                ElementsAre(HasSubstr("/no/such")));
    auto options = a.because("a try");
    options.trial = 1s;
    auto const tried = a.adaptation.apply({add("message", "zstd")}, options);
    ASSERT_FALSE(tried);
    EXPECT_THAT(tried.error().what, HasSubstr("no trial"));
  });
}

// Goal: whoever looks at a node, its plans or its log learns no key of it.
TEST(Adaptation, tells_no_secret_and_yet_which_key_it_is) {
  with_adapted([](Adapted& a) {
    auto const sealed = add("message", "chacha20-poly1305", {{"key", kKey}});
    auto const plan = a.adaptation.plan({sealed});
    EXPECT_THAT(plan.conflicts, IsEmpty());
    auto wrong = sealed;
    wrong.settings["key"] += "b";
    auto unknown = sealed;
    unknown.kind = "chacha";
    for (auto const& each : {wrong, unknown}) {
      auto const refused = a.adaptation.plan({each});
      EXPECT_THAT(refused.conflicts, ElementsAre(Not(HasSubstr("aaaa"))));
      EXPECT_THAT(refused.steps, ElementsAre(Not(HasSubstr("aaaa"))));
    }
    ASSERT_EQ(a.adaptation.apply({sealed}, a.because("nobody shall read it")), 2u);
    auto const status = a.adaptation.interceptors().back();
    ASSERT_THAT(status.settings, ElementsAre(Pair("fingerprint", testing::SizeIs(16))));
    for (auto const& text : {plan.steps[0], a.adaptation.history(1)[0].what}) {
      EXPECT_THAT(text, Not(HasSubstr("aaaa")));
      EXPECT_THAT(text, HasSubstr("fingerprint=" + status.settings.at("fingerprint")));
    }
    // From a file it is the same.
    auto const folder = *a.world.disk().open_directory(::testing::TempDir(), false);
    auto const file = *folder->open("adaptation.key", {.writable = true, .create = true});
    ASSERT_TRUE(file->write_at(0, base::view_of(kKey + "\n")));
    auto const from_file = a.adaptation.plan(
        {{.what = "interceptor.remove", .side = "message", .name = "chacha20-poly1305"},
         add("message", "chacha20-poly1305",
             {{"key-file", ::testing::TempDir() + "/adaptation.key"}})});
    EXPECT_THAT(from_file.conflicts, IsEmpty());
    EXPECT_THAT(from_file.steps[1], HasSubstr("fingerprint=" + status.settings.at("fingerprint")));
  });
}

TEST(AuditLog, keeps_what_was_done_and_notices_what_was_altered) {
  sim::for_seeds(1, [](sim::Simulation& network, std::uint64_t) {
    auto& world = network.add_host("node").world();
    auto const folder = *world.disk().open_directory("/state", true);
    {
      auto const log = AuditLog::open(world, *folder, "audit.log");
      ASSERT_TRUE(log) << log.error().what;
      EXPECT_TRUE((*log)->append({.who = "ana", .what = "interceptor.add", .reason = "\"why\"\n"}));
      EXPECT_TRUE(
          (*log)->append({.who = "control", .what = "component.swap", .outcome = "applied"}));
    }
    {
      auto const log = AuditLog::open(world, *folder, "audit.log");
      ASSERT_TRUE(log) << log.error().what;
      ASSERT_EQ((*log)->last(10).size(), 2u);
      EXPECT_EQ((*log)->last(1)[0].who, "control");
      EXPECT_EQ((*log)->append({.who = "bea"})->number, 3u);
    }
    auto const file = *folder->open("audit.log", {.writable = true});
    // A line that a crash has cut was never promised to anybody.
    auto const size = file->info()->size;
    ASSERT_TRUE(file->write_at(size, base::view_of("{\"number\":4,")));
    EXPECT_EQ((*AuditLog::open(world, *folder, "audit.log"))->last(10).size(), 3u);
    ASSERT_TRUE(file->write_at(30, base::view_of("X")));
    auto const altered = AuditLog::open(world, *folder, "audit.log");
    ASSERT_FALSE(altered);
    EXPECT_EQ(altered.error().fault, Fault::corrupt);
    EXPECT_THAT(altered.error().what, HasSubstr("entry 1"));
  });
}

TEST(AuditLog, has_no_entry_that_it_could_not_write_and_keeps_what_has_happened) {
  sim::for_seeds(1, [](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("node");
    auto const folder = *host.world().disk().open_directory("/state", true);
    auto const log = *AuditLog::open(host.world(), *folder, "audit.log");
    ASSERT_TRUE(log->append({.who = "ana", .what = "one"}));
    // All of it was written, and maybe is on disk: it must not be there when it is read again.
    host.disk().fail_next_syncs(1);
    EXPECT_EQ(log->append({.who = "ana", .what = std::string(200, 'x')}).error().fault, Fault::io);
    EXPECT_EQ(log->last(10).size(), 1u);
    host.disk().fail_next_writes(2);
    log->record({.who = "ana", .what = "one", .outcome = "applied"});
    EXPECT_FALSE(log->append({.who = "ana", .what = "two"}));
    EXPECT_EQ(log->last(1)[0].outcome, "applied");
    EXPECT_TRUE(log->append({.who = "ana", .what = "three"}));
    auto const again = AuditLog::open(host.world(), *folder, "audit.log");
    ASSERT_TRUE(again) << again.error().what;
    auto const read = (*again)->last(10);
    ASSERT_EQ(read.size(), 3u);
    EXPECT_EQ(read[1].outcome, "applied");
    EXPECT_EQ(read[2].what, "three");
  });
}

/// Something that happens while a change is put in force.
class Meanwhile final : public MessageInterceptor {
 public:
  explicit Meanwhile(std::function<void()> happens) : happens_{std::move(happens)} {}
  [[nodiscard]] std::string_view name() const noexcept override { return "meanwhile"; }
  [[nodiscard]] MessageStage stage() const noexcept override { return MessageStage::compress; }
  [[nodiscard]] std::size_t bytes_min() const noexcept override {
    happens_();
    return SIZE_MAX;
  }

 private:
  std::function<void()> happens_;
};

// Goal: what a caller is told is what is in force, also when the disk fails in the middle of it.
TEST(Adaptation, says_what_is_in_force_when_the_log_fails_half_way) {
  sim::for_seeds(1, [](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("node");
    Broker broker{host.world()};
    auto const folder = *host.world().disk().open_directory("/state", true);
    auto const log = *AuditLog::open(host.world(), *folder, "audit.log");
    Adaptation adaptation{broker, nullptr, *log};
    auto const fails = [&] { host.disk().set_error_chance(0, 1, 1); };
    adaptation.add_kind(
        MessageInterceptorKind{.name = "meanwhile",
                               .stage = MessageStage::compress,
                               .make = [&](auto&) -> Result<std::shared_ptr<MessageInterceptor>> {
                                 return std::make_shared<Meanwhile>(fails);
                               }});
    ApplyOptions options{.expected = 1, .who = "test", .reason = "a try", .confirm_within = 1s};
    EXPECT_EQ(adaptation.apply({add("message", "meanwhile")}, options), 2u);
    EXPECT_EQ(adaptation.interceptors().size(), 1u);
    // Nobody can confirm what can't be written down; and it is taken back all the same.
    EXPECT_FALSE(adaptation.confirm(2, "test"));
    ASSERT_TRUE(threads::sleep_for(2s));
    EXPECT_EQ(adaptation.revision(), 3u);
    EXPECT_EQ(adaptation.interceptors().size(), 0u);
    options.expected = 3;
    EXPECT_FALSE(adaptation.apply({add("message", "meanwhile")}, options));
    EXPECT_FALSE(adaptation.rollback(2, "test", "again"));
    EXPECT_EQ(adaptation.revision(), 3u);
    host.disk().recover();
    EXPECT_EQ(adaptation.rollback(1, "test", "it works again"), 4u);
    auto const read = (*AuditLog::open(host.world(), *folder, "audit.log"))->last(10);
    std::vector<std::string> outcomes;
    for (auto const& each : read) outcomes.push_back(each.outcome);
    EXPECT_THAT(outcomes, ElementsAre("begun", "applied, revision 2", "applied, revision 3",
                                      "begun", "applied, revision 4"));
  });
}

TEST(Adaptation, takes_both_sides_back_when_the_second_fails_on_trial) {
  with_adapted([](Adapted& a) {
    std::atomic<bool> stop = false;
    threads::scope callers;
    callers.spawn("caller", [&] {
      auto const sample = a.sample();
      while (!stop) {
        static_cast<void>(sample.get());
        threads::yield();
      }
    });
    auto options = a.because("worth a try");
    options.trial = 1s;
    auto const tried = a.adaptation.apply(
        {add("server", "rate-limit", {{"per-second", "1000000"}, {"burst", "1000000"}}),
         add("client", "broken")},
        options);
    stop = true;
    EXPECT_TRUE(callers.join());
    ASSERT_FALSE(tried);
    EXPECT_EQ(a.adaptation.revision(), 1u);
    EXPECT_EQ(a.server.broker().objects().chain().pin()->placed().size(), 2u);
    EXPECT_EQ(a.server.broker().chain().pin()->placed().size(), 3u);
  });
}

}  // namespace
}  // namespace mutirao::middleware
