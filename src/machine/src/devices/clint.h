#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "hart/hart.h"
#include "memory/bus.h"

namespace mutirao::machine {

/// The core-local interruptor: software interrupts between harts, and the machine timer, for
/// firmware that runs in machine mode (layout of the SiFive CLINT; ACLINT 1.0 has the same
/// registers).
class Clint final : public Device {
 public:
  static constexpr std::uint64_t kSize = 0x10000;

  /// All outlive this.
  Clint(std::vector<Hart*> harts, HartHost& host);

  /// Raises what is due, of all harts or of one. Called when time may have passed.
  void look_at_time();
  void look_at_time(std::size_t hart);
  /// The tick at which something is due next; the greatest number if nothing is.
  [[nodiscard]] std::uint64_t next_due() const noexcept;
  [[nodiscard]] std::uint64_t due(std::size_t hart) const noexcept { return compare_[hart].load(); }

  [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  std::vector<Hart*> harts_;
  HartHost& host_;
  std::vector<std::atomic<std::uint64_t>> compare_;
};

}  // namespace mutirao::machine
