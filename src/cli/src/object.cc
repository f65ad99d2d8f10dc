#include <algorithm>
#include <csignal>
#include <set>

#include "mutirao/node/json.h"
#include "mutirao/node/objects.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "object_view.h"
#include "report.h"

namespace mutirao::cli {
namespace {

constexpr Duration kObjectAnswer = 15s;
constexpr Duration kCallAnswer = 60s;
constexpr Duration kTraceInterval = 1s;

/// What is printed, with the line end.
using Printed = Result<std::string>;

Printed printed_list(Context const& context, node::ControlClient& client) {
  auto const objects = MUT_TRY(client.objects(threads::within(kObjectAnswer)));
  return context.options.json ? middleware::to_json(objects) + "\n" : object_list(objects);
}

Printed printed_object(Context const& context, node::ControlClient& client) {
  auto const object = MUT_TRY(client.object(context.options.name, threads::within(kObjectAnswer)));
  return context.options.json ? middleware::to_json(object) + "\n" : object_text(object);
}

Printed printed_call(Context const& context, node::ControlClient& client) {
  auto const& options = context.options;
  auto const name = MUT_TRY(method_name(options.name));
  Duration const length =
      options.timeout_s > 0 ? Duration{std::chrono::seconds{options.timeout_s}} : kCallAnswer;
  auto const deadline = threads::within(length);
  auto const object = MUT_TRY(client.object(name.object, deadline));
  auto const method =
      std::ranges::find(object.methods, name.method, &middleware::SchemaMethod::name);
  // That there is no such method is more to the point than a word that is no JSON; the node says
  // it.
  std::string const arguments =
      method == object.methods.end()
          ? "[]"
          : MUT_TRY(arguments_json(options.arguments, method->parameters));
  auto const& capability =
      options.capability.empty() ? context.environment.capability : options.capability;
  auto const value = MUT_TRY(
      client.call(name.object, name.method, arguments, options.items, capability, deadline));
  return options.json ? fmt::format("{{\"value\":{}}}\n", value) : node::pretty_json(value) + "\n";
}

void print_now(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string printed_spans(Context const& context, std::vector<middleware::SpanInfo> const& spans) {
  return context.options.json ? middleware::to_json(spans) + "\n" : span_trees(spans);
}

Result<void> trace_calls(Context const& context, node::ControlClient& client) {
  std::set<std::string> before;  // who is still kept, and was shown
  for (;;) {
    auto const spans = MUT_TRY(client.spans(0, threads::within(kObjectAnswer)));
    std::vector<middleware::SpanInfo> fresh;
    std::set<std::string> now;
    for (auto const& each : spans) {
      if (!before.contains(each.span)) fresh.push_back(each);
      now.insert(each.span);
    }
    before = std::move(now);
    if (!fresh.empty() || !context.options.follow) print_now(printed_spans(context, fresh));
    if (!context.options.follow) return {};
    MUT_TRY(threads::sleep_for(kTraceInterval));
  }
}

Result<void> with_client(Context const& context, world::World& world) {
  node::ControlClient client{world, context.place.control()};
  auto const& verb = context.options.verb;
  if (verb == "object trace") return trace_calls(context, client);
  auto* const print = verb == "object list"   ? printed_list
                      : verb == "object show" ? printed_object
                                              : printed_call;
  print_now(MUT_TRY(print(context, client)));
  return {};
}

/// Of this program: no node is asked.
int print_schema(Context const& context) {
  auto text = node::node_schema().to_json();
  // No line end is inside a string, where it is escaped.
  if (context.options.json) std::erase(text, '\n');
  print_now(text + (context.options.json ? "\n" : ""));
  return kDone;
}

}  // namespace

int command_object(Context const& context) {
  if (context.options.verb == "object schema") return print_schema(context);
  // Ctrl-C is the way out of what goes on for ever.
  return with_world_until_interrupted(context, context.options.follow, [&](world::World& world) {
    return with_client(context, world);
  });
}

}  // namespace mutirao::cli
