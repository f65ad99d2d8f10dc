#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/machine/machine.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/blocking.h"
#include "mutirao/threads/latch.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/signals.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/jail.h"
#include "mutirao/world/opened_socket.h"
#include "mutirao/world/real_world.h"

#include "commands.h"
#include "demo_file.h"
#include "interrupts.h"
#include "machine/boot_disks.h"
#include "machine/boot_loader.h"
#include "machine/machine_client.h"
#include "machine/machine_folder.h"
#include "machine/monitor.h"
#include "machine/monitor_report.h"
#include "machine/snapshot_command.h"
#include "machine/terminal_console.h"
#include "process.h"
#include "report.h"

namespace mutirao::cli {
namespace {

constexpr std::uint64_t kImageBytesMax = 2_GiB;
constexpr std::chrono::seconds kMonitorStartMax{60};
constexpr std::size_t kToldBytesMax = 64 << 10;
/// A machine that was left ends by itself in so long, or else by force.
constexpr std::chrono::seconds kLeaveMax{3};

Result<std::unique_ptr<world::File>> open_file(world::World& world, Context const& context,
                                               std::string const& path, bool writable) {
  auto const whole = absolute_path(path, context.environment.working_folder);
  auto const slash = whole.rfind('/');
  auto const folder =
      MUT_TRY(world.disk().open_directory(slash == 0 ? "/" : whole.substr(0, slash), false));
  return folder->open(whole.substr(slash + 1), {.writable = writable});
}

/// All of a file.
Result<Bytes> read_image(world::World& world, Context const& context, std::string const& path) {
  if (path.empty()) return Bytes{};
  auto const file = MUT_TRY(open_file(world, context, path, false));
  auto const size = MUT_TRY(file->info()).size;
  if (size > kImageBytesMax)
    return fail(Fault::exhausted, fmt::format("{} has {}", path, base::format_bytes(size)),
                fmt::format("give at most {}", base::format_bytes(kImageBytesMax)));
  Bytes bytes(size);
  MUT_TRY(file->read_exactly(0, bytes));
  return bytes;
}

/// No card at all for a machine that reaches nothing and is reached by nobody.
Result<std::optional<machine::NetworkOptions>> network_options(Options const& options) {
  machine::NetworkOptions network{.reach = MUT_TRY(machine::parse_reach(options.network))};
  for (auto const& text : options.allowed)
    network.allowed.push_back(MUT_TRY(machine::parse_allowed(text)));
  for (auto const& text : options.published)
    network.published.push_back(MUT_TRY(machine::parse_published(text)));
  bool const none = network.reach == machine::NetworkOptions::Reach::nothing &&
                    network.allowed.empty() && network.published.empty();
  if (options.deterministic && !none)
    return fail(Fault::invalid, "what comes from outside is never the same twice",
                "leave out --deterministic, or the network");
  if (none) return std::nullopt;
  return network;
}

/// The image, and then the disks, as they are asked for, with absolute paths.
Result<std::vector<DiskText>> disk_texts(Context const& context) {
  auto texts = context.options.disks;
  if (!context.options.image.empty()) texts.insert(texts.begin(), context.options.image);
  std::vector<DiskText> disks;
  for (auto const& text : texts) {
    auto disk = MUT_TRY(parse_disk(text));
    for (auto* const path : {&disk.image, &disk.overlay})
      if (!path->empty()) *path = absolute_path(*path, context.environment.working_folder);
    disks.push_back(std::move(disk));
  }
  return disks;
}

Result<std::vector<OpenedDisk>> open_disks(world::World& world, Context const& context,
                                           MachineFolder const& folder) {
  std::vector<OpenedDisk> disks;
  for (auto const& text : MUT_TRY(disk_texts(context))) {
    auto const temporary =
        context.options.snapshot ? folder.disk_overlay(disks.size()) : std::string{};
    disks.push_back(MUT_TRY(open_disk(world, text, temporary)));
  }
  return disks;
}

/// Puts them into `parts`, and tells of them there.
void add_disks(std::vector<OpenedDisk> disks, MonitorParts& parts) {
  for (auto& disk : disks) {
    parts.options.disks.push_back(std::move(disk.source));
    parts.info.disks.push_back(std::move(disk.info));
    std::ranges::move(disk.locks, std::back_inserter(parts.locks));
  }
}

Result<Bytes> read_loader(world::World& world, Context const& context) {
  auto read = read_image(world, context, MUT_TRY(loader_of(context.options)));
  if (!read) return std::unexpected{no_loader(context.options, std::move(read).error())};
  return read;
}

/// All but its disks and sockets.
Result<machine::MachineOptions> machine_options(world::World& world, Context const& context) {
  auto const& options = context.options;
  bool const boots = options.restored_from.empty();
  auto const image = [&](std::string const& path) {
    return read_image(world, context, boots ? path : "");
  };
  std::vector<machine::Share> shares;
  for (auto const& text : options.shares) {
    auto const share = MUT_TRY(machine::parse_share(text));
    auto const folder = absolute_path(share.folder, context.environment.working_folder);
    shares.push_back({MUT_TRY(world.disk().open_tree(folder)), share.tag, share.read_only});
  }
  return machine::MachineOptions{
      .memory_bytes = std::uint64_t{options.memory_mb} << 20,
      .cpus = options.cpus,
      .kernel = MUT_TRY(image(options.kernel)),
      .initrd = MUT_TRY(image(options.initrd)),
      .append = options.append,
      .firmware = MUT_TRY(image(options.firmware)),
      .loader = boots ? MUT_TRY(read_loader(world, context)) : Bytes{},
      .network = MUT_TRY(network_options(options)),
      .shares = std::move(shares),
      .engine = options.engine == "interp"  ? machine::Engine::interpreter
                : options.engine == "audit" ? machine::Engine::audit
                                            : machine::Engine::translator,
      .timebase = options.deterministic ? machine::Timebase::instructions : machine::Timebase::host,
      .seed = options.seed};
}

MachineInfo machine_info(world::World& world, Context const& context, std::string name) {
  auto const& options = context.options;
  auto const image = !options.kernel.empty()  ? options.kernel
                     : !options.image.empty() ? parse_disk(options.image).value_or(DiskText{}).image
                     : !options.loader.empty() ? options.loader
                                               : options.firmware;
  return {.name = std::move(name),
          .state = "running",
          .cpus = options.cpus,
          .memory_bytes = std::uint64_t{options.memory_mb} << 20,
          .image = absolute_path(image, context.environment.working_folder),
          .engine = options.engine,
          .isolation = {},
          .started_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                            world.clock().civil().time_since_epoch())
                            .count(),
          .end = {},
          .disks = {},
          .vsock = {},
          .restored_from = options.restored_from};
}

/// None for a machine that boots.
Result<std::unique_ptr<world::File>> open_snapshot_of(world::World& world, Context const& context) {
  auto const& path = context.options.restored_from;
  return path.empty() ? nullptr : open_file(world, context, path, false);
}

/// A pipe by which the monitor tells its parent how it goes.
struct ReportPipe {
  int ends[2] = {-1, -1};
  ReportPipe() { MUT_ASSERT(::pipe(ends) == 0); }
  ~ReportPipe() {
    close_writer();
    ::close(ends[0]);
  }
  ReportPipe(ReportPipe const&) = delete;
  ReportPipe& operator=(ReportPipe const&) = delete;
  void close_writer() noexcept {
    if (ends[1] >= 0) ::close(std::exchange(ends[1], -1));
  }
};

/// One life of a machine, from power on to its end: its process, and what this one does meanwhile.
class Boot {
 public:
  /// `ready` is where a detached machine tells that it begins, and -1 once it has told.
  Boot(Context const& context, MachineFolder const& folder, int& ready)
      : context_{context}, folder_{folder}, ready_{ready} {}

