#include "commands.h"

#include <csignal>
#include <cstdio>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/signals.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "command_line.h"
#include "interrupts.h"
#include "report.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr Duration kStopAnswer = 15s;
constexpr Duration kStop = 60s;

int print_result(Result<std::string> const& text, bool json) {
  if (!text) return report(text.error(), json);
  std::fwrite(text->data(), 1, text->size(), stdout);
  return kDone;
}

/// Commands that need no node and no place for one.
std::optional<int> run_alone(Options const& options) {
  if (options.verb == "help") return print_result(help_text(command_tree(), options.topic), false);
  if (options.verb == "completion")
    return print_result(completion_script(command_tree(), options.shell), false);
  if (options.verb == "manpage") return print_result(manual_page(command_tree()), false);
  if (options.verb == "version")
    return print_result(options.json ? fmt::format("{{\"version\":\"{}\"}}\n", node::kVersion)
                                     : fmt::format("mutirao {}\n", node::kVersion),
                        false);
  return std::nullopt;
}

}  // namespace

int with_world(std::function<int(world::World&)> const& body) {
  base::StderrLog log{log_level(base::LogLevel::warning)};
  int code = kFailed;
  threads::runtime runtime;
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    code = body(*world);
  });
  return code;
}

int with_world_until_interrupted(Context const& context, bool leaves,
                                 std::function<Result<void>(world::World&)> const& body) {
  threads::signal_set signals{SIGINT, SIGTERM};
  return with_world([&](world::World& world) {
    Interrupts interrupts{signals};
    auto const ended = interrupts.run([&] { return body(world); });
    bool const left = leaves && interrupts.interrupted();
    return ended || left ? static_cast<int>(kDone) : report(ended.error(), context.options.json);
  });
}

int command_stop(Context const& context) {
  return with_world([&](world::World& world) {
    node::ControlClient client{world, context.place.control()};
    auto const before = client.status(threads::within(kStopAnswer));
    if (!before) {
      // Who wants it to end need not start it.
      auto error = before.error();
      if (error.fault == Fault::unreachable && context.place.at.empty())
        error.mend = "nothing is left to stop; another node: mutirao --state DIR stop";
      return report(error, context.options.json);
    }
    auto const stopped = client.stop(threads::within(kStop));
    if (!stopped) return report(stopped.error(), context.options.json);
    if (context.options.json)
      fmt::print("{{\"stopped\":{{\"process_id\":{}}}}}\n", before->process_id);
    else if (!context.options.quiet)
      fmt::print("stopped the node (process {}); mutirao up continues where it was\n",
                 before->process_id);
    return static_cast<int>(kDone);
  });
}

int run_command_line(std::vector<std::string> const& words) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of the write, not our end
  auto options = parse_command_line(words);
  if (!options) return report(options.error(), false);
  if (auto const code = run_alone(*options)) return *code;
  auto environment = Environment::read();
  auto place = node_place(options->state, environment);
  if (!place) return report(place.error(), options->json);
  auto at = remote_place(*options, environment);
  if (!at) return report(at.error(), options->json);
  place->at = *std::move(at);
  Context const context{*std::move(options), std::move(environment), *std::move(place)};
  auto const& verb = context.options.verb;
  if (verb == "up") return command_up(context);
  if (verb == "share") return command_share(context);
  if (verb == "get") return command_get(context);
  if (verb == "status") return command_status(context);
  if (verb == "stop") return command_stop(context);
  if (verb == "doctor") return command_doctor(context);
  if (verb == "demo") return command_demo(context);
  if (verb == "boot") return command_boot(context);
  if (verb == "machine exec") return command_machine_exec(context);
  if (verb == "machine restore") return command_machine_restore(context);
  if (verb.starts_with("machine ")) return command_machine(context);
  if (verb.starts_with("sim ")) return command_sim(context);
  if (verb.starts_with("thread ")) return command_thread(context);
  if (verb.starts_with("object ")) return command_object(context);
  if (verb.starts_with("interceptor ")) return command_interceptor(context);
  if (verb.starts_with("component ")) return command_component(context);
  if (verb.starts_with("key ")) return command_key(context);
  if (verb.starts_with("config ")) return command_config(context);
  return command_swarm(context);
}

}  // namespace mutirao::cli
