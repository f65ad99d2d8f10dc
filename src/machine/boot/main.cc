// machine_boot --kernel FILE [--initrd FILE] [--append TEXT] [--firmware FILE] [--memory MIB]
//              [--cpus N] [--instructions MILLIONS] [--deterministic SEED] [--until TEXT] [--engine
//              interp|jit] [--type TEXT]
//
// Boots a guest with its console on standard output. With --until it types TEXT of --type (a line)
// when that text appeared, and without --type ends there with 0. Exits as the guest does; 3 when
// the instructions ran out, 4 when an audit found a difference. For developers: the command for
// people is `mutirao boot`.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "mutirao/base/log.h"
#include "mutirao/machine/machine.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"

namespace {

using namespace mutirao;

Bytes whole_file(std::string const& path) {
  std::ifstream stream{path, std::ios::binary};
  if (!stream) {
    std::fprintf(stderr, "machine_boot: cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return Bytes{std::istreambuf_iterator<char>{stream}, {}};
}

struct BootRequest {
  machine::MachineOptions options;
  std::uint64_t instructions_max = machine::Machine::kNoLimit;
  std::vector<std::string> disks;
  std::string until;
  std::string line;
};

BootRequest parse(int argc, char** argv) {
  BootRequest request;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string const name = argv[i], value = argv[i + 1];
    if (name == "--kernel")
      request.options.kernel = whole_file(value);
    else if (name == "--initrd")
      request.options.initrd = whole_file(value);
    else if (name == "--firmware")
      request.options.firmware = whole_file(value);
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
    else if (name == "--until")
      request.until = value;
    else if (name == "--type")
      request.line = value + "\n";
    else if (name == "--disk")
      request.disks.push_back(value);
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

Result<std::unique_ptr<machine::BlockSource>> open_disk(world::World& world,
                                                        std::string const& path) {
  std::size_t const slash = path.rfind('/');
  std::string const folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  auto const directory = MUT_TRY(world.disk().open_directory(folder, false));
  auto file = MUT_TRY(directory->open(path.substr(slash + 1), {.writable = true}));
  return machine::open_block_file(std::move(file), true);
}

int boot(BootRequest request) {
  using machine::MachineExit;
  base::SilentLog log;
  auto const world = world::make_real_world(log);
  for (std::string const& path : request.disks) {
    auto disk = open_disk(*world, path);
    if (!disk) {
      std::fprintf(stderr, "machine_boot: %s: %s\n", path.c_str(), disk.error().what.c_str());
      return 2;
    }
    request.options.disks.push_back(std::move(*disk));
  }
  std::string seen;
  bool found = false;
  machine::Machine* running = nullptr;
  bool const follows_host = request.options.timebase == machine::Timebase::host;
  auto created = machine::Machine::create(
      std::move(request.options),
      [&](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
        if (request.until.empty() || found) return;
        seen += text;
        found = seen.find(request.until) != std::string::npos;
        // From here, so that the guest finds it after the same instruction each time.
        if (found) running->type(request.line);
      },
      *world);
  if (!created) {
    std::fprintf(stderr, "machine_boot: %s\n", created.error().what.c_str());
    return 2;
  }
  running = created->get();
  auto const begin = std::chrono::steady_clock::now();
  constexpr std::uint64_t kLook = 5'000'000;
  int code = 3;
  while (running->instructions() < request.instructions_max) {
    Deadline const look =
        follows_host ? Deadline::at(world->clock().now() + 100ms) : Deadline::never();
    MachineExit const exit =
        running->run(std::min(kLook, request.instructions_max - running->instructions()), look);
    if (exit.kind == MachineExit::Kind::powered_off || exit.kind == MachineExit::Kind::reset) {
      code = static_cast<int>(exit.code);
      break;
    }
    if (exit.kind == MachineExit::Kind::diverged) {
      std::fprintf(stderr, "\nmachine_boot: the engines differ: %s\n", exit.what.c_str());
      code = 4;
      break;
    }
    if (found && request.line.empty()) {
      code = 0;
      break;
    }
  }
  double const seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::fprintf(stderr, "\nmachine_boot: %llu instructions in %.2f s\n",
               static_cast<unsigned long long>(running->instructions()), seconds);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  BootRequest request = parse(argc, argv);
  int code = 1;
  threads::runtime runtime{{.processors = 1}};
  runtime.run([&] { code = boot(std::move(request)); });
  return code;
}
