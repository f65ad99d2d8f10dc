// machine_boot --kernel FILE | --loader FILE [--initrd FILE] [--append TEXT] [--firmware FILE]
//              [--memory MIB] [--cpus N] [--instructions MILLIONS] [--deterministic SEED] [--until
//              TEXT] [--engine interp|jit|audit] [--type TEXT] [--console virtio] [--disk FILE
//              [--overlay FILE]
//              [--profile FILE]]... [--snapshot] [--network off|internet|lan]
//              [--allow HOST:PORT]... [--publish [HOST_ADDRESS:]PORT:GUEST_PORT[/udp]]...
//              [--simulated-network SEED] [--share FOLDER:TAG[:ro]]... [--vsock PATH]
//              [--save FILE] [--json]
// machine_boot --restore FILE [--engine interp|jit] [--check-memory] and what else is not of the
//              machine itself
//
// Boots a guest with its console on standard output. With --until it types TEXT of --type (a line)
// when that text appeared, and without --type ends there with 0; several wait one after the other.
// A --type before any --until is typed at once.
// Exits as the guest does; 3 when the instructions ran out, 4 when an audit found a difference. For
// developers: the command for people is `mutirao boot`.
//
// A disk is written to, unless it has an overlay: then what the guest writes goes there. --snapshot
// gives each disk without one an overlay that is gone when the program ends. An image in qcow2 is
// only read, so it wants one. --profile is written at the end: a line for each part of the disk
// that the guest read, first one first.
//
// --simulated-network puts the host into a network that is made up (simulated_network.h). With
// --deterministic, runs that reach for it are the same as well.
//
// --save makes a snapshot where it would end otherwise (the text appeared, or the instructions are
// over) and ends with 0; --restore goes on from one. --json says at the end, in one line on
// standard error, how it went: instructions of the guest and of this run of it, seconds,
// milliseconds until the first instruction (by the host's time), what the guest's RAM takes of the
// host's memory, and what the monitor takes besides.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "mutirao/base/log.h"
#include "mutirao/machine/block_overlay.h"
#include "mutirao/machine/block_profile.h"
#include "mutirao/machine/block_qcow2.h"
#include "mutirao/machine/machine.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"

#include "simulated_network.h"

