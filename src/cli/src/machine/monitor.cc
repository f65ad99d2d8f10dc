#include "machine/monitor.h"

#include <atomic>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/base/log.h"
#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/json_values.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/blocking.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/jail.h"
#include "mutirao/world/real_world.h"

#include "environment.h"
#include "machine/console_log.h"
#include "machine/machine_run.h"
#include "process.h"
#include "report.h"

namespace mutirao::cli {
namespace {

using machine::MachineExit;
using world::jail::Calls;

/// What a machine needs of the kernel once all that it uses is open: more with a network, whose
/// names are looked up with the help of a few files, with shared folders, and with virtio sockets.
std::vector<Calls> calls_of_a_machine(machine::MachineOptions const& options, bool files_left) {
  std::vector calls{Calls::compute, Calls::code, Calls::files, Calls::streams};
  if (options.network) calls.push_back(Calls::network);
  if (options.network && files_left) calls.push_back(Calls::names);
  if (!options.shares.empty()) calls.push_back(Calls::folders);
  if (!options.vsock.empty()) calls.push_back(Calls::local);
  return calls;
}
std::vector<std::string> files_of_a_machine(bool network) {
  if (!network) return {};
  return {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf"};
}
constexpr std::string_view kNoFiles = "no files";

/// Magic SysRq: sync, remount read-only, power off. Each is done a moment after it was asked for.
constexpr std::string_view kEndInOrder = "suo";
constexpr Duration kBetweenRequests = 500ms;

/// So long those who look may take for the last lines.
constexpr Duration kLastLook = 2s;
/// While a machine that is saved waits for its end.
constexpr Duration kBetweenLooks = 100ms;

void tell_parent(int report, std::string text) {
  text += '\n';
  threads::blocking([&] { return ::write(report, text.data(), text.size()); });
}

/// A wall that can't be built is said once, or is the end.
Result<void> wall(Result<void> built, bool must, MachineInfo& info, std::string_view name) {
  if (built) {
    info.isolation += (info.isolation.empty() ? "" : ", ") + std::string{name};
    return {};
  }
  if (must) return std::unexpected{std::move(built).error()};
  fmt::print(stderr, "note: the machine runs without this wall: {}\n", built.error().what);
  if (!built.error().mend.empty()) fmt::print(stderr, "try: {}\n", built.error().mend);
  return {};
}

std::string_view name_of_end(MachineExit::Kind kind) {
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

machine::RestoreOptions restore_options(machine::MachineOptions options) {
  return {.disks = std::move(options.disks),
          .network = std::move(options.network),
          .shares = std::move(options.shares),
          .vsock = std::move(options.vsock),
          .engine = options.engine};
}

class Monitor {
 public:
  Monitor(MonitorParts& parts, world::World& world)
      : parts_{parts}, world_{world}, broker_{world, {.name = "machine"}} {}

  /// Until the machine has ended.
  Result<void> run();

 private:
  Result<void> make_machine();
  std::shared_ptr<middleware::Servant> servant();
  [[nodiscard]] MachineInfo status() const;
  Result<void> show_console(ConsoleRequest request, middleware::Yield<Bytes>& yield);
  Result<std::uint64_t> type(std::uint64_t client, Bytes const& bytes);
  void stop(std::uint32_t patience_s);
  Result<void> save(SnapshotRequest const& request, middleware::Yield<SnapshotPiece>& yield);

  MonitorParts& parts_;
  world::World& world_;
  ConsoleLog console_;
  std::unique_ptr<machine::Machine> machine_;
  TimePoint began_ = threads::now();
  std::atomic<unsigned> looking_{0};
  std::atomic<bool> ended_{false};
  std::unique_ptr<world::Listener> listener_;
  middleware::Broker broker_;
  MachineRun running_;
  std::string saved_to_;   // if that is its end
  threads::scope others_;  // ends first
};

Result<void> Monitor::make_machine() {
  bool const must = parts_.must_be_isolated;
  auto& info = parts_.info;
  // Before it looks into what a stranger made: the kernel, and then all that the guest does.
  auto const calls = calls_of_a_machine(parts_.options, info.isolation.starts_with(kNoFiles));
  MUT_TRY(wall(world::jail::allow_only(calls, parts_.report), must, info, "system calls filtered"));
  auto const console = [this](std::string_view text) { console_.append(text); };
  machine_ = parts_.snapshot
                 ? MUT_TRY(machine::Machine::restore(std::move(parts_.snapshot),
                                                     restore_options(std::move(parts_.options)),
                                                     console, world_))
                 : MUT_TRY(machine::Machine::create(std::move(parts_.options), console, world_));
  return wall(world::jail::allow_no_new_code(), must, info, "no new code");
}

std::shared_ptr<middleware::Servant> Monitor::servant() {
  using middleware::on;
  return middleware::servant<MachineObject>(
      on<&MachineObject::status>([this] { return status(); }),
      on<&MachineObject::console>([this](ConsoleRequest request, middleware::Yield<Bytes>& yield) {
        return show_console(request, yield);
      }),
      on<&MachineObject::type>(
          [this](std::uint64_t client, Bytes const& bytes) { return type(client, bytes); }),
      on<&MachineObject::stop>([this](std::uint32_t patience_s) { stop(patience_s); }),
      on<&MachineObject::snapshot>(
          [this](SnapshotRequest const& request, middleware::Yield<SnapshotPiece>& yield) {
            return save(request, yield);
          }));
}

MachineInfo Monitor::status() const {
  auto info = parts_.info;
  info.process_id = ::getpid();
  info.uptime_s = std::chrono::duration<double>(threads::now() - began_).count();
  info.instructions = machine_->instructions();
  return info;
}

Result<void> Monitor::show_console(ConsoleRequest request, middleware::Yield<Bytes>& yield) {
  std::optional<ConsoleLog::Keyboard> keyboard;
  if (request.types)
    keyboard.emplace(MUT_TRY(ConsoleLog::Keyboard::take(console_, request.client)));
  struct Looking {
    std::atomic<unsigned>& count;
    explicit Looking(std::atomic<unsigned>& c) : count{c} { ++count; }
    ~Looking() { --count; }
  } const looking{looking_};
  if (!yield(Bytes{})) return {};  // it has what it asked for
  ConsoleLog::Reader reader{console_};
  for (;;) {
    auto const text = MUT_TRY(reader.next(Deadline::never()));
    if (!text) return {};
    if (!yield(Bytes{text->begin(), text->end()})) return {};  // nobody looks any more
  }
}

Result<std::uint64_t> Monitor::type(std::uint64_t client, Bytes const& bytes) {
  if (!console_.may_type(client))
    return fail(Fault::refused, "somebody else has the keyboard of this machine");
  return machine_->type({reinterpret_cast<char const*>(bytes.data()), bytes.size()});
}

/// What a power button does on a board whose guest listens to none: the guest's kernel writes its
/// disks, and powers off.
void Monitor::stop(std::uint32_t patience_s) {
  if (patience_s == 0) return running_.end();
  others_.spawn("stop", [this, patience_s] {
    auto const end = threads::within(std::chrono::seconds{patience_s});
    for (std::string_view keys = kEndInOrder; !ended_.load() && !end.passed(threads::now());) {
      if (!keys.empty()) machine_->system_request(keys.front());
      keys.remove_prefix(std::min<std::size_t>(keys.size(), 1));
      if (!threads::sleep_for(kBetweenRequests)) return;
    }
    running_.end();
  });
}

/// The bytes go to whoever asks: this process can make no file.
Result<void> Monitor::save(SnapshotRequest const& request,
                           middleware::Yield<SnapshotPiece>& yield) {
  auto const hand_over = [&](SnapshotPiece const& piece) -> Result<void> {
    if (yield(piece)) return {};
    return fail(Fault::closed, "nobody takes the snapshot any more");
  };
  return running_.rest([&]() -> Result<void> {
    MUT_TRY(machine_->save([&](std::uint64_t at, ByteView bytes) {
      return hand_over({.offset = at, .bytes = {bytes.begin(), bytes.end()}});
    }));
    MUT_TRY(hand_over({.last = true}));
    if (!request.ends) return {};
    // Whoever lets it end may hear nothing more of it then.
    while (!running_.ending()) {
      auto waits = hand_over({});
      if (waits) waits = threads::sleep_for(kBetweenLooks);
      if (!waits && !running_.ending()) return waits;
    }
    saved_to_ = request.file;
    return {};
  });
}

Result<void> Monitor::run() {
  MUT_TRY(make_machine());
  MUT_TRY(broker_.objects().add(std::string{MachineObject::kName}, servant()));
  listener_ = std::move(parts_.socket).listener();
  others_.spawn("control", [this] { static_cast<void>(broker_.serve(*listener_)); },
                {.isolated = true});
  tell_parent(parts_.report, "ready");
  began_ = threads::now();
  MachineExit const exit = running_.run(*machine_);
  ended_.store(true);
  console_.close();
  auto const until = threads::within(kLastLook);
  while (looking_.load() > 0 && !until.passed(threads::now()))
    if (!threads::sleep_for(5ms)) break;
  bool const saved = !saved_to_.empty();
  MachineEnd const end{.ended = saved ? "saved" : std::string{name_of_end(exit.kind)},
                       .code = exit.code,
                       .instructions = machine_->instructions(),
                       .seconds = std::chrono::duration<double>(threads::now() - began_).count(),
                       .what = saved ? saved_to_ : exit.what};
  tell_parent(parts_.report, middleware::json_of(end));
  return {};
}

/// What has to be done while there is one thread.
Result<void> go_behind_walls(MonitorParts& parts) {
  bool const must = parts.must_be_isolated;
  auto const kept = files_of_a_machine(parts.options.network.has_value());
  // Sockets of others, which the guest calls, are found in the folder of its own.
  auto const& vsock = parts.options.vsock;
  std::vector<std::string> folders;
  if (!vsock.empty()) folders.push_back(vsock.substr(0, vsock.rfind('/')));
  MUT_TRY(wall(world::jail::leave_files(kept, folders), must, parts.info, kNoFiles));
  if (!vsock.empty() && !parts.options.network)
    MUT_TRY(wall(world::jail::leave_network(), must, parts.info, "no network"));
  MUT_TRY(wall(world::jail::give_up_privileges(), must, parts.info, "no privileges"));
  die_with(parts.parent);  // the change of privileges made it forget
  return {};
}

}  // namespace

int run_monitor(MonitorParts parts) {
  base::StderrLog log{log_level(base::LogLevel::warning)};
  Result<void> ran = go_behind_walls(parts);
  // No ring: what is asked for through it passes no filter.
  threads::runtime runtime{{.use_io_uring = false, .report_deadlock = false}};
  runtime.run([&] {
    if (ran) {
      auto const world = world::make_real_world(log);
      ran = Monitor{parts, *world}.run();
    }
    if (!ran) tell_parent(parts.report, node::to_json(ran.error()));
  });
  return ran ? kDone : kFailed;
}

}  // namespace mutirao::cli
