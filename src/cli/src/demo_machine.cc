#include "demo_machine.h"

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "interrupts.h"
#include "machine/machine_client.h"
#include "machine/machine_folder.h"
#include "process.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr char kGuest[] = "guest";
constexpr std::string_view kPrompt = "~ # ";
/// What busybox asks the terminal for before each line: where its cursor is.
constexpr std::string_view kAsksForCursor = "\x1b[6n";
constexpr std::chrono::seconds kGuestStartMax{30};
constexpr std::chrono::seconds kPowerOffMax{10};
constexpr Duration kShellMax = 60s;

/// Takes the text of a console apart into lines, and knows when a shell waits for its next one.
class ConsoleLines {
 public:
  explicit ConsoleLines(std::function<void(std::string const&)> line) : line_{std::move(line)} {}
  /// True once each time that a prompt came.
  bool add(ByteView bytes) {
    text_.append(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    for (std::size_t end; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1))
      tell(text_.substr(0, end));
    bool const waits = text_.starts_with(kPrompt) && !prompted_;
    prompted_ = text_.starts_with(kPrompt);
    return waits;
  }

 private:
  void tell(std::string line) {
    for (std::size_t at; (at = line.find(kAsksForCursor)) != std::string::npos;)
      line.erase(at, kAsksForCursor.size());
    while (line.ends_with('\r') || line.ends_with(' ')) line.pop_back();
    prompted_ = false;
    if (!line.empty()) line_(printable(line));
  }
  std::function<void(std::string const&)> line_;
  std::string text_;  // the line that has not ended
  bool prompted_ = false;
};

/// Watches until the shell waits for its first command, has it say where it is, and switches off.
Result<void> talk_to_guest(MachineClient& machine, TimePoint began, DemoMachine& told, bool says) {
  ConsoleLines lines{[&](std::string const& line) {
    told.lines.push_back(line);
    if (says) fmt::print("  | {}\n", line);
    std::fflush(stdout);
  }};
  std::vector<std::string> commands{"poweroff -f\n", "uname -a\n"};
  threads::scope typing;
  auto const watched = machine.watch(true, [&](ByteView bytes) {
    if (!lines.add(bytes) || commands.empty()) return true;
    if (!std::exchange(told.booted, true)) told.took = threads::now() - began;
    typing.spawn("typing", [&machine, command = commands.back()] { return machine.type(command); },
                 {.isolated = true});
    commands.pop_back();
    return true;  // until it has powered off
  });
  MUT_TRY(typing.join());
  return watched;
}

Result<void> boot_guest(Context const& context, std::string const& folder, DemoMachine& told,
                        threads::signal_set& signals) {
  bool const says = !context.options.json && !context.options.quiet;
  if (says) fmt::print("\na machine of another architecture boots, its instructions translated:\n");
  auto const began = std::chrono::steady_clock::now();
  NodePlace const place{.state_folder = folder, .socket = {}, .log_file = {}};
  auto const of_guest = MUT_TRY(MachineFolder::of(place, kGuest));
  auto process = MUT_TRY(Process::start(
      {.arguments = {"boot", "--state", folder, "--name", kGuest, "--kernel",
                     absolute_path(context.options.kernel, context.environment.working_folder),
                     "--initrd",
                     absolute_path(context.options.initrd, context.environment.working_folder),
                     "--append", "console=ttyS0 quiet", "--memory", "256"},
       .log_file = folder + "/guest.log"}));
  MUT_TRY(process.wait_ready(kGuestStartMax));
  base::StderrLog log{log_level(base::LogLevel::warning)};
  Result<void> talked;
  threads::runtime runtime;
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    Interrupts interrupts{signals};
    talked = interrupts.run([&]() -> Result<void> {
      threads::scope bounded{threads::within(kShellMax)};
      bounded.spawn("guest",
                    [&]() -> Result<void> {
                      MachineClient machine{*world, of_guest.socket()};
                      return talk_to_guest(machine, TimePoint{began.time_since_epoch()}, told,
                                           says);
                    },
                    {.stack = threads::stack_size::large});
      return bounded.join();
    });
  });
  MUT_TRY(std::move(talked));
  if (!process.wait(kPowerOffMax)) return fail(Fault::timed_out, "the guest did not power off");
  return {};
}

}  // namespace

DemoMachine show_machine(Context const& context, std::string const& folder,
                         threads::signal_set& signals) {
  DemoMachine told;
  auto const& environment = context.environment;
  told.wanted = !context.options.kernel.empty();
  if (!told.wanted) {
    told.why = environment.guest_missing.empty() ? "no guest was given" : environment.guest_missing;
    told.mend = environment.guest_mend.empty()
                    ? "./run fetches one; or mutirao demo --kernel FILE --initrd FILE"
                    : environment.guest_mend;
    return told;
  }
  if (auto const booted = boot_guest(context, folder, told, signals); !booted) {
    told.booted = false;
    told.why = booted.error().what;
    told.mend = booted.error().mend;
  }
  return told;
}

std::string machine_summary(DemoMachine const& machine) {
  if (machine.booted)
    return fmt::format("a RISC-V machine booted Linux to its shell in {}\n",
                       base::format_duration(machine.took));
  return fmt::format("no machine was booted: {}{}\n", printable(machine.why),
                     machine.mend.empty() ? "" : "; try: " + printable(machine.mend));
}

std::string machine_json(DemoMachine const& machine) {
  if (!machine.booted)
    return fmt::format("{{\"booted\":false,\"why\":{},\"mend\":{}}}",
                       node::json_string(machine.why), node::json_string(machine.mend));
  std::string lines;
  for (auto const& line : machine.lines)
    lines += (lines.empty() ? "" : ",") + node::json_string(line);
  return fmt::format("{{\"booted\":true,\"seconds\":{:.3f},\"lines\":[{}]}}",
                     std::chrono::duration<double>{machine.took}.count(), lines);
}

}  // namespace mutirao::cli
