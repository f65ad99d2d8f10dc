#include <array>
#include <atomic>
#include <cstdio>
#include <optional>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/machine/block_qcow2.h"
#include "mutirao/machine/machine.h"
#include "mutirao/threads/blocking.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "process.h"
#include "report.h"
#include "terminal.h"
#include "text.h"

namespace mutirao::cli {
namespace {

using machine::MachineExit;

constexpr char kEscape = 0x1d;  // Ctrl-]
constexpr std::uint64_t kImageBytesMax = 2_GiB;
constexpr int kInputPoll_ms = 100;
constexpr Duration kInputFull = 10ms;

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
  if (none) return std::nullopt;
  if (options.deterministic)
    return fail(Fault::invalid, "what comes from a network is never the same twice",
                "leave out --deterministic, or the network");
  return network;
}

Result<machine::MachineOptions> machine_options(world::World& world, Context const& context) {
  auto const& options = context.options;
  std::vector<std::unique_ptr<machine::BlockSource>> disks;
  for (auto const& path : options.disks) {
    auto file = MUT_TRY(open_file(world, context, path, true));
    disks.push_back(MUT_TRY(machine::open_block_image(std::move(file), true)));
  }
  std::vector<machine::Share> shares;
  for (auto const& text : options.shares) {
    auto const share = MUT_TRY(machine::parse_share(text));
    auto const folder = absolute_path(share.folder, context.environment.working_folder);
    shares.push_back({MUT_TRY(world.disk().open_tree(folder)), share.tag, share.read_only});
  }
  return machine::MachineOptions{
      .memory_bytes = std::uint64_t{options.memory_mb} << 20,
      .cpus = options.cpus,
      .kernel = MUT_TRY(read_image(world, context, options.kernel)),
      .initrd = MUT_TRY(read_image(world, context, options.initrd)),
      .append = options.append,
      .firmware = MUT_TRY(read_image(world, context, options.firmware)),
      .disks = std::move(disks),
      .network = MUT_TRY(network_options(options)),
      .shares = std::move(shares),
      .engine = options.engine == "interp"  ? machine::Engine::interpreter
                : options.engine == "audit" ? machine::Engine::audit
                                            : machine::Engine::translator,
      .timebase = options.deterministic ? machine::Timebase::instructions : machine::Timebase::host,
      .seed = options.seed};
}

/// While it lives, what is typed goes through as it is: to the guest, Ctrl-C too.
class RawTerminal {
 public:
  RawTerminal() {
    if (!is_terminal(stdin) || tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    cfmakeraw(&raw);
    raw.c_oflag = before_.c_oflag;  // the guest's lines end as those of a program
    changed_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  ~RawTerminal() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  RawTerminal(RawTerminal const&) = delete;
  RawTerminal& operator=(RawTerminal const&) = delete;
  [[nodiscard]] bool changed() const noexcept { return changed_; }

 private:
  termios before_{};
  bool changed_ = false;
};

/// What there is on standard input; nothing at its end, empty when nothing came for a while.
std::optional<std::string> typed() {
  std::array<char, 1024> bytes;
  auto const got = threads::blocking([&]() -> ssize_t {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, kInputPoll_ms) <= 0) return -1;
    return ::read(STDIN_FILENO, bytes.data(), bytes.size());
  });
  if (got == 0) return std::nullopt;
  return std::string(bytes.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
}

/// Runs it with its console on the terminal.
MachineExit run_on_terminal(machine::Machine& machine, bool watch_for_escape) {
  MachineExit exit{};
  threads::scope work;
  std::atomic<bool> ended = false;
  work.spawn("machine",
             [&] {
               exit = machine.run();
               ended.store(true);
             },
             {.stack = threads::stack_size::large});
  threads::scope input;
  input.spawn("console",
              [&] {
                while (!ended.load()) {
                  auto text = typed();
                  if (!text) return;
                  auto const escape = watch_for_escape ? text->find(kEscape) : std::string::npos;
                  text->resize(std::min(text->size(), escape));
                  for (std::string_view left = *text; !left.empty() && !ended.load();) {
                    left.remove_prefix(machine.type(left));
                    if (!left.empty() && !threads::sleep_for(kInputFull)) return;
                  }
                  if (escape == std::string::npos) continue;
                  work.request_stop();
                  return;
                }
              },
              {.isolated = true});
  static_cast<void>(work.join());
  return exit;
}

std::string_view name_of(MachineExit::Kind kind) {
  switch (kind) {
    case MachineExit::Kind::powered_off:
      return "powered_off";
    case MachineExit::Kind::reset:
      return "reset";
    case MachineExit::Kind::diverged:
      return "diverged";
    default:
      return "left";
  }
}

int told_end(Context const& context, machine::Machine const& machine, MachineExit const& exit,
             Duration took) {
  auto const seconds = std::chrono::duration<double>(took).count();
  if (context.options.json)
    fmt::print(
        "{{\"machine\":{{\"ended\":\"{}\",\"code\":{},\"instructions\":{},\"seconds\":{:.3f}}}}}\n",
        name_of(exit.kind), exit.code, machine.instructions(), seconds);
  if (exit.kind == MachineExit::Kind::diverged)
    return report({Fault::corrupt, "the engines do not do the same: " + exit.what,
                   "a bug of ours: please report it with the command that you gave"},
                  context.options.json);
  if (exit.kind != MachineExit::Kind::powered_off) return kInterrupted;
  if (!context.options.quiet && !context.options.json)
    fmt::print(stderr,
               "the machine powered off with {} after {:.1f} s and {} million instructions\n",
               exit.code, seconds, machine.instructions() / 1'000'000);
  return static_cast<int>(std::min(exit.code, 255u));
}

int boot(world::World& world, Context const& context) {
  if (context.options.kernel.empty() && context.options.firmware.empty())
    return report({Fault::invalid, "nothing to boot", "mutirao boot --kernel FILE --initrd FILE"},
                  context.options.json);
  RawTerminal const terminal;
  if (terminal.changed() && !context.options.quiet)
    fmt::print(stderr, "Ctrl-] leaves the machine\r\n");
  auto const console = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  for (;;) {
    auto const started = threads::now();
    auto options = machine_options(world, context);
    if (!options) return report(options.error(), context.options.json);
    auto const machine = machine::Machine::create(*std::move(options), console, world);
    if (!machine) return report(machine.error(), context.options.json);
    auto const exit = run_on_terminal(**machine, terminal.changed());
    if (exit.kind == MachineExit::Kind::reset) continue;  // it asked to begin anew
    return told_end(context, **machine, exit, threads::now() - started);
  }
}

}  // namespace

int command_boot(Context const& context) {
  raise_open_file_limit();  // a shared folder holds each file that its guest knows
  return with_world([&](world::World& world) { return boot(world, context); });
}

}  // namespace mutirao::cli