  /// With its console on the terminal, or with none. While this process has one thread.
  Result<MachineEnd> run(bool shows_console, bool leaves, threads::signal_set& signals);

 private:
  Result<MonitorParts> prepare(world::OpenedSocket socket, std::int64_t parent);
  Result<void> follow(world::World& world, bool shows_console, bool leaves);
  void read_reports();
  void end_by_hand(MachineClient& machine);

  Context const& context_;
  MachineFolder const& folder_;
  int& ready_;
  ReportPipe report_;
  std::optional<Process> process_;
  std::string told_;
};

/// Opens all that the machine will ever have, and writes down that it begins. In the monitor,
/// before there are walls.
Result<MonitorParts> Boot::prepare(world::OpenedSocket socket, std::int64_t parent) {
  std::optional<Result<MonitorParts>> parts;
  with_world([&](world::World& world) {
    parts.emplace([&]() -> Result<MonitorParts> {
      // First: that an image is not there is said rather than that nothing could start it.
      auto disks = MUT_TRY(open_disks(world, context_, folder_));
      MonitorParts made{.options = MUT_TRY(machine_options(world, context_)),
                        .snapshot = MUT_TRY(open_snapshot_of(world, context_)),
                        .info = machine_info(world, context_, folder_.name()),
                        .socket = std::move(socket),
                        .locks = {},
                        .report = report_.ends[1],
                        .parent = parent,
                        .must_be_isolated = context_.options.isolation == "required"};
      add_disks(std::move(disks), made);
      if (context_.options.vsock) {
        MUT_TRY(folder_.make_vsock_folder());
        made.options.vsock = made.info.vsock = folder_.vsock();
      }
      auto const note = note_of(context_.options, context_.environment.working_folder);
      MUT_TRY(folder_.begin(world, made.info, note));
      return made;
    }());
    return 0;
  });
  return *std::move(parts);
}

Result<MachineEnd> Boot::run(bool shows_console, bool leaves, threads::signal_set& signals) {
  MUT_TRY(folder_.make());
  {
    auto socket = MUT_TRY(world::OpenedSocket::listen_local(folder_.socket()));
    auto const parent = ::getpid();
    process_.emplace(MUT_TRY(Process::copy([&] {
      ::close(report_.ends[0]);
      if (ready_ >= 0) ::close(ready_);
      auto parts = prepare(std::move(socket), parent);
      if (parts) return run_monitor(*std::move(parts));
      auto const told = node::to_json(parts.error());
      static_cast<void>(!::write(report_.ends[1], told.data(), told.size()));
      return static_cast<int>(kFailed);
    })));
  }
  report_.close_writer();
  base::StderrLog log{log_level(base::LogLevel::warning)};
  Result<MachineEnd> end = fail(Fault::cancelled, "interrupted");
  threads::runtime runtime;
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    Interrupts interrupts{signals};
    auto const followed = interrupts.run([&] { return follow(*world, shows_console, leaves); });
    auto const code = threads::blocking([&] {
      if (!followed) process_->kill();
      return process_->wait(kLeaveMax).value_or(kFailed);
    });
    end = followed ? end_told(told_, code) : std::unexpected{followed.error()};
    if (interrupts.interrupted()) end = MachineEnd{.ended = "left"};
    if (end) static_cast<void>(folder_.write_end(*world, *end));
  });
  std::error_code none;
  std::filesystem::remove(folder_.socket(), none);
  return end;
}

