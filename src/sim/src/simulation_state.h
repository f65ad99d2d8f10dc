#pragma once

#include <memory>
#include <vector>

#include "mutirao/sim/observer.h"
#include "mutirao/sim/simulation.h"

#include "event_queue.h"
#include "fabric.h"
#include "fault_registry.h"
#include "simulated_host.h"

namespace mutirao::sim {

struct Simulation::State {
  explicit State(SimulationOptions const& options)
      : seed{options.seed},
        trace{options.recording},
        faults{options.faults, options.seed,
               [this](std::string_view name) {
                 trace.note(events.now(), TraceEvent::fault, 0, hash_of(name));
               }},
        fabric{options.network, options.seed, events, trace, faults},
        entropy{options.seed, "test"} {}

  std::uint64_t seed;
  EventQueue events;
  Trace trace;
  FaultRegistry faults;
  Fabric fabric;
  SeededEntropy entropy;
  std::vector<std::unique_ptr<SimulatedHost>> hosts;
  bool has_run = false;
  ObservedRun* observed = nullptr;
};

}  // namespace mutirao::sim
