#include "board/machine_state.h"

#include <algorithm>
#include <zlib.h>

namespace mutirao::machine {
namespace {

constexpr std::uint32_t kDisksSavedMax = 64, kSharesSavedMax = 64;
constexpr std::size_t kTagSavedMax = 64;
constexpr std::uint64_t kSampledBytes = 4096, kSamples = 16;

}  // namespace

Result<void> MachineState::save(StateWriter& to) const {
  to.put(memory_bytes);
  to.put(static_cast<std::uint32_t>(cpus));
  to.put(console);
  to.put(timebase);
  to.put(firmware_inside);
  for (auto const value : {ticks, ticks_idle, random_state}) to.put(value);
  to.put(started);
  to.put(ByteView{typed});
  to.put(static_cast<std::uint32_t>(disks.size()));
  for (Disk const& disk : disks) {
    to.put(disk.size);
    to.put(disk.writable);
    to.put(disk.fingerprint);
  }
  to.put(network);
  to.put(vsock);
  to.put(static_cast<std::uint32_t>(share_tags.size()));
  for (auto const& tag : share_tags) to.put(base::view_of(tag));
  return {};
}

bool MachineState::restore(StateReader& from) {
  std::uint32_t count = 0, disk_count = 0;
  std::uint8_t console_number = 0, timebase_number = 0;
  bool const there = from.get(memory_bytes) && from.get(count) && from.get(console_number) &&
                     from.get(timebase_number) && from.get(firmware_inside) && from.get(ticks) &&
                     from.get(ticks_idle) && from.get(random_state) && from.get(started) &&
                     from.get(typed, kTypedMax) && from.get(disk_count);
  if (!there || console_number > 1 || timebase_number > 1 || disk_count > kDisksSavedMax)
    return false;
  cpus = count;
  console = static_cast<ConsoleDevice>(console_number);
  timebase = static_cast<Timebase>(timebase_number);
  disks.resize(disk_count);
  bool const disks_there = std::ranges::all_of(disks, [&](Disk& disk) {
    return from.get(disk.size) && from.get(disk.writable) && from.get(disk.fingerprint);
  });
  if (!disks_there || from.version() == 1) return disks_there;
  std::uint32_t share_count = 0;
  if (!from.get(network) || !from.get(vsock) || !from.get(share_count) ||
      share_count > kSharesSavedMax)
    return false;
  share_tags.resize(share_count);
  return std::ranges::all_of(share_tags, [&](std::string& tag) {
    Bytes bytes;
    bool const there = from.get(bytes, kTagSavedMax);
    tag = base::text_of(bytes);
    return there;
  });
}

Result<MachineState::Disk> look_at_disk(BlockSource& source, Deadline deadline) {
  MachineState::Disk disk{.size = source.size(), .writable = source.writable()};
  Bytes bytes(std::min(disk.size, kSampledBytes));
  for (std::uint64_t n = 0; n < kSamples && !bytes.empty(); ++n) {
    auto const at = (disk.size - bytes.size()) / 512 * n / (kSamples - 1) * 512;
    MUT_TRY(source.read(at, bytes, BlockPriority::guest, deadline));
    disk.fingerprint =
        static_cast<std::uint32_t>(crc32_z(disk.fingerprint, bytes.data(), bytes.size()));
  }
  return disk;
}

}  // namespace mutirao::machine
