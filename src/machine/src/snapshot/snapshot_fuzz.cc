// Any bytes as the header and as the state of a snapshot: parts take what makes sense, the rest is
// refused, and what was taken can be used and saved again.
#include <cstdint>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "mutirao/base/check.h"

#include "board/machine_state.h"
#include "devices/clint.h"
#include "devices/plic.h"
#include "devices/rtc.h"
#include "devices/uart.h"
#include "snapshot/hart_state.h"
#include "snapshot/snapshot_file.h"
#include "snapshot/state.h"
#include "virtio/balloon.h"
#include "virtio/block.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/transport.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

struct StillHost final : HartHost {
  std::uint64_t time() override { return 0; }
};

struct EmptySource final : BlockSource {
  std::uint64_t size() const override { return 8 * VirtioBlock::kSector; }
  bool writable() const override { return true; }
  Result<void> read(std::uint64_t, MutableBytes, BlockPriority, Deadline) override { return {}; }
  Result<void> write(std::uint64_t, ByteView, Deadline) override { return {}; }
  Result<void> flush(Deadline) override { return {}; }
};

/// Takes the section of that name, if there is one that makes sense, and saves it again.
bool taken(std::vector<StateSection>& sections, std::string_view name, Saved& part) {
  if (!restore_section(sections, name, part)) return false;
  Bytes again;
  MUT_ASSERT(append_section(again, name, part));
  auto read = *read_sections(again);
  MUT_ASSERT(restore_section(read, name, part));
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const input{data, size};
  static_cast<void>(read_snapshot_header(input));
  auto sections = read_sections(input);
  if (!sections) return 0;

  auto const memory = *GuestMemory::create(0x80000000, 64 << 10);
  StillHost host;
  auto const hart = std::make_unique<Hart>();
  SavedHart saved_hart{*hart};
  Plic plic{{hart.get()}};
  Clint clint{{hart.get()}, host};
  Uart uart{[](std::uint8_t) {}, {plic, 10}};
  Rtc rtc{[] { return std::uint64_t{0}; }, {plic, 11}};
  PciHost pci{plic, 32, 0x40000000, 0x1000000};
  VirtioConsole console{[](ByteView) {}, *memory};
  VirtioEntropy entropy{[](MutableBytes) {}, *memory};
  VirtioBalloon balloon{*memory};
  EmptySource source;
  VirtioBlock block{source, "disk", [](VirtioBlock::Job) {}, *memory};
  VirtioPci functions[] = {
      {console, *memory}, {entropy, *memory}, {balloon, *memory}, {block, *memory}};
  for (unsigned slot = 0; slot < std::size(functions); ++slot) pci.add(slot + 1, functions[slot]);
  MachineState state;

  static_cast<void>(taken(*sections, "machine", state));
  static_cast<void>(taken(*sections, "hart-0", saved_hart));
  if (taken(*sections, "clint", clint)) clint.look_at_time();
  if (taken(*sections, "plic", plic))
    for (unsigned n = 0; n < 200; ++n) static_cast<void>(plic.read(0x201004, 4));
  if (taken(*sections, "uart", uart))
    for (unsigned n = 0; n < 8; ++n) static_cast<void>(uart.read(n, 1));
  if (taken(*sections, "rtc", rtc)) rtc.look_at_time();
  for (unsigned slot = 0; slot < std::size(functions); ++slot) {
    auto& function = functions[slot];
    if (!taken(*sections, fmt::format("pci-{}-{}", slot + 1, function.what()), function)) continue;
    function.poll();
    for (unsigned at = 0; at < 64; ++at) static_cast<void>(pci.window().read(at, 1));
  }
  return 0;
}
