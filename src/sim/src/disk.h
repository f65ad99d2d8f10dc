#pragma once

#include <memory>
#include <string>

#include "mutirao/sim/disk_control.h"
#include "mutirao/world/clock.h"
#include "mutirao/world/disk.h"

#include "disk_tree.h"
#include "fabric.h"
#include "life.h"

namespace mutirao::sim {

/// The disk of one host. It outlives crashes; what programs hold of it (DiskView and below) does
/// not.
class SimulatedDisk final : public DiskControl {
 public:
  enum class Call : std::uint8_t { read, write, sync };

  SimulatedDisk(DiskOptions options, Fabric& fabric, Station const& station,
                world::Clock const& clock, std::uint64_t seed);

  void set_capacity(std::uint64_t bytes) override;
  void set_full(bool full) override;
  [[nodiscard]] std::uint64_t used_bytes() const override;
  void fail_next_reads(std::size_t count) override { fault(Call::read).next = count; }
  void fail_next_writes(std::size_t count) override { fault(Call::write).next = count; }
  void fail_next_syncs(std::size_t count) override { fault(Call::sync).next = count; }
  void set_error_chance(double reads, double writes, double syncs) override;
  void set_slowness(double factor) override { slowness_ = factor; }
  Result<void> flip_bit(std::string_view path, std::uint64_t offset, unsigned bit) override;
  [[nodiscard]] Result<std::size_t> peek(std::string_view path, std::uint64_t offset,
                                         MutableBytes into) const override;
  [[nodiscard]] std::vector<std::string> files() const override;
  [[nodiscard]] std::uint64_t unsynced_bytes() const override { return tree_.unsynced_bytes(); }

  /// The power goes: what was not synced is at risk.
  void crash() { tree_.crash(random_); }

  /// One call of a program: takes its time, and fails when it was told to or `life` is over.
  Result<void> begin(Call call, Life const& life);
  void note(TraceEvent event, std::uint64_t detail) noexcept {
    fabric_.note(event, station_, detail);
  }
  [[nodiscard]] std::int64_t civil_ns() const noexcept;
  [[nodiscard]] DiskTree& tree() noexcept { return tree_; }
  [[nodiscard]] DiskTree const& tree() const noexcept { return tree_; }

 private:
  struct CallFault {
    std::size_t next = 0;
    double chance = 0;
  };
  CallFault& fault(Call call) noexcept { return faults_[static_cast<std::size_t>(call)]; }
  [[nodiscard]] Duration latency(Call call) const noexcept;

  DiskOptions options_;
  Fabric& fabric_;
  Station const& station_;
  world::Clock const& clock_;
  SeededEntropy random_;
  DiskTree tree_;
  std::array<CallFault, 3> faults_{};
  double slowness_ = 1;
};

/// The disk as the programs of one incarnation see it.
class DiskView final : public world::Disk {
 public:
  DiskView(SimulatedDisk& disk, LifeRef life) noexcept : disk_{disk}, life_{std::move(life)} {}
  Result<std::unique_ptr<world::Directory>> open_directory(std::string_view path,
                                                           bool create) override;

 private:
  SimulatedDisk& disk_;
  LifeRef life_;
};

}  // namespace mutirao::sim
