#pragma once

#include <string>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/threads/signals.h"

#include "commands.h"

namespace mutirao::cli {

/// The chapter of the demo in which a machine of another architecture boots to its shell.
struct DemoMachine {
  bool wanted = false;  ///< there was a guest to boot
  bool booted = false;
  Duration took{};                 ///< from its start to the first prompt of its shell
  std::vector<std::string> lines;  ///< of its console, made safe for a terminal
  std::string why;                 ///< it did not boot; empty when it did
  std::string mend{};
};

/// Boots the guest of --kernel and --initrd in `folder`, shows what its console says, and ends it.
/// Takes a minute at most. From the process's first LWP, outside of a runtime.
[[nodiscard]] DemoMachine show_machine(Context const& context, std::string const& folder,
                                       threads::signal_set& signals);

/// A line for the summary.
[[nodiscard]] std::string machine_summary(DemoMachine const& machine);
[[nodiscard]] std::string machine_json(DemoMachine const& machine);

}  // namespace mutirao::cli
