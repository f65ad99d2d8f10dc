#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mutirao/machine/machine.h"

#include "snapshot/state.h"

namespace mutirao::machine {

/// What a snapshot says of the machine as a whole: how it was made, what time it is there, and what
/// lies on its disks.
struct MachineState final : Saved {
  static constexpr std::size_t kTypedMax = 1 << 20;

  /// Of a disk that is there again when the machine is restored.
  struct Disk {
    std::uint64_t size = 0;
    bool writable = false;
    std::uint32_t fingerprint = 0;  ///< of blocks here and there
    friend bool operator==(Disk const&, Disk const&) = default;
  };

  std::uint64_t memory_bytes = 0;
  unsigned cpus = 0;
  ConsoleDevice console = ConsoleDevice::serial;
  Timebase timebase = Timebase::host;
  bool firmware_inside = true;
  std::uint64_t ticks = 0;       ///< of the CSR `time`
  std::uint64_t ticks_idle = 0;  ///< of them: those in which no hart computed
  std::uint64_t random_state = 0;
  std::uint32_t started = 0;  ///< a bit for each hart
  Bytes typed{};              ///< and not yet taken
  std::vector<Disk> disks{};
  // Since version 2
  bool network = false;
  bool vsock = false;
  std::vector<std::string> share_tags{};

  [[nodiscard]] std::uint32_t state_version() const override { return 2; }

  [[nodiscard]] Result<void> save(StateWriter& to) const override;
  [[nodiscard]] bool restore(StateReader& from) override;
};

/// What tells one disk from another without reading all of it: a few blocks, from the first to the
/// last.
[[nodiscard]] Result<MachineState::Disk> look_at_disk(BlockSource& source, Deadline deadline);

}  // namespace mutirao::machine
