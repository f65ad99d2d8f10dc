// What the conformance tests share, and their run in the simulated world.
#include "conformance.h"

#include "mutirao/sim/simulation.h"

#include "random.h"

namespace mutirao::sim {

void guarded(std::function<void(Arena&)> const& body, Arena arena) {
  try {
    body(arena);
  } catch (std::exception const& error) {
    ADD_FAILURE() << error.what();
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

namespace {

void on_simulated_world(std::function<void(Arena&)> const& body) {
  Simulation simulation{{.seed = 42}};
  simulation.run([&](Simulation& network) {
    auto& here = network.add_host("here");
    auto& there = network.add_host("there");
    ASSERT_TRUE(here.world().disk().open_directory("/scratch", true));
    guarded(body, {here.world(), there.world(), there.address(), "/scratch"});
  });
}

INSTANTIATE_TEST_SUITE_P(simulated, NetworkConformance, testing::Values(on_simulated_world),
                         [](auto const&) { return "world"; });
INSTANTIATE_TEST_SUITE_P(simulated, DiskConformance, testing::Values(on_simulated_world),
                         [](auto const&) { return "world"; });

}  // namespace
}  // namespace mutirao::sim