/// Until the monitor has closed its end of the pipe: it ended. However much it tells, the last of
/// it is what counts.
void Boot::read_reports() {
  for (;;) {
    std::array<char, 4096> bytes;
    auto const got =
        threads::blocking([&] { return ::read(report_.ends[0], bytes.data(), bytes.size()); });
    if (got <= 0) return;
    told_.append(bytes.data(), static_cast<std::size_t>(got));
    if (ready_ >= 0 && told_.starts_with("ready\n")) tell_ready(std::exchange(ready_, -1), nullptr);
    if (told_.size() > kToldBytesMax) told_.erase(0, told_.size() - kToldBytesMax);
  }
}

void Boot::end_by_hand(MachineClient& machine) {
  static_cast<void>(machine.stop(0));
  if (!threads::blocking([&] { return process_->wait(kLeaveMax); })) process_->kill();
}

Result<void> Boot::follow(world::World& world, bool shows_console, bool leaves) {
  threads::scope reports;
  threads::latch ended{1};
  reports.spawn("reports", [&] {
    read_reports();
    ended.count_down();
  });
  if (shows_console) {
    MachineClient machine{world, folder_.socket()};
    auto const shown = show_on_terminal(machine, {.types = true, .leaves = leaves});
    if (shown && *shown == ConsoleEnd::left) end_by_hand(machine);
    // Nobody could reach a machine whose console is lost.
    if (!shown && !ended.wait(threads::within(kLeaveMax))) process_->kill();
  }
  // Who is asked to stop takes the monitor along; only then its reports end.
  if (!ended.wait()) process_->kill();
  return reports.join();
}

