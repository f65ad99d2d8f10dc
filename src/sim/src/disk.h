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
                world::Clock const& clock, FaultRegistry& registry, std::uint64_t seed);

  void set_capacity(std::uint64_t bytes) override;
  void set_full(bool full) override { set_full_until(full ? TimePoint::max() : TimePoint::min()); }
  void fill_for(Duration duration) override { set_full_until(fabric_.events.now() + duration); }
  [[nodiscard]] std::uint64_t used_bytes() const override;
  void fail_next_reads(std::size_t count) override { fault(Call::read).next = count; }
  void fail_next_writes(std::size_t count) override { fault(Call::write).next = count; }
  void fail_next_syncs(std::size_t count) override { fault(Call::sync).next = count; }
  void set_error_chance(double reads, double writes, double syncs) override;
  void fail_for(Duration duration) override { fails_until_ = fabric_.events.now() + duration; }
  void set_slowness(DiskSlowness slowness) override { options_.slowness = slowness; }
  void set_lying_syncs(bool lie) override { options_.syncs_lie = lie; }
  void set_rot_chance(double of_a_read) override { options_.rot_chance = of_a_read; }
  std::size_t rot(std::size_t bits) override;
  [[nodiscard]] std::uint64_t bits_inverted() const override { return bits_inverted_; }
  Result<void> flip_bit(std::string_view path, std::uint64_t offset, unsigned bit) override;
  void recover() override;
  [[nodiscard]] Result<std::size_t> peek(std::string_view path, std::uint64_t offset,
                                         MutableBytes into) const override;
  [[nodiscard]] std::vector<std::string> files() const override;
  [[nodiscard]] std::uint64_t unsynced_bytes() const override { return tree_.unsynced_bytes(); }

  /// The power goes: what was not synced is at risk.
  void crash() {
    tree_.crash(random_);
    ++lifetime_;
  }
  /// Counts the times at which something that was written could be lost.
  [[nodiscard]] std::uint64_t lifetime() const noexcept { return lifetime_; }

  /// One call of a program: takes its time, and fails when it was told to or `life` is over.
  Result<void> begin(Call call, Life const& life);
  /// By chance, a bit of what a program is about to read rots.
  void rot_before_read(FileContent& content, std::uint64_t offset, std::size_t size);
  [[nodiscard]] bool syncs_lie() const noexcept { return options_.syncs_lie; }
  void note(TraceEvent event, std::uint64_t detail) noexcept {
    fabric_.note(event, station_, detail);
  }
  void note_content(ByteView content) { fabric_.note_content(station_, content); }
  [[nodiscard]] std::int64_t civil_ns() const noexcept;
  [[nodiscard]] DiskTree& tree() noexcept {
    refresh_full();
    return tree_;
  }

 private:
  struct CallFault {
    std::size_t next = 0;
    double chance = 0;
  };
  void set_full_until(TimePoint when) noexcept {
    full_until_ = when;
    refresh_full();
  }
  void refresh_full() noexcept { tree_.budget().full = fabric_.events.now() < full_until_; }
  CallFault& fault(Call call) noexcept { return faults_[static_cast<std::size_t>(call)]; }
  [[nodiscard]] Duration latency(Call call) const noexcept;
  [[nodiscard]] Duration time_taken(Call call);

  DiskOptions options_;
  Fabric& fabric_;
  Station const& station_;
  world::Clock const& clock_;
  SeededEntropy random_;
  FaultPoint& slow_call_;
  DiskTree tree_;
  std::uint64_t lifetime_ = 1;
  std::array<CallFault, 3> faults_{};
  TimePoint full_until_ = TimePoint::min();
  TimePoint fails_until_ = TimePoint::min();
  std::uint64_t bits_inverted_ = 0;
};

/// The disk as the programs of one incarnation see it.
class DiskView final : public world::Disk {
 public:
  DiskView(SimulatedDisk& disk, LifeRef life) noexcept : disk_{disk}, life_{std::move(life)} {}
  Result<std::unique_ptr<world::Directory>> open_directory(std::string_view path,
                                                           bool create) override;
  Result<std::unique_ptr<world::TreeNode>> open_tree(std::string_view) override {
    return world::make_memory_tree();
  }

 private:
  SimulatedDisk& disk_;
  LifeRef life_;
};

}  // namespace mutirao::sim
