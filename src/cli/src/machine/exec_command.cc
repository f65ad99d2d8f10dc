#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/machine/user_program.h"

#include "commands.h"
#include "report.h"

namespace mutirao::cli {
namespace {

/// As a shell tells that a signal ended a program.
constexpr int kOfSignal = 128;

std::vector<std::string> whole_environment() {
  std::vector<std::string> variables;
  for (char** each = ::environ; *each != nullptr; ++each) variables.emplace_back(*each);
  return variables;
}

}  // namespace

/// Outside of a runtime: the program is the only thing that this process does.
int command_machine_exec(Context const& context) {
  auto const& options = context.options;
  std::vector<std::string> arguments{options.program};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  machine::UserProgram program{.path = options.program,
                               .arguments = std::move(arguments),
                               .environment = whole_environment(),
                               .engine = options.engine == "interp" ? machine::Engine::interpreter
                                                                    : machine::Engine::translator};
  if (options.trace_calls)
    program.trace = [](std::string_view line) { fmt::print(stderr, "mutirao: {}\n", line); };
  auto const end = machine::run_user_program(std::move(program));
  if (!end) return report(end.error(), options.json);
  return end->signal != 0 ? kOfSignal + end->signal : end->code;
}

}  // namespace mutirao::cli
