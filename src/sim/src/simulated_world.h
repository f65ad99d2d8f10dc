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
  explicit SimulatedClock(EventQueue const& events, Duration skew) noexcept
      : events_{events}, skew_{skew} {}
  [[nodiscard]] TimePoint now() const noexcept override { return events_.now(); }
  [[nodiscard]] std::chrono::system_clock::time_point civil() const noexcept override;
  void set_skew(Duration skew) noexcept { skew_ = skew; }

 private:
  EventQueue const& events_;
  Duration skew_;
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

/// One incarnation of a host.
class SimulatedWorld final : public world::World {
 public:
  SimulatedWorld(Fabric& fabric, Station& station, SimulatedDisk& disk, world::Clock& clock,
                 base::Log& log, SeededEntropy entropy)
      : network_{fabric, station, life_},
        disk_{disk, life_},
        clock_{clock},
        log_{log},
        entropy_{entropy} {}

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
  SeededEntropy entropy_;
};

}  // namespace mutirao::sim
