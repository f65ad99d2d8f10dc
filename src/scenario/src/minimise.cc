#include "mutirao/scenario/minimise.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mutirao/scenario/quantity.h"
#include "mutirao/sim/faults.h"

#include "timeline.h"

namespace mutirao::scenario {
namespace {

constexpr std::uint64_t kFileLeast = 16 << 10;

struct Step {
  Scenario scenario;
  std::string what;
};

void forbid(Scenario& scenario, std::string_view name) {
  auto& all = scenario.named_faults_forbidden;
  if (scenario.named_faults == 0 || std::ranges::find(all, name) != all.end()) return;
  all.emplace_back(name);
  std::ranges::sort(all);
}

/// Everything that is one step smaller; always the same steps, so that they have numbers. One that
/// changes nothing is none.
std::vector<Step> steps_from(Scenario const& from) {
  std::vector<Step> steps;
  auto const step = [&](std::string what, auto const& change) {
    auto smaller = from;
    change(smaller);
    steps.push_back({std::move(smaller), std::move(what)});
  };
  for (auto const kind : all_fault_kinds())
    step(fmt::format("no {}", to_string(kind)), [&](Scenario& s) { s.fault(kind).per_minute = 0; });
  for (auto const name : sim::kWorldFaults)
    step(fmt::format("no {}", name), [&](Scenario& s) { forbid(s, name); });
  step("no faults by name", [](Scenario& s) {
    s.named_faults = 0;
    s.named_faults_forbidden.clear();
  });
  for (auto const kind : all_gateway_kinds())
    step(fmt::format("nobody behind {}", to_string(kind)),
         [&](Scenario& s) { s.share_behind(kind) = 0; });
  for (auto const fewer : {from.peers / 10, from.peers / 2, from.peers * 3 / 4, from.peers - 1}) {
    auto const peers = std::max<std::uint64_t>(1, fewer);
    step(fmt::format("{} peers", peers), [&](Scenario& s) { s.peers = peers; });
  }
  auto const bytes = std::max(from.file_bytes / 2, std::min(kFileLeast, from.file_bytes));
  step(fmt::format("a file of {}", write_bytes(bytes)), [&](Scenario& s) { s.file_bytes = bytes; });
  auto const safety = std::chrono::floor<std::chrono::seconds>(from.safety / 2);
  step(fmt::format("faults for {}", write_duration(safety)),
       [&](Scenario& s) { s.safety = safety; });
  step("all peers at once", [](Scenario& s) { s.arrival = 0s; });
  step("one seed", [](Scenario& s) { s.seeds = 1; });
  step("no loss", [](Scenario& s) { s.loss = 0; });
  step("no jitter", [](Scenario& s) { s.jitter = 0s; });
  return steps;
}

/// Faults that this seed does not have are no part of the scenario any more; its run stays the
/// same.
Scenario without_draw(Scenario scenario, std::uint64_t seed) {
  auto const timeline = draw_timeline(scenario, seed);
  scenario.draw_faults = false;
  for (auto const kind : all_fault_kinds())
    if (!timeline.on[static_cast<std::size_t>(kind)]) scenario.fault(kind).per_minute = 0;
  return scenario;
}

class Search {
 public:
  Search(Minimised& best, MinimiseOptions const& options) : best_{best}, options_{options} {}

  /// Takes every step as often as it keeps the failure; false when none did.
  bool pass(std::uint64_t more_seeds) {
    bool any = false;
    auto const count = steps_from(best_.scenario).size();
    for (std::size_t number = 0; number < count && !best_.interrupted; ++number)
      while (take(steps_from(best_.scenario)[number], more_seeds)) any = true;
    return any;
  }

 private:
  bool take(Step const& step, std::uint64_t more_seeds) {
    if (step.scenario == best_.scenario) return false;
    for (std::uint64_t i = 0; i <= more_seeds; ++i) {
      if (!still_fails(step.scenario, best_.seed + i)) continue;
      best_.scenario = step.scenario;
      best_.seed += i;
      if (options_.smaller) options_.smaller(best_.scenario, best_.seed, step.what);
      return true;
    }
    return false;
  }

  bool still_fails(Scenario const& scenario, std::uint64_t seed) {
    if (best_.runs >= options_.runs_max) best_.interrupted = true;
    if (best_.interrupted) return false;
    ++best_.runs;
    auto const kind = options_.probe(scenario, seed);
    if (!kind) best_.interrupted = true;
    return kind == best_.kind;
  }

  Minimised& best_;
  MinimiseOptions const& options_;
};

}  // namespace

Result<Minimised> minimise(Scenario const& scenario, std::uint64_t seed,
                           MinimiseOptions const& options) {
  Minimised best{.scenario = scenario, .seed = seed, .kind = {}, .runs = 1};
  auto const kind = options.probe(scenario, seed);
  if (!kind) return fail(Fault::cancelled, "interrupted in the first run");
  if (kind->empty())
    return fail(Fault::invalid, fmt::format("the scenario holds with seed {}", seed),
                "mutirao sim run SCENARIO --seeds 100 looks for a seed that fails");
  best.kind = *kind;
  best.scenario = without_draw(scenario, seed);
  Search search{best, options};
  // Other seeds are dear, and only tried for what the failure's own does not give.
  for (auto const more_seeds : {std::uint64_t{0}, options.more_seeds})
    while (search.pass(more_seeds)) {
    }
  return best;
}

}  // namespace mutirao::scenario
