// The two worlds that the conformance tests run in.
#include "conformance.h"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "mutirao/sim/simulation.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"
#include "random.h"

namespace mutirao::sim {

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() : path_{(std::filesystem::temp_directory_path() / "mutirao-conformance-XXXXXX").string()} {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error{"mkdtemp failed"};
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// A user thread's exception must not cross the runtime.
void guarded(std::function<void(Arena&)> const& body, Arena arena) {
  try {
    body(arena);
  } catch (std::exception const& error) {
    ADD_FAILURE() << error.what();
  }
}

void on_real_world(std::function<void(Arena&)> const& body) {
  TemporaryFolder const folder;
  base::SilentLog log;
  threads::runtime_options options;
  options.processors = 2;
  threads::runtime runtime{options};
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    guarded(body, {*world, *world, world::IpAddress::loopback(), folder.path()});
  });
}

void on_simulated_world(std::function<void(Arena&)> const& body) {
  Simulation simulation{{.seed = 42}};
  simulation.run([&](Simulation& network) {
    auto& here = network.add_host("here");
    auto& there = network.add_host("there");
    ASSERT_TRUE(here.world().disk().open_directory("/scratch", true));
    guarded(body, {here.world(), there.world(), there.address(), "/scratch"});
  });
}

}  // namespace

void WorldConformance::on_world(std::function<void(Arena&)> const& body) {
  if (GetParam() == kReal) {
    on_real_world(body);
  } else {
    on_simulated_world(body);
  }
}

StreamPair connect_pair(Arena& arena) {
  auto const listener = must(arena.there.network().listen({arena.there_address, 0}));
  auto client = must(arena.here.network().connect(listener->local(), {}, threads::within(10s)));
  auto server = must(listener->accept(threads::within(10s)));
  return {std::move(client), std::move(server)};
}

std::unique_ptr<world::Directory> open_folder(Arena& arena) {
  return must(arena.here.disk().open_directory(arena.folder, false));
}

Bytes pattern(std::size_t size, std::uint64_t salt) {
  Bytes bytes(size);
  SeededEntropy{salt, "pattern"}.fill(bytes);
  return bytes;
}

}  // namespace mutirao::sim
