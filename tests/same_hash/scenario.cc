// A small simulated network whose trace hash must not depend on how it was compiled: hosts that ask
// each other over lossy links, write what they got and sync it, while one loses power.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/sim/recording.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

namespace {
using namespace mutirao;

constexpr std::size_t kHosts = 6;
sim::NetworkOptions const kNetwork{.link = {.jitter = 3ms, .loss = 0.02}};

Result<void> serve(world::Listener& listener, threads::scope& servers) {
  for (;;) {
    std::shared_ptr<world::Stream> stream = MUT_TRY(listener.accept(Deadline::never()));
    servers.spawn("answer",
                  [stream]() -> Result<void> {
                    Bytes wish(1);
                    MUT_TRY(stream->read_exactly(wish, threads::within(60s)));
                    Bytes const answer(std::size_t{1000} * (1 + wish[0]), wish[0]);
                    return stream->write_all(answer, threads::within(60s));
                  },
                  {.isolated = true});
  }
}

Result<void> ask(world::World& world, world::Endpoint whom, std::size_t number) {
  auto& entropy = world.entropy();
  MUT_TRY(threads::sleep_for(Duration{static_cast<Duration::rep>(entropy.below(200'000'000))}));
  auto const stream = MUT_TRY(world.network().connect(whom, {}, threads::within(60s)));
  Bytes const wish{static_cast<std::uint8_t>(entropy.below(200))};
  MUT_TRY(stream->write_all(wish, threads::within(60s)));
  Bytes answer(std::size_t{1000} * (1 + wish[0]));
  MUT_TRY(stream->read_exactly(answer, threads::within(60s)));
  auto const folder = MUT_TRY(world.disk().open_directory("/got", true));
  auto const file =
      MUT_TRY(folder->open(std::to_string(number), {.writable = true, .create = true}));
  MUT_TRY(file->write_at(0, answer));
  return file->sync();
}

void run(sim::Simulation& network) {
  std::vector<sim::Host*> hosts;
  std::vector<std::unique_ptr<world::Listener>> listeners;
  threads::scope servers;
  for (std::size_t i = 0; i < kHosts; ++i) {
    auto& host = *hosts.emplace_back(&network.add_host("host" + std::to_string(i)));
    auto listener = host.world().network().listen({host.address(), 80});
    if (!listener) continue;
    auto& listening = *listeners.emplace_back(std::move(*listener));
    servers.spawn("serve", [&] { return serve(listening, servers); }, {.isolated = true});
  }
  threads::scope clients;
  for (std::size_t i = 0; i < kHosts * 8; ++i) {
    auto& world = hosts[i % kHosts]->world();
    world::Endpoint const whom{hosts[(i * 5 + 1) % kHosts]->address(), 80};
    clients.spawn("ask", [&world, whom, i] { return ask(world, whom, i); }, {.isolated = true});
  }
  static_cast<void>(threads::sleep_for(150ms));
  network.crash(*hosts[2]);
  static_cast<void>(threads::sleep_for(1s));
  hosts[2]->restart();
  static_cast<void>(clients.join());
  servers.request_stop();
  static_cast<void>(servers.join());
}

/// Every event of one seed, a line each: what tells where two builds part.
void tell(std::uint64_t seed) {
  sim::Recording recording;
  sim::Simulation simulation{{.seed = seed, .network = kNetwork, .recording = &recording}};
  simulation.run(run);
  for (std::size_t i = 0; i < recording.size(); ++i)
    std::printf("%s\n", recording.describe(recording[i]).c_str());
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) {
    tell(std::strtoull(arguments[1], nullptr, 10));
    return 0;
  }
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    sim::Simulation simulation{{.seed = seed, .network = kNetwork}};
    simulation.run(run);
    std::printf("%llu %016llx %llu\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(simulation.trace_hash()),
                static_cast<unsigned long long>(simulation.trace_events()));
  }
}