namespace {

using namespace mutirao;

Bytes whole_file(std::string const& path) {
  std::ifstream stream{path, std::ios::binary | std::ios::ate};
  if (!stream) {
    std::fprintf(stderr, "machine_boot: cannot read %s\n", path.c_str());
    std::exit(2);
  }
  Bytes bytes(static_cast<std::size_t>(stream.tellg()));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

struct DiskRequest {
  std::string path;
  std::string overlay{};
  std::string profile_path{};
  machine::BlockProfile* profile = nullptr;  // the machine's
};

/// What is waited for on the console, and the line that is typed then.
struct Cue {
  std::string text;
  std::string line{};  // empty: it ends there
};

struct BootRequest {
  machine::MachineOptions options;
  std::uint64_t instructions_max = machine::Machine::kNoLimit;
  std::vector<DiskRequest> disks;
  bool snapshot = false;
  bool json = false;
  bool check_memory = false;
  std::string save_path;
  std::string restore_path;
  std::vector<Cue> cues;
  std::vector<machine::ShareText> shares;
  std::optional<std::uint64_t> simulated_network{};
};

machine::NetworkOptions& network_of(BootRequest& request) {
  auto& network = request.options.network;
  return network ? *network : network.emplace();
}

/// The value, or the end of the program.
template <class T>
T parsed(Result<T> value) {
  if (value) return *std::move(value);
  std::fprintf(stderr, "machine_boot: %s: %s\n", value.error().what.c_str(),
               value.error().mend.c_str());
  std::exit(2);
}

BootRequest parse(int argc, char** argv) {
  BootRequest request;
  for (int i = 1; i < argc; i += 2) {
    std::string const name = argv[i];
    if (auto* const flag = name == "--snapshot"       ? &request.snapshot
                           : name == "--json"         ? &request.json
                           : name == "--check-memory" ? &request.check_memory
                                                      : nullptr) {
      *flag = true;
      --i;
      continue;
    }
    bool const of_disk = name == "--overlay" || name == "--profile";
    if (i + 1 == argc || (of_disk && request.disks.empty())) {
      std::fprintf(stderr, "machine_boot: %s: %s\n", name.c_str(),
                   of_disk ? "behind a --disk" : "what?");
      std::exit(2);
    }
    std::string const value = argv[i + 1];
    if (name == "--kernel")
      request.options.kernel = whole_file(value);
    else if (name == "--initrd")
      request.options.initrd = whole_file(value);
    else if (name == "--firmware")
      request.options.firmware = whole_file(value);
    else if (name == "--loader")
      request.options.loader = whole_file(value);
    else if (name == "--append")
      request.options.append = value;
    else if (name == "--memory")
      request.options.memory_bytes = std::stoull(value) << 20;
    else if (name == "--cpus")
      request.options.cpus = static_cast<unsigned>(std::stoul(value));
    else if (name == "--instructions")
      request.instructions_max = std::stoull(value) * 1'000'000;
    else if (name == "--engine")
      request.options.engine = value == "interp"  ? machine::Engine::interpreter
                               : value == "audit" ? machine::Engine::audit
                                                  : machine::Engine::translator;
    else if (name == "--save")
      request.save_path = value;
    else if (name == "--restore")
      request.restore_path = value;
    else if (name == "--until")
      request.cues.push_back({value});
    else if (name == "--type")
      (request.cues.empty() ? request.cues.emplace_back() : request.cues.back()).line =
          value + "\n";
    else if (name == "--disk")
      request.disks.push_back({value});
    else if (name == "--overlay")
      request.disks.back().overlay = value;
    else if (name == "--profile")
      request.disks.back().profile_path = value;
    else if (name == "--network")
      network_of(request).reach = parsed(machine::parse_reach(value));
    else if (name == "--vsock")
      request.options.vsock = value;
    else if (name == "--simulated-network")
      request.simulated_network = std::stoull(value);
    else if (name == "--allow")
      network_of(request).allowed.push_back(parsed(machine::parse_allowed(value)));
    else if (name == "--publish")
      network_of(request).published.push_back(parsed(machine::parse_published(value)));
    else if (name == "--share")
      request.shares.push_back(parsed(machine::parse_share(value)));
    else if (name == "--console")
      request.options.console =
          value == "virtio" ? machine::ConsoleDevice::virtio : machine::ConsoleDevice::serial;
    else if (name == "--deterministic") {
      request.options.timebase = machine::Timebase::instructions;
      request.options.seed = std::stoull(value);
    } else {
      std::fprintf(stderr, "machine_boot: unknown option %s\n", name.c_str());
      std::exit(2);
    }
  }
  return request;
}

struct Place {
  std::unique_ptr<world::Directory> folder;
  std::string name;
};
Result<Place> place_of(world::World& world, std::string const& path) {
  std::size_t const slash = path.rfind('/');
  std::string const folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return Place{MUT_TRY(world.disk().open_directory(folder, false)), path.substr(slash + 1)};
}

/// An overlay without a name: it is gone when it is closed, however this program ends.
Result<std::unique_ptr<machine::BlockSource>> overlay_for_now(
    world::World& world, std::unique_ptr<machine::BlockSource> below) {
  char const* const temporary = std::getenv("TMPDIR");
  std::string folder = std::string{temporary == nullptr ? "/tmp" : temporary} + "/machine-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return fail(Fault::io, "no folder for a snapshot");
  auto overlay = [&]() -> Result<std::unique_ptr<machine::BlockSource>> {
    auto const directory = MUT_TRY(world.disk().open_directory(folder, false));
    auto opened = MUT_TRY(machine::open_block_overlay(std::move(below), *directory, "overlay"));
    MUT_TRY(directory->remove("overlay"));
    return opened;
  }();
  ::rmdir(folder.c_str());
  return overlay;
}

Result<std::unique_ptr<machine::BlockSource>> open_disk(world::World& world, DiskRequest& request,
                                                        bool snapshot) {
  bool const direct = request.overlay.empty() && !snapshot;
  auto const place = MUT_TRY(place_of(world, request.path));
  auto file = MUT_TRY(place.folder->open(place.name, {.writable = direct}));
  auto disk = MUT_TRY(machine::open_block_image(std::move(file), direct));
  if (!request.profile_path.empty()) {
    auto profile = std::make_unique<machine::BlockProfile>(std::move(disk));
    request.profile = profile.get();
    disk = std::move(profile);
  }
  if (direct) return disk;
  if (request.overlay.empty()) return overlay_for_now(world, std::move(disk));
  auto const over = MUT_TRY(place_of(world, request.overlay));
  return machine::open_block_overlay(std::move(disk), *over.folder, over.name);
}

void write_profiles(BootRequest const& request) {
  for (DiskRequest const& disk : request.disks) {
    if (disk.profile == nullptr) continue;
    std::ofstream out{disk.profile_path};
    for (auto const part : disk.profile->first_touches()) out << part << '\n';
  }
}

/// What this program takes of the host's memory, and what of that is the guest's RAM: the mapping
/// that is as large as that.
struct HostMemory {
  std::uint64_t all_bytes = 0;
  std::uint64_t guest_bytes = 0;
};
HostMemory host_memory(std::uint64_t ram_bytes) {
  HostMemory found;
  std::ifstream stream{"/proc/self/smaps"};
  bool is_ram = false;
  for (std::string line; std::getline(stream, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "Size: %llu kB", &kib) == 1) is_ram = kib << 10 == ram_bytes;
    // What is mapped twice, as translated code is, counts once: half of it in each place.
    if (std::sscanf(line.c_str(), "Pss: %llu kB", &kib) != 1) continue;
    found.all_bytes += kib << 10;
    if (is_ram) found.guest_bytes += kib << 10;
  }
  return found;
}

Result<std::unique_ptr<machine::Machine>> make(BootRequest& request,
                                               machine::Machine::Console console,
                                               world::World& world) {
  if (request.restore_path.empty())
    return machine::Machine::create(std::move(request.options), std::move(console), world);
  auto const place = MUT_TRY(place_of(world, request.restore_path));
  return machine::Machine::restore(MUT_TRY(place.folder->open(place.name, {})),
                                   {.disks = std::move(request.options.disks),
                                    .network = std::move(request.options.network),
                                    .shares = std::move(request.options.shares),
                                    .vsock = std::move(request.options.vsock),
                                    .engine = request.options.engine,
                                    .check_memory = request.check_memory},
                                   std::move(console), world);
}

int boot(BootRequest request, world::World& world) {
  using machine::MachineExit;
  for (DiskRequest& wanted : request.disks) {
    auto disk = open_disk(world, wanted, request.snapshot);
    if (!disk) {
      std::fprintf(stderr, "machine_boot: %s: %s\n", wanted.path.c_str(),
                   disk.error().what.c_str());
      return 2;
    }
    request.options.disks.push_back(std::move(*disk));
  }
  for (machine::ShareText const& wanted : request.shares) {
    auto folder = world.disk().open_tree(wanted.folder);
    if (!folder) {
      std::fprintf(stderr, "machine_boot: %s\n", folder.error().what.c_str());
      return 2;
    }
    request.options.shares.push_back({std::move(*folder), wanted.tag, wanted.read_only});
  }
  std::string seen;
  auto cue = request.cues.begin();
  bool over = false;  // what was waited for came
  machine::Machine* running = nullptr;
  auto const type_line = [&] {
    running->type(cue->line);
    over = cue->line.empty();
    seen.clear();
    ++cue;
  };
  auto const console = [&](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    if (cue == request.cues.end()) return;
    seen += text;
    // From here, so that the guest finds it after the same instruction each time.
    if (seen.contains(cue->text)) type_line();
  };
  auto const begin = std::chrono::steady_clock::now();
  auto const seconds_since_begin = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  auto created = make(request, console, world);
  if (!created) {
    std::fprintf(stderr, "machine_boot: %s\n", created.error().what.c_str());
    return 2;
  }
  running = created->get();
  auto const instructions_before = running->instructions();
  if (cue != request.cues.end() && cue->text.empty()) type_line();
  bool const follows_host = running->timebase() == machine::Timebase::host;
  // A machine that follows its instructions does the same when it is run in the same pieces.
  if (follows_host) static_cast<void>(running->run(1));
  double const first_instruction_s = seconds_since_begin();
  constexpr std::uint64_t kLook = 5'000'000;
  int code = 3;
  while (running->instructions() < request.instructions_max) {
    // By the world's time it looks ten times a second, else after so many instructions.
    auto const left = request.instructions_max - running->instructions();
    MachineExit const exit = follows_host
                                 ? running->run(left, Deadline::at(world.clock().now() + 100ms))
                                 : running->run(std::min(kLook, left));
    if (exit.kind == MachineExit::Kind::powered_off || exit.kind == MachineExit::Kind::reset) {
      code = static_cast<int>(exit.code);
      break;
    }
    if (exit.kind == MachineExit::Kind::diverged) {
      std::fprintf(stderr, "\nmachine_boot: the engines differ: %s\n", exit.what.c_str());
      code = 4;
      break;
    }
    if (over) {
      code = 0;
      break;
    }
  }
  double const seconds = seconds_since_begin();
  write_profiles(request);
  if (!request.save_path.empty()) {
    auto const place = place_of(world, request.save_path);
    auto const saved = place ? running->save(*place->folder, place->name)
                             : Result<void>{std::unexpected{place.error()}};
    if (!saved) {
      std::fprintf(stderr, "machine_boot: %s\n", saved.error().what.c_str());
      return 2;
    }
    code = 0;
  }
  auto const instructions = running->instructions();
  std::fprintf(stderr, "\nmachine_boot: %llu instructions in %.2f s\n",
               static_cast<unsigned long long>(instructions), seconds);
  if (request.json) {
    auto const memory = host_memory(running->memory_bytes());
    std::fprintf(stderr,
                 "{\"instructions\": %llu, \"instructions_here\": %llu, \"seconds\": %.3f, "
                 "\"first_instruction_ms\": %.1f, \"guest_mib\": %.1f, \"monitor_mib\": %.1f}\n",
                 static_cast<unsigned long long>(instructions),
                 static_cast<unsigned long long>(instructions - instructions_before), seconds,
                 1000 * first_instruction_s, static_cast<double>(memory.guest_bytes) / (1 << 20),
                 static_cast<double>(memory.all_bytes - memory.guest_bytes) / (1 << 20));
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  // A shared folder holds each file that its guest knows.
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  BootRequest request = parse(argc, argv);
  int code = 1;
  if (request.simulated_network) {
    run_in_simulated_network(*request.simulated_network,
                             [&](world::World& world) { code = boot(std::move(request), world); });
    return code;
  }
  threads::runtime runtime{{.processors = 1}};
  runtime.run([&] {
    base::SilentLog log;
    code = boot(std::move(request), *world::make_real_world(log));
  });
  return code;
}
