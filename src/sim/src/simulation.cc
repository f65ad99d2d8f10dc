#include "mutirao/sim/simulation.h"

#include <chrono>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/sim/observer.h"
#include "mutirao/threads/diagnostics.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "simulation_state.h"

namespace mutirao::sim {

namespace {
SimulatedHost& simulated(Host& host) noexcept { return static_cast<SimulatedHost&>(host); }
Station& station(Host& host) noexcept { return simulated(host).station(); }

RunObserver* run_observer = nullptr;
}  // namespace

void observe_runs(RunObserver* observer) noexcept { run_observer = observer; }

Simulation::Simulation(SimulationOptions options) {
  ObservedRun* observed = nullptr;
  if (run_observer != nullptr && options.recording == nullptr) {
    observed = &run_observer->begins();
    options.recording = observed->recording;
  }
  state_ = std::make_unique<State>(options);
  state_->observed = observed;
}

Simulation::~Simulation() {
  if (state_->observed == nullptr) return;
  state_->observed->hash = trace_hash();
  state_->observed->events = trace_events();
}

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
  return *state_->hosts.emplace_back(std::make_unique<SimulatedHost>(
      state_->fabric, place, state_->faults, options, state_->seed));
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

std::vector<Host*> Simulation::hosts() const {
  std::vector<Host*> all;
  all.reserve(state_->hosts.size());
  for (auto const& host : state_->hosts) all.push_back(host.get());
  return all;
}

void Simulation::stop_faults() {
  state_->faults.stop();
  state_->fabric.heal();
  for (auto* const host : hosts()) {
    host->disk().recover();
    if (!host->is_up()) host->restart();
  }
}

bool Simulation::faults_stopped() const noexcept { return state_->faults.stopped(); }
std::vector<FaultCount> Simulation::faults() const { return state_->faults.counts(); }

Result<void> Simulation::demand(std::string_view goal, std::move_only_function<bool()> reached,
                                Duration within, Duration every) {
  auto const until = threads::now() + within;
  while (!reached()) {
    if (threads::now() >= until) {
      return fail(Fault::timed_out,
                  fmt::format("{}: not after {:.0f} s without faults, with seed {}\n{}", goal,
                              std::chrono::duration<double>{within}.count(), seed(),
                              threads::to_text(threads::this_runtime_report())));
    }
    MUT_TRY(threads::sleep_for(every));
  }
  return {};
}

std::uint64_t Simulation::trace_hash() const noexcept { return state_->trace.hash(); }
std::uint64_t Simulation::trace_events() const noexcept { return state_->trace.events(); }

}  // namespace mutirao::sim
