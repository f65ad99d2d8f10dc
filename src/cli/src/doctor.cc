#include <chrono>
#include <cstdio>

#include "mutirao/base/units.h"
#include "mutirao/node/json.h"
#include "mutirao/swarm/hash.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "process.h"
#include "report.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr std::uint64_t kFreeBytesWarn = 1'000'000'000;
constexpr std::uint64_t kOpenFilesWarn = 4096;
constexpr Duration kDoctorAnswer = 5s;
constexpr char kProbeFile[] = "doctor.probe";

struct Check {
  enum class Verdict { ok, warn, fail } verdict;
  std::string name;
  std::string found;
  std::string mend;
};
using Verdict = Check::Verdict;

std::string_view to_string(Verdict verdict) noexcept {
  return verdict == Verdict::ok ? "ok" : verdict == Verdict::warn ? "warn" : "fail";
}

Check check_files() {
  auto const info = threads::this_runtime_info();
  bool const ring = info.files.starts_with("io_uring");
  return {ring ? Verdict::ok : Verdict::warn, "file engine", info.files,
          ring ? ""
               : "allow io_uring (sysctl kernel.io_uring_disabled=0, no seccomp filter); files "
                 "work without it, slower"};
}

Check check_guard() {
  auto const info = threads::this_runtime_info();
  return {info.guard == "canary" ? Verdict::warn : Verdict::ok, "stack guard",
          fmt::format("{}, {} processors", info.guard, info.processors),
          info.guard == "canary" ? "raise vm.max_map_count" : ""};
}

Check check_clock(world::World& world) {
  // A clock before the program was written breaks certificates and file dates.
  auto const year =
      std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(world.clock().civil())}
          .year();
  bool const sane = year >= std::chrono::year{2024};
  return {sane ? Verdict::ok : Verdict::fail, "clock",
          fmt::format("the year is {}", static_cast<int>(year)),
          sane ? "" : "set the clock: timedatectl set-ntp true"};
}

Check check_state(world::World& world, std::string const& path) {
  auto folder = world.disk().open_directory(path, true);
  Result<void> wrote{};
  if (!folder)
    wrote = std::unexpected{folder.error()};
  else if (auto file =
               (*folder)->open(kProbeFile, {.writable = true, .create = true, .truncate = true});
           !file)
    wrote = std::unexpected{file.error()};
  else
    wrote = (*file)->write_at(0, base::view_of("probe"));
  if (!wrote)
    return {Verdict::fail, "state folder", wrote.error().what,
            "make it writable, or choose another: mutirao --state DIR ..."};
  (void)(*folder)->remove(kProbeFile);
  return {Verdict::ok, "state folder", path + " can be written", ""};
}

Check check_space(world::World& world, std::string const& path) {
  auto folder = world.disk().open_directory(path, false);
  auto const space = folder ? (*folder)->space() : std::unexpected{folder.error()};
  if (!space) return {Verdict::fail, "free space", space.error().what, ""};
  bool const little = space->free_bytes < kFreeBytesWarn;
  return {little ? Verdict::warn : Verdict::ok, "free space",
          fmt::format("{} of {} free in {}", base::format_bytes(space->free_bytes),
                      base::format_bytes(space->total_bytes), path),
          little ? "make room, or download elsewhere: mutirao get -o DIR ..." : ""};
}

Check check_open_files() {
  auto const limit = raise_open_file_limit();
  bool const few = limit.now < kOpenFilesWarn;
  return {few ? Verdict::warn : Verdict::ok, "open files", fmt::format("up to {}", limit.now),
          few ? "raise the hard limit: ulimit -Hn 65536, or LimitNOFILE= of the service" : ""};
}

Check check_node(Context const& context, world::World& world, bool& runs) {
  auto const status =
      node::ControlClient{world, context.place.control()}.status(threads::within(kDoctorAnswer));
  runs = status.has_value();
  if (runs)
    return {Verdict::ok, "node",
            fmt::format("process {} answers, listens on {}", status->process_id, status->listen),
            ""};
  return {Verdict::warn, "node", status.error().what,
          "mutirao up --detach; share and get start it as well"};
}

Check check_port(world::World& world, bool node_runs) {
  auto const wanted = world::Endpoint{world::IpAddress::any(), node::kDefaultPort};
  auto listener = world.network().listen(wanted);
  if (listener) return {Verdict::ok, "port", fmt::format("{} is free", wanted.to_string()), ""};
  if (node_runs)
    return {Verdict::ok, "port", fmt::format("{} is taken while a node runs", wanted.to_string()),
            ""};
  return {Verdict::warn, "port", listener.error().what,
          "a node takes the next free port; or name one: mutirao up --listen :6890"};
}

Check check_ipv6(world::World& world) {
  auto listener = world.network().listen({*world::IpAddress::parse("::1"), 0});
  if (listener) return {Verdict::ok, "IPv6", "works on this host", ""};
  return {Verdict::warn, "IPv6", listener.error().what,
          "IPv4 is enough for most networks; enable IPv6 for peers that have nothing else"};
}

Check check_addresses(world::World& world) {
  auto const addresses = world.network().local_addresses();
  std::string list;
  bool beyond_loopback = false;
  if (addresses)
    for (auto const& address : *addresses) {
      beyond_loopback = beyond_loopback || !address.is_loopback();
      list += (list.empty() ? "" : ", ") + address.to_string();
    }
  if (!addresses) return {Verdict::fail, "addresses", addresses.error().what, ""};
  return {beyond_loopback ? Verdict::ok : Verdict::warn, "addresses", list,
          beyond_loopback ? "" : "only this machine is reachable: connect it to a network"};
}

std::string to_json(std::vector<Check> const& checks, bool well) {
  // The node's encoder makes a safe string of any text.
  std::string items;
  for (auto const& check : checks)
    items += fmt::format("{}{{\"name\":{},\"verdict\":{},\"found\":{},\"mend\":{}}}",
                         items.empty() ? "" : ",", node::json_string(check.name),
                         node::json_string(to_string(check.verdict)),
                         node::json_string(check.found), node::json_string(check.mend));
  return fmt::format("{{\"checks\":[{}],\"well\":{}}}", items, well);
}

}  // namespace

int command_doctor(Context const& context) {
  return with_world([&](world::World& world) {
    bool node_runs = false;
    std::vector<Check> checks;
    checks.push_back(check_node(context, world, node_runs));
    checks.push_back(check_port(world, node_runs));
    checks.push_back(check_addresses(world));
    checks.push_back(check_ipv6(world));
    checks.push_back(check_state(world, context.place.state_folder));
    checks.push_back(check_space(world, context.environment.working_folder));
    checks.push_back(check_open_files());
    checks.push_back(check_files());
    checks.push_back(check_guard());
    checks.push_back({Verdict::ok, "hash engine", std::string{swarm::hash_engine()}, ""});
    checks.push_back(check_clock(world));
    bool well = true;
    for (auto const& check : checks) well = well && check.verdict != Verdict::fail;
    if (context.options.json) {
      fmt::print("{}\n", to_json(checks, well));
    } else {
      for (auto const& check : checks) {
        fmt::print("{:<5}{:<14}{}\n", to_string(check.verdict), check.name, printable(check.found));
        if (!check.mend.empty()) fmt::print("     {:<14}try: {}\n", "", check.mend);
      }
    }
    return static_cast<int>(well ? kDone : kFailed);
  });
}

}  // namespace mutirao::cli
