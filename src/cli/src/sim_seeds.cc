#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "mutirao/base/units.h"

#include "demo_file.h"
#include "process.h"
#include "report.h"
#include "sim_run.h"
#include "terminal.h"
#include "text.h"

// Many seeds: each in a process of its own, so that one that stops at an assertion or a deadlock
// fails alone, and gives back what it used.
namespace mutirao::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kSeedPoll{20};

struct SeedRun {
  std::uint64_t seed;
  std::string log;
  Process process;
};

std::string read_log(std::string const& path) {
  std::stringstream text;
  text << std::ifstream{path}.rdbuf();
  return text.str();
}

class SeedRuns {
 public:
  SeedRuns(Context const& context, std::string folder)
      : context_{context}, folder_{std::move(folder)}, screen_{mode()} {}

  int run() {
    auto const began = Clock::now();
    auto const& options = context_.options;
    std::uint64_t started = 0;
    while (true) {
      while (!interrupted() && started < options.seed_count && running_.size() < options.jobs) {
        auto begun = start(options.seed + started);
        if (!begun) return report(begun.error(), options.json);
        ++started;
      }
      if (running_.empty()) break;
      if (interrupted())
        for (auto& each : running_) each.process.interrupt();
      reap();
      show(Clock::now() - began);
    }
    screen_.clear();
    summary(std::chrono::duration<double>{Clock::now() - began}.count());
    return interrupted() ? kInterrupted : failed_.empty() ? kDone : kFailed;
  }

 private:
  [[nodiscard]] Screen::Mode mode() const {
    auto const wanted = Screen::mode_for(context_.wants_progress());
    // Elsewhere the line of each seed says enough.
    return wanted == Screen::Mode::plain ? Screen::Mode::none : wanted;
  }

  Result<void> start(std::uint64_t seed) {
    auto words = scenario_words(context_.options, "run");
    words.insert(words.end(), {"--seed", std::to_string(seed), "--quiet"});
    if (context_.options.json) words.emplace_back("--json");
    if (context_.options.twice) words.emplace_back("--twice");
    auto log = fmt::format("{}/{}.log", folder_, seed);
    auto process = MUT_TRY(
        Process::start({.arguments = std::move(words), .log_file = log, .tells_ready = false}));
    running_.push_back({seed, std::move(log), std::move(process)});
    return {};
  }

  /// Waits a moment, and takes in who has ended.
  void reap() {
    std::vector<SeedRun> left;
    for (auto& each : running_) {
      auto const code = each.process.wait(std::chrono::milliseconds{0});
      if (code) {
        ended(each.seed, *code, read_log(each.log));
      } else {
        left.push_back(std::move(each));
      }
    }
    running_.clear();
    for (auto& each : left) running_.push_back(std::move(each));
    Process::pause(kSeedPoll);
  }

  void ended(std::uint64_t seed, int code, std::string const& log) {
    ++done_;
    add_faults(log);
    screen_.clear();
    std::fwrite(log.data(), 1, log.size(), stdout);
    std::fflush(stdout);
    if (code == kDone || code == kInterrupted) return;
    failed_.push_back(seed);
    if (context_.options.json) return;
    if (code != kFailed) fmt::print("seed {}: ended with exit code {}\n", seed, code);
    fmt::print("  again: {}\n", replay_line(context_.options, seed, 0));
    std::fflush(stdout);
  }

  /// From the line of a seed: ", faults: churn 14, crash 9".
  void add_faults(std::string const& log) {
    auto const at = log.find(kFaultsWord);
    if (at == std::string::npos) return;
    std::istringstream words{log.substr(at + kFaultsWord.size())};
    std::string kind;
    std::uint64_t times = 0;
    char comma = 0;
    while (words >> kind >> times) {
      auto& count = faults_[kind];
      count.times += times;
      count.seeds += times > 0 ? 1 : 0;
      if (words.peek() != ',' || !words.get(comma)) break;
    }
  }

  [[nodiscard]] std::string faults_in_all() const {
    std::string text;
    for (auto const& [kind, count] : faults_)
      text += fmt::format("{}{} {} in {} of them", text.empty() ? "" : ", ", kind, count.times,
                          count.seeds);
    return text;
  }

  void show(Clock::duration since) {
    screen_.show({fmt::format("{} of {} seeds, {} failed, {}", done_, context_.options.seed_count,
                              failed_.size(),
                              base::format_duration(std::chrono::duration_cast<Duration>(since)))});
  }

  void summary(double wall_s) const {
    if (context_.options.json) {
      fmt::print("{{\"seeds\":{},\"failed\":[{}],\"wall_s\":{:.1f},\"ok\":{}}}\n", done_,
                 fmt::join(failed_, ","), wall_s, failed_.empty() && !interrupted());
      return;
    }
    fmt::print("{} seeds in {}: {} held, {} failed{}{}\n", done_,
               base::format_duration(
                   std::chrono::duration_cast<Duration>(std::chrono::duration<double>{wall_s})),
               done_ - failed_.size(), failed_.size(), failed_.empty() ? "" : ": ",
               fmt::join(failed_, " "));
    if (!faults_.empty()) fmt::print("faults in the seeds that held: {}\n", faults_in_all());
  }

  Context const& context_;
  std::string folder_;
  Screen screen_;
  std::vector<SeedRun> running_;
  std::vector<std::uint64_t> failed_;
  std::uint64_t done_ = 0;
  struct FaultTotal {
    std::uint64_t times = 0;
    std::uint64_t seeds = 0;
  };
  std::map<std::string, FaultTotal> faults_;  ///< of the seeds that held
};

}  // namespace

int run_seeds(Context const& context, scenario::Scenario const&) {
  auto const folder = TemporaryFolder::make("mutirao-sim-", false);
  if (!folder) return report(folder.error(), context.options.json);
  return SeedRuns{context, folder->path()}.run();
}

}  // namespace mutirao::cli
