#include "sim_run.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <malloc.h>
#include <sstream>
#include <unistd.h>

#include "mutirao/base/spelling.h"
#include "mutirao/base/units.h"

#include "report.h"
#include "terminal.h"
#include "text.h"

namespace mutirao::cli {
namespace {

using scenario::Scenario;
using Clock = std::chrono::steady_clock;

std::sig_atomic_t volatile sim_interrupts = 0;

extern "C" void on_sim_interrupt(int) {
  if (sim_interrupts > 0) _exit(kInterrupted);
  sim_interrupts = 1;
}

bool names_a_file(std::string const& name) {
  return name.find('/') != std::string::npos || name.ends_with(".toml");
}

Result<std::string> read_scenario_file(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file)
    return fail(Fault::not_found, fmt::format("cannot read {}", path),
                "mutirao sim list names the scenarios that need no file");
  std::string text;
  // One byte beyond the limit is enough to be refused.
  text.resize(scenario::kScenarioBytesMax + 1);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

Result<Scenario> load_scenario(std::string const& name) {
  if (names_a_file(name)) {
    auto const text = MUT_TRY(read_scenario_file(name));
    return scenario::parse_scenario(text, name);
  }
  std::vector<std::string> names;
  for (auto const& shipped : scenario::shipped_scenarios()) {
    if (shipped.name == name)
      return scenario::parse_scenario(shipped.text, fmt::format("scenarios/{}.toml", name));
    names.emplace_back(shipped.name);
  }
  auto const meant = base::nearest(name, names);
  return fail(Fault::not_found, fmt::format("no scenario \"{}\"", name),
              meant.empty() ? "mutirao sim list; a file is named with its path: ./FILE.toml"
                            : fmt::format("mutirao sim run {}", meant));
}

std::string progress_text(scenario::Progress const& progress, double events_per_s) {
  return fmt::format("{} phase, {} virtual, {} of {} peers complete, {:.0f} events/s",
                     progress.liveness ? "liveness" : "safety",
                     base::format_duration(progress.virtual_time), progress.complete,
                     progress.peers, events_per_s);
}

/// Shows where a run is, as often as a person or a log wants to know.
class RunProgress {
 public:
  explicit RunProgress(bool wanted)
      : screen_{Screen::mode_for(wanted)},
        interval_{screen_.mode() == Screen::Mode::redrawn ? std::chrono::milliseconds{200}
                                                          : std::chrono::seconds{5}},
        shown_{Clock::now()} {}

  void tell(scenario::Progress const& progress) {
    auto const now = Clock::now();
    if (screen_.mode() == Screen::Mode::none || now - shown_ < interval_) return;
    auto const seconds = std::chrono::duration<double>{now - shown_}.count();
    screen_.show(
        {progress_text(progress, static_cast<double>(progress.trace_events - events_) / seconds)});
    shown_ = now;
    events_ = progress.trace_events;
  }

 private:
  Screen screen_;
  Clock::duration interval_;
  Clock::time_point shown_;
  std::uint64_t events_ = 0;
};

/// A simulation allocates for thousands of nodes and gives back all the time: to return it to the
/// system and to fault it in again takes a tenth of the run.
void keep_memory() noexcept {
  constexpr int kAtOnce = 64 << 20;
  mallopt(M_TOP_PAD, kAtOnce);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_MMAP_THRESHOLD, kAtOnce / 2);
}

}  // namespace

Result<Scenario> chosen_scenario(Options const& options) {
  auto scenario = MUT_TRY(load_scenario(options.scenario));
  for (auto const& setting : options.settings) MUT_TRY(scenario::set_key(scenario, setting));
  if (options.peers) MUT_TRY(scenario::set_key(scenario, fmt::format("peers={}", *options.peers)));
  // What was set one by one must fit together: the parser knows how.
  return scenario::parse_scenario(scenario::to_toml(scenario), options.scenario);
}

std::vector<std::string> scenario_words(Options const& options, std::string const& verb) {
  std::vector<std::string> words{"sim", verb, options.scenario};
  for (auto const& setting : options.settings) words.insert(words.end(), {"--set", setting});
  if (options.peers) words.insert(words.end(), {"--peers", std::to_string(*options.peers)});
  return words;
}

std::string replay_line(Options const& options, std::uint64_t seed, std::uint64_t trace_hash) {
  std::string line = "mutirao";
  for (auto const& word : scenario_words(options, "replay"))
    line += word.find(' ') == std::string::npos ? " " + word : " '" + word + "'";
  line += fmt::format(" --seed {}", seed);
  if (trace_hash != 0) line += fmt::format(" --trace {:016x}", trace_hash);
  return line;
}

void watch_interrupts() noexcept {
  struct sigaction action{};
  action.sa_handler = on_sim_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() noexcept { return sim_interrupts > 0; }

Played play(Context const& context, Scenario const& scenario, scenario::RunOptions options) {
  keep_memory();
  auto const began = Clock::now();
  RunProgress progress{context.wants_progress()};
  options.observe = [&](scenario::Progress const& now) {
    progress.tell(now);
    return !interrupted();
  };
  Played played{scenario::run_scenario(scenario, std::move(options)), 0};
  played.wall_s = std::chrono::duration<double>{Clock::now() - began}.count();
  return played;
}

}  // namespace mutirao::cli
