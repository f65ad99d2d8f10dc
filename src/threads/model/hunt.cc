#include "hunt.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

namespace mutirao::model {

namespace {
/// In a process of its own: a thread that is run twice may well end in a crash.
bool finds(std::function<void(execution&)> const& scenario, options chosen) {
  pid_t const child = fork();
  if (child == 0) {
    alarm(20);
    freopen("/dev/null", "w", stderr);
    auto const outcome = explore(scenario, chosen);
    _exit(outcome.failure ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

std::string_view short_name(std::string_view function) {
  function = function.substr(0, function.find('('));
  return function.substr(function.find_last_of(" :") + 1);
}
}  // namespace

std::size_t proof::found() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(flaws, &found_flaw::found));
}

bool proof::found(std::string_view function, flaw kind) const noexcept {
  return std::ranges::any_of(flaws, [&](found_flaw const& each) {
    return each.found && each.planted.kind == kind &&
           short_name(each.planted.where.function) == function;
  });
}

std::uint64_t unless_all(std::uint64_t executions_max) noexcept {
  char const* const wish = std::getenv("MUTIRAO_MODEL");
  return wish != nullptr && std::string_view{wish} == "all" ? kNoLimit : executions_max;
}

proof prove(std::string_view name, std::function<void(execution&)> const& scenario,
            std::vector<std::string_view> const& files, options chosen) {
  proof result;
  result.sound = explore(scenario, chosen);
  for (auto const& each : result.sound.mutations) {
    if (std::ranges::find(files, each.where.file) == files.end()) continue;
    auto mutated = chosen;
    mutated.planted = each;
    result.flaws.push_back({each, finds(scenario, mutated)});
  }
  fmt::print("{}: {} executions ({} more begun), {} accesses, {}; {} of {} planted flaws found\n",
             name, result.sound.executions, result.sound.redundant, result.sound.accesses,
             result.sound.complete ? "exhaustive" : "stopped at the limit", result.found(),
             result.flaws.size());
  for (auto const& each : result.flaws) {
    if (each.found) continue;
    fmt::print("  not found: {} in {} ({}:{})\n", name_of(each.planted.kind),
               short_name(each.planted.where.function), each.planted.where.file,
               each.planted.where.line);
  }
  std::fflush(stdout);
  if (result.sound.failure) fmt::print("{}\n", *result.sound.failure);
  return result;
}

}  // namespace mutirao::model
