#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "mutirao/node/json.h"
#include "mutirao/scenario/minimise.h"

#include "demo_file.h"
#include "process.h"
#include "report.h"
#include "sim_run.h"
#include "terminal.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr std::chrono::milliseconds kProbePoll{50};
constexpr char kFailedWord[] = "  failed      ";

/// The kind of the first failure that a report names.
std::string failure_in(std::string const& text) {
  auto const at = text.find(kFailedWord);
  if (at == std::string::npos) return {};
  auto const begin = at + sizeof kFailedWord - 1;
  return text.substr(begin, text.find(' ', begin) - begin);
}

/// Plays a scenario in a process of its own, which may stop at an assertion.
std::optional<std::string> probe(std::string const& folder, std::size_t number,
                                 scenario::Scenario const& scenario, std::uint64_t seed) {
  auto const file = fmt::format("{}/{}.toml", folder, number);
  auto const log = fmt::format("{}/{}.log", folder, number);
  std::ofstream{file} << scenario::to_toml(scenario);
  auto process = Process::start(
      {.arguments = {"sim", "run", file, "--seed", std::to_string(seed), "--no-progress"},
       .log_file = log,
       .tells_ready = false});
  if (!process) return std::nullopt;
  while (true) {
    auto const code = process->wait(kProbePoll);
    if (interrupted()) return std::nullopt;
    if (!code) continue;
    if (*code == kDone) return "";
    if (*code != kFailed) return fmt::format("exit code {}", *code);
    std::stringstream text;
    text << std::ifstream{log}.rdbuf();
    return failure_in(text.str());
  }
}

}  // namespace

int minimise_command(Context const& context, scenario::Scenario const& scenario) {
  auto const& options = context.options;
  auto const folder = TemporaryFolder::make("mutirao-sim-", false);
  if (!folder) return report(folder.error(), options.json);
  std::size_t number = 0;
  scenario::MinimiseOptions how;
  how.probe = [&](scenario::Scenario const& smaller, std::uint64_t seed) {
    return probe(folder->path(), ++number, smaller, seed);
  };
  if (context.wants_progress())
    how.smaller = [&](scenario::Scenario const&, std::uint64_t seed, std::string const& step) {
      fmt::print(stderr, "run {}: still fails with {} (seed {})\n", number, step, seed);
    };
  auto const found = scenario::minimise(scenario, options.seed, how);
  if (!found) return report(found.error(), options.json);
  auto const toml = scenario::to_toml(found->scenario);
  if (options.json) {
    fmt::print(
        "{{\"minimised\":{{\"kind\":{},\"seed\":{},\"runs\":{},\"interrupted\":{},"
        "\"scenario\":{}}}}}\n",
        node::json_string(found->kind), found->seed, found->runs, found->interrupted,
        node::json_string(toml));
  } else {
    fmt::print("# {} with seed {}, found in {} runs{}\n", found->kind, found->seed, found->runs,
               found->interrupted ? "; it may become smaller still" : "");
    fmt::print("# again: save this as FILE.toml; mutirao sim run ./FILE.toml --seed {}\n{}",
               found->seed, toml);
  }
  return interrupted() ? kInterrupted : kDone;
}

}  // namespace mutirao::cli
