#include <csignal>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/middleware/json_values.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "machine/machine_client.h"
#include "machine/machine_folder.h"
#include "machine/snapshot_command.h"
#include "machine/terminal_console.h"
#include "report.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr Duration kStopPause = 50ms;
/// What the monitor may take to end besides the guest.
constexpr Duration kStopMore = 5s;

std::string uptime_text(double seconds) {
  return base::format_duration(
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>{seconds}));
}

/// A process with what it does on a command's behalf.
class MachineCommand {
 public:
  MachineCommand(Context const& context, world::World& world) : context_{context}, world_{world} {}
  Result<void> run();

 private:
  Result<void> list();
  Result<void> show();
  Result<void> console();
  Result<void> stop();
  Result<void> remove();
  [[nodiscard]] Result<MachineInfo> look() {
    return look_at_machine(world_, context_.place, context_.options.name);
  }
  /// The machine when it runs.
  [[nodiscard]] Result<MachineFolder> running();
  void say(std::string const& key, std::string const& text) const;

  Context const& context_;
  world::World& world_;
};

Result<void> MachineCommand::run() {
  auto const& verb = context_.options.verb;
  if (verb == "machine list") return list();
  if (verb == "machine show") return show();
  if (verb == "machine console") return console();
  if (verb == "machine stop") return stop();
  if (verb == "machine snapshot") return snapshot_machine(context_, world_);
  return remove();
}

Result<void> MachineCommand::list() {
  std::vector<MachineInfo> machines;
  for (auto const& name : machine_names(context_.place))
    if (auto info = look_at_machine(world_, context_.place, name))
      machines.push_back(*std::move(info));
  if (context_.options.json) {
    fmt::print("{{\"machines\":{}}}\n", middleware::json_of(machines));
    return {};
  }
  if (machines.empty()) {
    fmt::print("no machine has a name here; next: mutirao boot IMAGE --name NAME\n");
    return {};
  }
  std::vector<std::vector<std::string>> rows{{"NAME", "STATE", "CPUS", "MEMORY", "RAN", "IMAGE"}};
  for (auto const& each : machines)
    rows.push_back({each.name, each.state, std::to_string(each.cpus),
                    base::format_bytes(each.memory_bytes), uptime_text(each.uptime_s),
                    printable(each.restored_from.empty() ? each.image : each.restored_from)});
  fmt::print("{}", table(rows));
  return {};
}

Result<void> MachineCommand::show() {
  auto const info = MUT_TRY(look());
  if (context_.options.json) {
    fmt::print("{{\"machine\":{}}}\n", middleware::json_of(info));
    return {};
  }
  fmt::print("machine {}, {}\n  image     {}\n  size      {} processors, {}\n  engine    {}\n",
             info.name, info.end.empty() ? info.state : info.state + ": " + printable(info.end),
             printable(info.image), info.cpus, base::format_bytes(info.memory_bytes), info.engine);
  if (!info.restored_from.empty())
    fmt::print("  restored  from {}\n", printable(info.restored_from));
  for (auto const& disk : info.disks)
    fmt::print("  disk      {}, {}\n", printable(disk.image),
               !disk.kept                      ? "what is written is not kept"
               : disk.written_to == disk.image ? "written in place"
                                               : "written to " + printable(disk.written_to));
  if (!info.vsock.empty()) fmt::print("  sockets   {}\n", printable(info.vsock));
  if (!info.isolation.empty()) fmt::print("  walls     {}\n", info.isolation);
  if (info.process_id != 0) fmt::print("  process   {}\n", info.process_id);
  fmt::print("  ran       {}, {} million instructions\n", uptime_text(info.uptime_s),
             info.instructions / 1'000'000);
  return {};
}

Result<MachineFolder> MachineCommand::running() {
  auto const info = MUT_TRY(look());
  if (info.state == "running") return MachineFolder::of(context_.place, info.name);
  return fail(Fault::unreachable, fmt::format("machine {} does not run: {}", info.name, info.end),
              fmt::format("mutirao boot --name {} ...", info.name));
}

Result<void> MachineCommand::console() {
  MachineClient machine{world_, MUT_TRY(running()).socket()};
  bool const types = !context_.options.watch;
  std::optional<RawTerminal> terminal;
  if (types) terminal.emplace();
  bool const leaves = terminal && terminal->changed();
  if (leaves && !context_.options.quiet)
    fmt::print(stderr, "Ctrl-] leaves the console; the machine goes on\r\n");
  auto const end = MUT_TRY(show_on_terminal(machine, {.types = types, .leaves = leaves}));
  terminal.reset();
  if (!context_.options.quiet)
    fmt::print(stderr, "\n{}\n",
               end == ConsoleEnd::left ? "left the console" : "the machine ended");
  return {};
}

Result<void> MachineCommand::stop() {
  auto const folder = MUT_TRY(running());
  MachineClient machine{world_, folder.socket()};
  auto const patience_s = context_.options.patience_s;
  MUT_TRY(machine.stop(patience_s));
  auto const end = threads::within(std::chrono::seconds{patience_s} + kStopMore);
  // The monitor ends first, and then its parent writes down how.
  auto info = MUT_TRY(look());
  for (; info.state != "ended" && !end.passed(threads::now()); info = MUT_TRY(look()))
    MUT_TRY(threads::sleep_for(kStopPause));
  if (info.state == "running")
    return fail(Fault::timed_out, "the machine was asked to end and has not yet");
  say("stopped", fmt::format("machine {} ended: {}", info.name, info.end));
  return {};
}

Result<void> MachineCommand::remove() {
  auto const info = MUT_TRY(look());
  if (info.state == "running")
    return fail(Fault::refused, fmt::format("machine {} runs", info.name),
                fmt::format("mutirao machine stop {}", info.name));
  MUT_TRY(MUT_TRY(MachineFolder::of(context_.place, info.name)).remove());
  say("removed", fmt::format("machine {} is forgotten", info.name));
  return {};
}

void MachineCommand::say(std::string const& key, std::string const& text) const {
  if (context_.options.json)
    fmt::print("{{\"{}\":{{\"name\":{}}}}}\n", key, node::json_string(context_.options.name));
  else if (!context_.options.quiet)
    fmt::print("{}\n", text);
}

}  // namespace

int command_machine(Context const& context) {
  return with_world_until_interrupted(
      context, false, [&](world::World& world) { return MachineCommand{context, world}.run(); });
}

}  // namespace mutirao::cli
