#include "simulated_host.h"

#include <utility>

#include <fmt/format.h>

#include "mutirao/base/check.h"

namespace mutirao::sim {

SimulatedHost::SimulatedHost(Fabric& fabric, Station& station, FaultRegistry& faults,
                             HostOptions const& options, std::uint64_t seed)
    : fabric_{fabric},
      station_{station},
      faults_{faults},
      seed_{seed},
      clock_{fabric.events, options.clock_skew, options.clock_drift},
      log_{fabric.events, station.name},
      disk_{options.disk, fabric, station, clock_, faults, seed} {
  station_.uplink.set_bandwidth(
      options.uplink_bytes_per_s.value_or(fabric.options.uplink_bytes_per_s));
  station_.downlink.bytes_per_s =
      options.downlink_bytes_per_s.value_or(fabric.options.downlink_bytes_per_s);
  station_.answers_strangers = options.answers_strangers;
  begin_incarnation();
}

void SimulatedHost::begin_incarnation() {
  auto const stream =
      fmt::format("entropy of {}, incarnation {}", station_.name, incarnations_.size());
  incarnations_.push_back(std::make_unique<SimulatedWorld>(fabric_, station_, disk_, clock_, log_,
                                                           faults_, SeededEntropy{seed_, stream}));
}

world::World& SimulatedHost::world() noexcept {
  MUT_ASSERT(station_.up);
  return *incarnations_.back();
}

world::World& SimulatedHost::restart() {
  MUT_ASSERT(!station_.up);
  station_.up = true;
  fabric_.note(TraceEvent::restarted, station_);
  begin_incarnation();
  restarts_.wake_all();
  return world();
}

void SimulatedHost::boot(threads::scope& scope, std::function<void(world::World&)> program) {
  scope.spawn(std::string{name()}, [this, program = std::move(program)] { run(program); },
              {.stack = threads::stack_size::small});
}

void SimulatedHost::run(std::function<void(world::World&)> const& program) {
  std::size_t ran = 0;  // incarnations
  for (;;) {
    if (station_.up && ran < incarnations_.size()) {
      ran = incarnations_.size();
      threads::scope incarnation;
      program_ = &incarnation;
      incarnation.spawn(fmt::format("{} #{}", station_.name, ran),
                        [&program, &its_world = world()] { program(its_world); });
      static_cast<void>(incarnation.join());
      program_ = nullptr;
      continue;
    }
    if (!restarts_.wait(Deadline::never(), "restart")) return;
  }
}

void SimulatedHost::crash(CrashOptions options) {
  MUT_ASSERT(station_.up);
  fabric_.note(TraceEvent::crashed, station_);
  incarnations_.back()->crash(options.reset_streams);
  station_.up = false;
  if (program_ != nullptr) program_->request_stop();
  if (options.lose_unsynced) disk_.crash();
}

}  // namespace mutirao::sim
