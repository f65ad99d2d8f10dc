#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/threads/diagnostics.h"

/// How the threads of a node look to a person. Pure.
namespace mutirao::cli {

/// A summary, and a line for each thread, indented by the scope that it lives in.
[[nodiscard]] std::string thread_list(threads::runtime_report const& report);

/// What `thread top` shows: who is busy, what most wait for, and who has waited longest. Rates are
/// those since `before`, `passed` ago.
[[nodiscard]] std::vector<std::string> thread_top(
    threads::runtime_report const& report, std::optional<threads::runtime_report> const& before,
    Duration passed);

}  // namespace mutirao::cli
