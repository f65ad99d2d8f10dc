#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mutirao/scenario/run.h"
#include "mutirao/scenario/scenario.h"

#include "commands.h"

/// What the verbs of `sim` share.
namespace mutirao::cli {

/// The scenario that the command line names, with its settings.
[[nodiscard]] Result<scenario::Scenario> chosen_scenario(Options const& options);

/// The words that make another process play the same scenario: "sim VERB SCENARIO --set ...".
[[nodiscard]] std::vector<std::string> scenario_words(Options const& options,
                                                      std::string const& verb);
/// The command that shows a run again, for people.
[[nodiscard]] std::string replay_line(Options const& options, std::uint64_t seed,
                                      std::uint64_t trace_hash);

/// From now on Ctrl-C asks to end; a second one ends the program at once. Simulations run on a
/// plain LWP, where no user thread could wait for signals.
void watch_interrupts() noexcept;
[[nodiscard]] bool interrupted() noexcept;

/// Before the faults in the line of a seed that held.
inline constexpr std::string_view kFaultsWord = ", faults: ";

struct Played {
  scenario::Report report;
  double wall_s = 0;
};
/// Plays one seed in this process, with a line of progress when somebody looks.
[[nodiscard]] Played play(Context const& context, scenario::Scenario const& scenario,
                          scenario::RunOptions options);

/// Plays many seeds, each in a process of its own; the exit code.
int run_seeds(Context const& context, scenario::Scenario const& scenario);
int minimise_command(Context const& context, scenario::Scenario const& scenario);

}  // namespace mutirao::cli
