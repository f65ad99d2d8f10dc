#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "mutirao/base/units.h"
#include "mutirao/node/json.h"
#include "mutirao/scenario/quantity.h"

#include "process.h"
#include "report.h"
#include "sim_run.h"
#include "text.h"

namespace mutirao::cli {
namespace {

using scenario::Scenario;

constexpr std::chrono::hours kSecondRunMax{24};

void print_played(Context const& context, Scenario const& scenario, Played const& played) {
  auto const& report = played.report;
  if (context.options.json) {
    fmt::print("{}\n", scenario::report_json(scenario, report, played.wall_s));
  } else if (context.options.quiet && report.ok()) {
    fmt::print("seed {}: {} of {} peers complete, {} virtual, {:.1f} s here, trace {:016x}{}{}\n",
               report.seed, report.complete, report.peers,
               base::format_duration(report.virtual_time), played.wall_s, report.trace_hash,
               kFaultsWord, scenario::faults_text(report));
  } else {
    fmt::print("{}", scenario::report_text(scenario, report, played.wall_s));
  }
  std::fflush(stdout);
}

int code_of(scenario::Report const& report) {
  if (report.interrupted && interrupted()) return kInterrupted;
  return report.ok() ? kDone : kFailed;
}

/// The same run again, in a process with addresses of its own: an order that depends on them shows.
int compare_with_second_run(Context const& context, scenario::Report const& first) {
  auto words = scenario_words(context.options, "replay");
  words.insert(words.end(), {"--seed", std::to_string(first.seed), "--trace",
                             fmt::format("{:016x}", first.trace_hash), "--quiet"});
  auto process =
      Process::start({.arguments = std::move(words), .log_file = {}, .tells_ready = false});
  if (!process) return report(process.error(), context.options.json);
  std::optional<int> code;
  while (!code && !interrupted()) code = process->wait(std::chrono::milliseconds{100});
  if (!code) return kInterrupted;
  if (*code != kCorrupt) return kDone;
  return report({Fault::corrupt,
                 fmt::format("seed {}: a second run went another way than {:016x}", first.seed,
                             first.trace_hash),
                 replay_line(context.options, first.seed, first.trace_hash)},
                context.options.json);
}

int sim_run(Context const& context, Scenario const& scenario) {
  auto const& options = context.options;
  if (options.seed_count > 1) return run_seeds(context, scenario);
  auto const played = play(context, scenario, {.seed = options.seed});
  print_played(context, scenario, played);
  auto const code = code_of(played.report);
  if (code == kFailed && !options.json && !options.quiet)
    fmt::print("  again       {}\n",
               replay_line(options, played.report.seed, played.report.trace_hash));
  if (code == kInterrupted || !options.twice) return code;
  auto const compared = compare_with_second_run(context, played.report);
  return compared == kDone ? code : compared;
}

/// Of a long run, what happened around one moment.
int sim_events(Context const& context, Scenario const& scenario, scenario::RunOptions how) {
  auto const& options = context.options;
  how.events = scenario::parse_events(options.events);
  if (!how.events)
    return report(
        {Fault::invalid, fmt::format("--events {} is no range of events", options.events),
         fmt::format("--events 1000..1100, from 1 and at most {} of them", scenario::kEventsMax)},
        options.json);
  if (!options.trace.empty())
    return report({Fault::invalid, "--events ends the run before its trace is known",
                   "without --trace, or without --events"},
                  options.json);
  auto const played = play(context, scenario, std::move(how)).report;
  if (interrupted()) return kInterrupted;
  if (played.events.empty())
    return report({Fault::not_found, fmt::format("this run has {} events", played.trace_events),
                   fmt::format("--events A..B, up to {}", played.trace_events)},
                  options.json);
  std::string json;
  for (auto const& each : played.events) {
    if (options.json)
      json += fmt::format("{}{{\"number\":{},\"what\":{}}}", json.empty() ? "" : ",", each.number,
                          node::json_string(each.what));
    else
      fmt::print("{:>10}  {}\n", each.number, each.what);
  }
  if (options.json) fmt::print("{{\"events\":[{}]}}\n", json);
  return kDone;
}

int sim_replay(Context const& context, Scenario const& scenario) {
  auto const& options = context.options;
  scenario::RunOptions how{.seed = options.seed};
  if (!options.until.empty()) {
    auto const until = scenario::parse_duration(options.until);
    if (!until)
      return report({Fault::invalid, fmt::format("--until {} is no time", options.until),
                     "--until \"90 s\"; units are us, ms, s, min and h"},
                    options.json);
    how.until = *until;
  }
  if (!options.events.empty()) return sim_events(context, scenario, std::move(how));
  std::uint64_t expected = 0;
  auto const& trace = options.trace;
  if (auto const read = std::from_chars(trace.data(), trace.data() + trace.size(), expected, 16);
      !trace.empty() && (read.ec != std::errc{} || read.ptr != trace.data() + trace.size()))
    return report({Fault::invalid, fmt::format("--trace {} is no hash", trace),
                   "give the 16 digits that the first run printed"},
                  options.json);
  // The hosts of a simulation write their logs to standard error when this says so.
  if (!options.quiet) setenv("MUTIRAO_SIM_LOG", "1", 0);
  auto const played = play(context, scenario, std::move(how));
  print_played(context, scenario, played);
  if (trace.empty()) return code_of(played.report);
  if (played.report.trace_hash != expected)
    return report({Fault::corrupt,
                   fmt::format("this run went another way: trace {:016x}, not {:016x}",
                               played.report.trace_hash, expected),
                   "the first run was of another scenario, another version, or the program does "
                   "not depend on its seed alone"},
                  options.json);
  if (!options.json && !options.quiet) fmt::print("  the same as the first run\n");
  return code_of(played.report);
}

int sim_list(Context const& context) {
  std::vector<std::vector<std::string>> rows;
  std::string json;
  for (auto const& shipped : scenario::shipped_scenarios()) {
    auto const scenario = scenario::parse_scenario(shipped.text, shipped.name);
    if (!scenario) return report(scenario.error(), context.options.json);
    rows.push_back(
        {std::string{shipped.name}, fmt::format("{} peers", scenario->peers), scenario->title});
    json += fmt::format("{}{{\"name\":{},\"peers\":{},\"title\":{}}}", json.empty() ? "" : ",",
                        node::json_string(shipped.name), scenario->peers,
                        node::json_string(scenario->title));
  }
  if (context.options.json) {
    fmt::print("{{\"scenarios\":[{}]}}\n", json);
  } else {
    fmt::print("{}", table(rows));
  }
  return kDone;
}

}  // namespace

int command_sim(Context const& context) {
  auto const& options = context.options;
  if (options.verb == "sim list") return sim_list(context);
  auto const scenario = chosen_scenario(options);
  if (!scenario) return report(scenario.error(), options.json);
  if (options.verb == "sim show") {
    auto const toml = scenario::to_commented_toml(*scenario);
    if (options.json)
      fmt::print("{{\"scenario\":{}}}\n", node::json_string(toml));
    else
      fmt::print("{}", toml);
    return kDone;
  }
  watch_interrupts();
  if (options.verb == "sim replay") return sim_replay(context, *scenario);
  if (options.verb == "sim minimise") return minimise_command(context, *scenario);
  return sim_run(context, *scenario);
}

}  // namespace mutirao::cli
