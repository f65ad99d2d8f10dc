#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "mutirao/base/result.h"

namespace mutirao::cli {

/// What the program ends with; documented in docs/reference/cli.md and stable.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,
  kUnreachable = 4,
  kRefused = 5,
  kCorrupt = 6,
  kPartial = 7,
  kTryAgain = 75,
  kViolated = 86,  ///< world::jail::kViolated
  kInterrupted = 130,
};

[[nodiscard]] std::span<std::pair<int, std::string_view> const> exit_codes() noexcept;
[[nodiscard]] int exit_code_of(Fault fault) noexcept;

/// "error: ..." and "try: ..." on standard error, and with `json` {"error": ...} on standard
/// output. The exit code that goes with it.
int report(Error const& error, bool json);

}  // namespace mutirao::cli