int told_end(Context const& context, MachineEnd const& end) {
  if (context.options.json) fmt::print("{{\"machine\":{}}}\n", middleware::json_of(end));
  if (end.ended == "diverged")
    return report({Fault::corrupt, "the engines do not do the same: " + end.what,
                   "a bug of ours: please report it with the command that you gave"},
                  false);
  if (end.ended == "violated" || end.ended == "killed") {
    report({Fault::io, end.what,
            end.ended == "violated"
                ? "the guest has found a fault of ours: please report it with the image"
                : ""},
           false);
    return end.ended == "violated" ? static_cast<int>(kViolated) : static_cast<int>(kFailed);
  }
  if (end.ended == "saved") {
    if (!context.options.quiet && !context.options.json)
      fmt::print(stderr, "the machine is saved; it goes on with: mutirao machine restore {}\n",
                 end.what);
    return kDone;
  }
  if (end.ended != "powered_off") return kInterrupted;
  if (!context.options.quiet && !context.options.json)
    fmt::print(stderr,
               "the machine powered off with {} after {:.1f} s and {} million instructions\n",
               end.code, end.seconds, end.instructions / 1'000'000);
  return static_cast<int>(std::min(end.code, 255u));
}

/// In this process and its monitor, until the machine ends.
int boot_here(Context context, MachineFolder const& folder) {
  threads::signal_set signals{SIGINT, SIGTERM};
  int ready = context.options.ready_fd;
  bool const shows_console = ready < 0;
  std::optional<RawTerminal> terminal;
  if (shows_console) terminal.emplace();
  bool const leaves = terminal && terminal->changed();
  if (leaves && !context.options.quiet) fmt::print(stderr, "Ctrl-] leaves the machine\r\n");
  folder.remove_disk_overlays();
  for (;;) {
    auto const end = Boot{context, folder, ready}.run(shows_console, leaves, signals);
    if (end && end->ended == "reset") {  // it asked to begin anew
      context.options.restored_from.clear();
      continue;
    }
    folder.remove_disk_overlays();
    terminal.reset();
    if (end) return told_end(context, *end);
    tell_ready(ready, &end.error());
    return report(end.error(), context.options.json);
  }
}

