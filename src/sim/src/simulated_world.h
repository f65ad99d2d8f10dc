#pragma once

#include <string>

#include "mutirao/world/world.h"

#include "disk.h"
#include "life.h"
#include "network.h"
#include "random.h"

namespace mutirao::sim {

/// A host's clocks: the civil one counts from a fixed day, so that dates are the same in every run.
class SimulatedClock final : public world::Clock {
 public:
  SimulatedClock(EventQueue const& events, Duration skew, double drift) noexcept
      : events_{events}, skew_{skew}, drift_{drift}, drifts_since_{events.now()} {}
  [[nodiscard]] TimePoint now() const noexcept override { return events_.now(); }
  [[nodiscard]] std::chrono::system_clock::time_point civil() const noexcept override;
  void set_skew(Duration skew) noexcept;
  void jump(Duration by) noexcept { skew_ += by; }
  /// What the drift so far has made of the skew stays.
  void set_drift(double drift) noexcept;

 private:
  [[nodiscard]] Duration skew_now() const noexcept;

  EventQueue const& events_;
  Duration skew_;  // at drifts_since_
  double drift_;
  TimePoint drifts_since_;
};

/// Silent, unless MUTIRAO_SIM_LOG is set: then lines with virtual time and host on standard error.
/// MUTIRAO_SIM_LOG=1 shows info and above, 2 also debug.
class SimulatedLog final : public base::Log {
 public:
  SimulatedLog(EventQueue const& events, std::string host);
  [[nodiscard]] bool enabled(base::LogLevel level) const noexcept override {
    return shown_ && level >= least_;
  }
  void write(base::LogLevel level, std::string_view module,
             std::string_view message) noexcept override;

 private:
  EventQueue const& events_;
  std::string host_;
  bool shown_ = false;
  base::LogLevel least_ = base::LogLevel::info;
};

/// A host's randomness. Values at the edges of their range are rare, and so is code that was tried
/// with them; but only small draws: two hosts with the same key, or name, are no rare case.
class HostEntropy final : public world::Entropy {
 public:
  HostEntropy(SeededEntropy random, FaultPoint& edge) noexcept : random_{random}, edge_{edge} {}
  void fill(MutableBytes bytes) override;

 private:
  SeededEntropy random_;
  FaultPoint& edge_;
};

/// One incarnation of a host.
class SimulatedWorld final : public world::World {
 public:
  SimulatedWorld(Fabric& fabric, Station& station, SimulatedDisk& disk, world::Clock& clock,
                 base::Log& log, FaultRegistry& faults, SeededEntropy entropy)
      : World{faults},
        network_{fabric, station, life_},
        disk_{disk, life_},
        clock_{clock},
        log_{log},
        entropy_{entropy, faults.point("sim.entropy.edge")} {}

  [[nodiscard]] world::Clock& clock() noexcept override { return clock_; }
  [[nodiscard]] world::Network& network() noexcept override { return network_; }
  [[nodiscard]] world::Disk& disk() noexcept override { return disk_; }
  [[nodiscard]] world::Entropy& entropy() noexcept override { return entropy_; }
  [[nodiscard]] base::Log& log() noexcept override { return log_; }

  void crash(bool reset_streams) {
    life_->over = true;
    network_.crash(reset_streams);
  }

 private:
  std::shared_ptr<Life> life_ = std::make_shared<Life>();
  SimulatedNetwork network_;
  DiskView disk_;
  world::Clock& clock_;
  base::Log& log_;
  HostEntropy entropy_;
};

}  // namespace mutirao::sim
