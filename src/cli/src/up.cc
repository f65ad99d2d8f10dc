#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "mutirao/base/log.h"
#include "mutirao/node/node.h"
#include "mutirao/threads/diagnostics.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/signals.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "commands.h"
#include "process.h"
#include "report.h"

namespace mutirao::cli {
namespace {

constexpr Duration kProbe = 5s;
constexpr std::chrono::seconds kStartMax{60};
constexpr unsigned kRaceProbes = 20;
constexpr std::chrono::milliseconds kRacePause{250};

/// The words that start the same node in the background.
std::vector<std::string> arguments_of(Context const& context) {
  auto const& options = context.options;
  std::vector<std::string> words{"up", "--state", context.place.state_folder};
  auto const add = [&](char const* flag, std::string const& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  // The options of `up` alone: `get -o DIR` must not become the node's folder.
  if (options.verb == "up") {
    add("--listen", options.listen);
    add("--control-port", options.control_port ? std::to_string(*options.control_port) : "");
    add("--url", options.url);
    add("--folder", options.folder.empty()
                        ? ""
                        : absolute_path(options.folder, context.environment.working_folder));
    if (options.upload_limit > 0) add("--upload-limit", std::to_string(options.upload_limit));
    if (options.download_limit > 0) add("--download-limit", std::to_string(options.download_limit));
    if (options.internal) words.push_back("--allow-internal");
  }
  return words;
}

Result<std::int64_t> start_detached(Context const& context) {
  std::error_code failed;
  std::filesystem::create_directories(context.place.state_folder, failed);
  if (failed)
    return fail(Fault::refused,
                fmt::format("state folder {}: {}", context.place.state_folder, failed.message()),
                "choose one that you can write: mutirao --state DIR ...");
  auto words = arguments_of(context);
  // The control socket of the default node is not in its state folder: leave the choice to its own
  // rule.
  if (context.options.state.empty()) words.erase(words.begin() + 1, words.begin() + 3);
  auto process = MUT_TRY(Process::start(
      {.arguments = std::move(words), .log_file = context.place.log_file, .detached = true}));
  MUT_TRY(process.wait_ready(kStartMax));
  return process.id();
}

bool node_answers(Context const& context) {
  return with_world([&](world::World& world) {
           return node::ControlClient{world, context.place.control()}.status(
                      threads::within(kProbe))
                      ? 0
                      : 1;
         }) == 0;
}

void announce(Context const& context, node::Node& node) {
  auto const status = node.status();
  if (context.options.json)
    fmt::print(
        "{{\"ready\":{{\"process_id\":{},\"listen\":\"{}\",\"page\":\"{}\",\"control\":\"{}\","
        "\"key\":"
        "\"{}\"}}}}\n",
        status.process_id, status.listen, status.page, status.control, status.key);
  else if (!context.options.quiet)
    fmt::print(
        "node runs\n  page     {}\n  listens  {}\n{}  state    {}\nnext: mutirao share FILE; "
        "mutirao "
        "status; Ctrl-C ends it\n",
        status.page, status.listen, control_text(status), status.state_folder);
  std::fflush(stdout);
}

/// Why the log says as much as it does.
void note_log_level(node::NodeConfig& config, bool quiet) {
  constexpr std::array<char const*, 4> kNames{"debug", "info", "warning", "error"};
  auto const otherwise = quiet ? base::LogLevel::warning : base::LogLevel::info;
  config.log_level = kNames[std::to_underlying(log_level(otherwise))];
  if (auto const* named = std::getenv("MUTIRAO_LOG"); named != nullptr && config.log_level == named)
    config.from["log"] = "$MUTIRAO_LOG";
  else if (quiet)
    config.from["log"] = "--quiet";
}

int run_node(Context const& context, world::World& world, threads::signal_set& signals) {
  auto config = node_config(context.options, context.place, context.environment);
  if (config) note_log_level(*config, context.options.quiet);
  auto node =
      config ? node::Node::start(world, *std::move(config)) : std::unexpected{config.error()};
  tell_ready(context.options.ready_fd, node ? nullptr : &node.error());
  if (!node) return report(node.error(), context.options.json);
  announce(context, **node);
  threads::scope watcher;
  watcher.spawn("signals",
                [&] {
                  if (auto const first = signals.wait())
                    (*node)->request_stop();
                  else
                    return;
                  if (auto const second = signals.wait()) std::_Exit(kInterrupted);
                },
                {.isolated = true});
  auto const ran = (*node)->run_until_stopped();
  node->reset();
  return ran ? kDone : report(ran.error(), context.options.json);
}

int run_in_foreground(Context const& context) {
  raise_open_file_limit();
  threads::signal_set signals{SIGINT, SIGTERM, SIGHUP};
  base::StderrLog log{
      log_level(context.options.quiet ? base::LogLevel::warning : base::LogLevel::info)};
  int code = kFailed;
  threads::runtime runtime;
  threads::report_on_signal const reporter{runtime, SIGQUIT};
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    code = run_node(context, *world, signals);
  });
  return code;
}

}  // namespace

int command_up(Context const& context) {
  if (!context.options.detach) return run_in_foreground(context);
  auto const id = start_detached(context);
  if (!id) return report(id.error(), context.options.json);
  if (context.options.json)
    fmt::print("{{\"ready\":{{\"process_id\":{}}}}}\n", *id);
  else if (!context.options.quiet)
    fmt::print(
        "node runs in the background (process {}, log {})\nnext: mutirao share FILE; mutirao "
        "status; mutirao stop\n",
        *id, context.place.log_file);
  return kDone;
}

Result<void> ensure_node(Context const& context) {
  if (node_answers(context)) return {};
  auto const id = start_detached(context);
  if (id) {
    if (!context.options.quiet && !context.options.json)
      fmt::print(stderr, "started a node in the background (process {}; mutirao stop ends it)\n",
                 *id);
    return {};
  }
  // Another command may be starting one at this very moment.
  for (unsigned probe = 0; id.error().fault == Fault::refused && probe < kRaceProbes; ++probe) {
    if (node_answers(context)) return {};
    Process::pause(kRacePause);
  }
  return std::unexpected{id.error()};
}

}  // namespace mutirao::cli
