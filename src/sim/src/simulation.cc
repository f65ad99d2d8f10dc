#include "mutirao/sim/simulation.h"

#include <map>
#include <utility>
#include <vector>

#include "mutirao/base/check.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"

#include "event_queue.h"
#include "fabric.h"
#include "simulated_host.h"

namespace mutirao::sim {

struct Simulation::State {
  explicit State(SimulationOptions const& options)
      : seed{options.seed},
        fabric{options.network, options.seed, events, trace},
        entropy{options.seed, "test"} {}

  std::uint64_t seed;
  EventQueue events;
  Trace trace;
  Fabric fabric;
  SeededEntropy entropy;
  std::vector<std::unique_ptr<SimulatedHost>> hosts;
  bool has_run = false;
};

namespace {
SimulatedHost& simulated(Host& host) noexcept { return static_cast<SimulatedHost&>(host); }
Station& station(Host& host) noexcept { return simulated(host).station(); }
}  // namespace

Simulation::Simulation(SimulationOptions options) : state_{std::make_unique<State>(options)} {}
Simulation::~Simulation() = default;

void Simulation::run(std::move_only_function<void(Simulation&)> body) {
  MUT_ASSERT(!std::exchange(state_->has_run, true));
  threads::runtime runtime{{.simulated = threads::simulated_schedule{state_->seed}}};
  runtime.run([&] {
    state_->events.start();
    {
      threads::scope network;
      network.spawn("simulated network", [&] { state_->events.pump(); }, {.isolated = true});
      body(*this);
    }
    state_->events.stop();
  });
}

std::uint64_t Simulation::seed() const noexcept { return state_->seed; }
world::Entropy& Simulation::entropy() noexcept { return state_->entropy; }

Host& Simulation::add_host(std::string name, HostOptions options) {
  auto& place = state_->fabric.add_station(std::move(name), options.behind, options.addresses);
  return *state_->hosts.emplace_back(
      std::make_unique<SimulatedHost>(state_->fabric, place, options, state_->seed));
}

Router& Simulation::add_router(std::string name, RouterOptions options) {
  return state_->fabric.add_router(std::move(name), std::move(options));
}

void Simulation::move(Host& host, Router* behind, std::vector<world::IpAddress> addresses) {
  state_->fabric.move(station(host), behind, std::move(addresses));
}

void Simulation::crash(Host& host, CrashOptions options) { simulated(host).crash(options); }

void Simulation::partition(Host& a, Host& b) {
  state_->fabric.set_cut(station(a), station(b), true);
}
void Simulation::heal(Host& a, Host& b) { state_->fabric.set_cut(station(a), station(b), false); }
PartitionId Simulation::partition(std::vector<Host*> const& first, std::vector<Host*> const& second,
                                  Direction direction) {
  auto const stations_of = [](std::vector<Host*> const& hosts) {
    std::vector<Station*> stations;
    stations.reserve(hosts.size());
    for (auto* const host : hosts) stations.push_back(&station(*host));
    return stations;
  };
  return state_->fabric.set_cut(stations_of(first), stations_of(second), direction);
}
void Simulation::heal(PartitionId partition) { state_->fabric.heal(partition); }
void Simulation::isolate(Host& host, Duration how_long) {
  station(host).isolated_until = state_->events.now() + how_long;
}
void Simulation::clog(Host& from, Host& to, Duration how_long) {
  state_->fabric.clog(station(from), station(to), state_->events.now() + how_long);
}
void Simulation::isolate(Host& host) { station(host).isolated = true; }
void Simulation::rejoin(Host& host) { station(host).isolated = false; }

void Simulation::set_link(Host& a, Host& b, Link link) {
  set_link_one_way(a, b, link);
  set_link_one_way(b, a, link);
}
void Simulation::set_link_one_way(Host& from, Host& to, Link link) {
  state_->fabric.set_link(station(from), station(to), link);
}
void Simulation::set_default_link(Link link) { state_->fabric.set_default_link(link); }

std::uint64_t Simulation::trace_hash() const noexcept { return state_->trace.hash(); }
std::uint64_t Simulation::trace_events() const noexcept { return state_->trace.events(); }

}  // namespace mutirao::sim
