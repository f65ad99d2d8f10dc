#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "memory/guest_memory.h"

namespace mutirao::machine {

/// Registers that a guest reads and writes in place of memory.
///
/// Offsets are from the start of the device's range and aligned to `size`, which is 1, 2, 4 or 8;
/// the access lies inside the range. What a device does not have reads as zero and ignores writes:
/// what a guest does is no error of ours. Called by harts, several at the same time: each device
/// has a lock of its own, and holds it for a short time.
class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual std::uint64_t read(std::uint64_t offset, unsigned size) = 0;
  virtual void write(std::uint64_t offset, unsigned size, std::uint64_t value) = 0;
};

/// What stands at which physical address: RAM and devices.
class Bus {
 public:
  /// `memory` outlives this.
  explicit Bus(GuestMemory& memory) noexcept : memory_{memory} {}

  [[nodiscard]] GuestMemory& memory() noexcept { return memory_; }
  /// `device` outlives this; ranges never overlap each other or RAM.
  void attach(GuestAddress base, std::uint64_t size, Device& device);

  /// An access to a device. Nothing (an access fault) where there is none, and for one that is not
  /// aligned: no device of ours has registers that could be read in parts.
  [[nodiscard]] std::optional<std::uint64_t> read(GuestAddress address, unsigned size);
  [[nodiscard]] bool write(GuestAddress address, unsigned size, std::uint64_t value);

 private:
  struct Range {
    GuestAddress base;
    std::uint64_t size;
    Device* device;
  };
  [[nodiscard]] Range const* find(GuestAddress address, unsigned size) const noexcept;

  GuestMemory& memory_;
  std::vector<Range> ranges_;
};

}  // namespace mutirao::machine
