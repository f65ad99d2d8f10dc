#include <optional>

#include "mutirao/middleware/adaptation_object.h"
#include "mutirao/middleware/json_values.h"
#include "mutirao/middleware/reference.h"
#include "mutirao/threads/this_thread.h"

#include "adaptation_view.h"
#include "commands.h"
#include "report.h"

namespace mutirao::cli {
namespace {

using middleware::AdaptationObject;
using middleware::Edit;

constexpr Duration kAdaptationAnswer = 15s;
constexpr std::uint32_t kHistoryShown = 50;
constexpr char kAtTheCommandLine[] = "command line";

/// The node's adaptation, as the verbs need it.
class Adapter {
 public:
  Adapter(Context const& context, world::World& world)
      : options_{context.options}, client_{world, context.place.control()} {}

  Result<void> run() {
    auto const& verb = options_.verb;
    auto const adaptation =
        middleware::Ref<AdaptationObject>{MUT_TRY(client_.object(AdaptationObject::kName))};
    if (verb == "component list") return list_components(adaptation);
    if (verb == "component swap")
      return change(adaptation, {{.what = "component.swap",
                                  .name = options_.name,
                                  .kind = options_.kind.empty() ? MUT_TRY(kind_now(adaptation))
                                                                : options_.kind}});
    if (verb == "interceptor list") return list_interceptors(adaptation);
    if (verb == "interceptor kinds") {
      auto const kinds = MUT_TRY(answer(adaptation.kinds.with(soon())()));
      return say(interceptor_kinds(kinds), R"({"kinds":)" + middleware::json_of(kinds) + "}");
    }
    if (verb == "interceptor history") {
      auto const entries = MUT_TRY(answer(adaptation.history.with(soon())(kHistoryShown)));
      return say(history_text(entries), R"({"history":)" + middleware::json_of(entries) + "}");
    }
    if (verb == "interceptor confirm") {
      MUT_TRY(answer(adaptation.confirm.with(soon())(options_.revision, kAtTheCommandLine)));
      return say(fmt::format("revision {} stays\n", options_.revision),
                 fmt::format(R"({{"confirmed":{}}})", options_.revision));
    }
    if (verb == "interceptor rollback")
      return changed(MUT_TRY(answer(adaptation.rollback.with(soon())(
          options_.revision, kAtTheCommandLine, options_.reason))));
    return change(adaptation, {MUT_TRY(edit())});
  }

 private:
  [[nodiscard]] middleware::CallOptions soon() const {
    return {.deadline = threads::within(kAdaptationAnswer)};
  }
  template <class T>
  [[nodiscard]] Result<T> answer(middleware::Outcome<T> outcome) const {
    if (!outcome) return std::unexpected{client_.told(std::move(outcome).error())};
    if constexpr (std::is_void_v<T>)
      return {};
    else
      return *std::move(outcome);
  }
  Result<void> say(std::string const& text, std::string const& json) const {
    if (options_.json)
      fmt::print("{}\n", json);
    else if (!options_.quiet)
      fmt::print("{}", text);
    return {};
  }

  Result<void> list_components(middleware::Ref<AdaptationObject> const& adaptation) {
    auto const components = MUT_TRY(answer(adaptation.components.with(soon())()));
    return say(component_list(components),
               R"({"components":)" + middleware::json_of(components) + "}");
  }
  Result<void> list_interceptors(middleware::Ref<AdaptationObject> const& adaptation) {
    auto const interceptors = MUT_TRY(answer(adaptation.interceptors.with(soon())()));
    auto const revision = MUT_TRY(answer(adaptation.revision.with(soon())()));
    return say(interceptor_list(interceptors, revision),
               fmt::format(R"({{"revision":{},"interceptors":{}}})", revision,
                           middleware::json_of(interceptors)));
  }
  Result<std::string> kind_now(middleware::Ref<AdaptationObject> const& adaptation) {
    for (auto const& each : MUT_TRY(answer(adaptation.components.with(soon())())))
      if (each.name == options_.name) return each.kind;
    return fail(Fault::not_found, fmt::format("there is no component called {}", options_.name),
                "mutirao component list");
  }
  Result<Edit> edit() const {
    Edit edit{.what = options_.verb == "interceptor add" ? "interceptor.add" : "interceptor.remove",
              .side = options_.side,
              .name = options_.name,
              .kind = options_.kind};
    for (auto const& setting : options_.settings) {
      auto const equals = setting.find('=');
      if (equals == std::string::npos)
        return fail(Fault::invalid, fmt::format("{} is no setting", setting), "--set KEY=VALUE");
      edit.settings[setting.substr(0, equals)] = setting.substr(equals + 1);
    }
    return edit;
  }

  Result<void> change(middleware::Ref<AdaptationObject> const& adaptation,
                      std::vector<Edit> const& edits) {
    auto const plan = MUT_TRY(answer(adaptation.plan.with(soon())(edits)));
    if (options_.dry_run) {
      MUT_TRY(say(plan_text(plan), R"({"plan":)" + middleware::json_of(plan) + "}"));
      if (plan.conflicts.empty()) return {};
      return fail(Fault::invalid, fmt::format("{}", fmt::join(plan.conflicts, "; ")),
                  "mutirao interceptor list, kinds");
    }
    middleware::ApplyOptions apply;
    apply.expected = plan.revision;
    apply.who = kAtTheCommandLine;
    apply.reason = options_.reason;
    apply.confirm_within = std::chrono::seconds{options_.confirm_within_s};
    apply.trial = std::chrono::seconds{options_.trial_s};
    auto const time = kAdaptationAnswer + 2 * std::chrono::seconds{options_.trial_s};
    auto const revision = adaptation.apply.with({.deadline = threads::within(time)})(edits, apply);
    return changed(MUT_TRY(answer(revision)));
  }
  Result<void> changed(std::uint64_t revision) const {
    auto text = fmt::format("done: revision {}\n", revision);
    if (options_.confirm_within_s > 0)
      text += fmt::format("it is taken back in {} s, unless: mutirao interceptor confirm {}\n",
                          options_.confirm_within_s, revision);
    return say(text, fmt::format(R"({{"revision":{}}})", revision));
  }

  Options const& options_;
  node::ControlClient client_;
};

int adapt(Context const& context) {
  return with_world([&](world::World& world) {
    auto const done = Adapter{context, world}.run();
    if (!done) return report(done.error(), context.options.json);
    return static_cast<int>(kDone);
  });
}

}  // namespace

int command_interceptor(Context const& context) { return adapt(context); }
int command_component(Context const& context) { return adapt(context); }

}  // namespace mutirao::cli
