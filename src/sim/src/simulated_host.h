#pragma once

#include <memory>
#include <vector>

#include "mutirao/sim/host.h"
#include "mutirao/sim/simulation.h"

#include "simulated_world.h"

namespace mutirao::sim {

class SimulatedHost final : public Host {
 public:
  SimulatedHost(Fabric& fabric, Station& station, FaultRegistry& faults, HostOptions const& options,
                std::uint64_t seed);

  [[nodiscard]] std::string_view name() const noexcept override { return station_.name; }
  [[nodiscard]] world::IpAddress address() const noexcept override {
    return station_.addresses.front();
  }
  [[nodiscard]] bool is_up() const noexcept override { return station_.up; }
  [[nodiscard]] world::World& world() noexcept override;
  world::World& restart() override;
  void boot(threads::scope& scope, std::function<void(world::World&)> program) override;
  [[nodiscard]] DiskControl& disk() noexcept override { return disk_; }
  void set_clock_skew(Duration skew) noexcept override { clock_.set_skew(skew); }
  void jump_clock(Duration by) noexcept override { clock_.jump(by); }
  void set_clock_drift(double drift) noexcept override { clock_.set_drift(drift); }

  void set_bandwidth(std::uint64_t uplink, std::uint64_t downlink) noexcept override {
    station_.uplink.set_bandwidth(uplink);
    station_.downlink.bytes_per_s = downlink;
  }

  void crash(CrashOptions options);
  [[nodiscard]] Station& station() noexcept { return station_; }

 private:
  void begin_incarnation();
  void run(std::function<void(world::World&)> const& program);

  Fabric& fabric_;
  Station& station_;
  FaultRegistry& faults_;
  std::uint64_t seed_;
  SimulatedClock clock_;
  SimulatedLog log_;
  SimulatedDisk disk_;
  std::vector<std::unique_ptr<SimulatedWorld>> incarnations_;  // the last is the present one
  threads::scope* program_ = nullptr;                          // that runs now
  WaitList restarts_;
};

}  // namespace mutirao::sim