/// The words that boot or restore the same machine in the background.
std::vector<std::string> words_of(Context const& context) {
  auto const& options = context.options;
  bool const boots = options.restored_from.empty();
  std::vector<std::string> words{"boot"};
  if (!boots) words = {"machine", "restore", options.restored_from};
  words.insert(words.end(), {"--state", context.place.state_folder});
  auto const add = [&](char const* flag, std::string const& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  auto const add_file = [&](char const* flag, std::string const& path) {
    add(flag, path.empty() ? "" : absolute_path(path, context.environment.working_folder));
  };
  auto const whole_disk = [&](std::string const& text) {
    auto const disk = parse_disk(text);
    if (!disk) return text;  // and it is refused there
    auto const whole = absolute_path(disk->image, context.environment.working_folder);
    return disk->overlay.empty()
               ? whole
               : whole +
                     ",overlay=" + absolute_path(disk->overlay, context.environment.working_folder);
  };
  if (boots) {
    add_file("--loader", options.loader);
    add_file("--kernel", options.kernel);
    add_file("--initrd", options.initrd);
    add_file("--firmware", options.firmware);
    add("--append", options.append);
    add("--cpus", std::to_string(options.cpus));
    add("--memory", std::to_string(options.memory_mb));
    if (options.snapshot) words.push_back("--snapshot");
    if (options.vsock) words.push_back("--vsock");
  } else if (!options.image.empty()) {
    add("--disk", whole_disk(options.image));
  }
  for (auto const& disk : options.disks) add("--disk", whole_disk(disk));
  for (auto const& share : options.shares) add_file("--share", share);  // a tag has no slash
  add("--name", options.name);
  add("--engine", options.engine);
  add("--isolation", options.isolation);
  add("--network", options.network);
  for (auto const& each : options.allowed) add("--allow", each);
  for (auto const& each : options.published) add("--publish", each);
  if (boots && options.deterministic) {
    words.push_back("--deterministic");
    add("--seed", std::to_string(options.seed));
  }
  if (boots && !options.image.empty()) words.push_back(whole_disk(options.image));
  return words;
}

int boot_detached(Context const& context, MachineFolder const& folder) {
  if (auto const made = folder.make(); !made) return report(made.error(), context.options.json);
  auto process = Process::start(
      {.arguments = words_of(context), .log_file = folder.log_file(), .detached = true});
  auto const ready = process ? process->wait_ready(kMonitorStartMax) : Result<void>{};
  if (!process) return report(process.error(), context.options.json);
  if (!ready) return report(ready.error(), context.options.json);
  auto const& name = context.options.name;
  if (context.options.json)
    fmt::print("{{\"{}\":{{\"name\":{},\"process_id\":{}}}}}\n",
               context.options.restored_from.empty() ? "booted" : "restored",
               node::json_string(name), process->id());
  else if (!context.options.quiet)
    fmt::print(
        "machine {} runs in the background (process {})\nnext: mutirao machine console {}; "
        "mutirao machine stop {}\n",
        name, process->id(), name, name);
  return kDone;
}

/// What can be said before anything is opened.
Result<void> check(Context const& context) {
  auto const& options = context.options;
  if (options.restored_from.empty()) MUT_TRY(loader_of(options));
  MUT_TRY(disk_texts(context));
  if (options.vsock && options.name.empty())
    return fail(Fault::invalid, "virtio sockets are found by the name of their machine",
                "mutirao boot --vsock --name NAME ...");
  if (options.vsock && options.deterministic)
    return fail(Fault::invalid, "what comes from outside is never the same twice",
                "leave out --deterministic, or --vsock");
  return {};
}

/// Refuses the name of a machine that runs.
Result<MachineFolder> folder_of(Context const& context, std::string const& name) {
  auto const folder = MUT_TRY(MachineFolder::of(context.place, name));
  bool const runs = with_world([&](world::World& world) {
                      return MachineClient{world, folder.socket()}.is_there() ? 1 : 0;
                    }) == 1;
  if (runs)
    return fail(Fault::refused, fmt::format("a machine called {} runs already", name),
                fmt::format("mutirao machine console {0}; mutirao machine stop {0}", name));
  return folder;
}

}  // namespace

int command_boot(Context const& context) {
  auto const& options = context.options;
  raise_open_file_limit();  // a shared folder holds each file that its guest knows
  // Or the machine would have open what somebody forgot to close.
  close_inherited(options.ready_fd);
  raise_open_file_limit();  // a shared folder holds each file that its guest knows
  if (auto const wrong = check(context); !wrong) return report(wrong.error(), options.json);
  if (!options.name.empty()) {
    auto const folder = folder_of(context, options.name);
    if (!folder) return report(folder.error(), options.json);
    return options.detach ? boot_detached(context, *folder) : boot_here(context, *folder);
  }
  if (options.detach)
    return report({Fault::invalid, "a machine in the background needs a name",
                   "mutirao boot --detach --name NAME ..."},
                  options.json);
  auto const folder = TemporaryFolder::make("mutirao-boot-", false);
  if (!folder) return report(folder.error(), options.json);
  return boot_here(context, MachineFolder{folder->path()});
}

int command_machine_restore(Context const& context) {
  std::optional<Result<Context>> restored;
  with_world([&](world::World& world) {
    restored.emplace(restored_context(context, world));
    return 0;
  });
  return *restored ? command_boot(**restored) : report(restored->error(), context.options.json);
}

}  // namespace mutirao::cli
