// Any bytes as the header and as the state of a snapshot: parts take what makes sense, the rest is
// refused, and what was taken can be used and saved again.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/sim/simulation.h"

#include "board/machine_state.h"
#include "devices/clint.h"
#include "devices/plic.h"
#include "devices/rtc.h"
#include "devices/uart.h"
#include "nat/nat.h"
#include "snapshot/hart_state.h"
#include "snapshot/snapshot_file.h"
#include "snapshot/state.h"
#include "testing/fuse_client.h"
#include "virtio/balloon.h"
#include "virtio/block.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/net.h"
#include "virtio/shared_folder.h"
#include "virtio/transport.h"
#include "virtio/vsock.h"

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

/// A shared folder: what it knows is asked for, node by node and file by file.
void use_folder(std::vector<StateSection>& sections, GuestMemory& memory) {
  std::shared_ptr<world::TreeNode> const tree = world::make_memory_tree();
  static_cast<void>(tree->make("f", 0100644, {}));
  auto const folder = *tree->make("d", 0040755, {});
  static_cast<void>(folder->make("f", 0100644, {}));
  VirtioSharedFolder device{tree, {}, "tag", [](VirtioSharedFolder::Job) {}, memory};
  VirtioPci function{device, memory};
  static_cast<void>(taken(sections, "pci-16-fs", function));
  auto const bare = std::ranges::find(sections, std::string_view{"folder"}, &StateSection::name);
  if (bare == sections.end()) return;
  FuseServer server{tree, {.nodes_max = 64, .files_max = 64}};
  StateReader from{bare->content, bare->version};
  if (!server.restore(from) || !from.complete()) return;
  for (std::uint64_t number = 0; number < 16; ++number)
    for (auto const opcode : {FUSE_GETATTR, FUSE_OPENDIR, FUSE_READ, FUSE_LOOKUP, FUSE_UNLINK}) {
      FuseRequest request{opcode, number};
      fuse_read_in in{};
      in.fh = number;
      in.size = 16;
      if (opcode == FUSE_LOOKUP || opcode == FUSE_UNLINK)
        request << std::string_view{"f"};
      else
        request << in;
      static_cast<void>(server.answer(request.bytes(), 4096));
    }
  StateWriter again;
  server.save(again);
  FuseServer other{tree, {.nodes_max = 64, .files_max = 64}};
  StateReader from_again{again.bytes(), 1};
  MUT_ASSERT(other.restore(from_again) && from_again.complete());
}

void use_router(std::vector<StateSection>& sections) {
  if (std::ranges::find(sections, std::string_view{"nat"}, &StateSection::name) == sections.end())
    return;
  sim::Simulation simulation;
  simulation.run([&](sim::Simulation& inside) {
    nat::FrameLink link{[] {}};
    auto const router = *nat::Nat::create({}, link, inside.add_host("here").world());
    static_cast<void>(taken(sections, "nat", *router));
    while (auto const frame = link.receive())
      MUT_ASSERT(frame->bytes.size() <= nat::kFrameBytesMax);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const input{data, size};
  static_cast<void>(read_snapshot_header(input));
  if (auto const note = read_note(input)) MUT_ASSERT(write_note(*note).size() <= input.size());
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
  nat::FrameLink net_link{[] {}}, vsock_link{[] {}};
  VirtioNet net{net_link, *memory};
  VirtioVsock vsock{vsock_link, *memory};
  VirtioBalloon balloon{*memory};
  EmptySource source;
  VirtioBlock block{source, "disk", [](VirtioBlock::Job) {}, *memory};
  VirtioPci functions[] = {{console, *memory}, {entropy, *memory}, {net, *memory},
                           {vsock, *memory},   {balloon, *memory}, {block, *memory}};
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
  use_folder(*sections, *memory);
  use_router(*sections);
  for (unsigned slot = 0; slot < std::size(functions); ++slot) {
    auto& function = functions[slot];
    if (!taken(*sections, fmt::format("pci-{}-{}", slot + 1, function.what()), function)) continue;
    net_link.to_guest({Bytes(60)});
    function.poll();
    for (unsigned at = 0; at < 64; ++at) static_cast<void>(pci.window().read(at, 1));
  }
  return 0;
}
