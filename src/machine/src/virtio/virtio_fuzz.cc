// A driver that means no good: the input says which device it drives, and then what guest memory
// is, with rings and tables in it; after each few bytes of the rest the device is asked to serve.
#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "mutirao/base/check.h"

#include "virtio/balloon.h"
#include "virtio/block.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/net.h"
#include "virtio/shared_folder.h"
#include "virtio/transport.h"
#include "virtio/vsock.h"
#include "vsock/packet.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

constexpr GuestAddress kDriverRam = 0x80000000;
constexpr std::uint64_t kDriverRamSize = 4096;

struct SmallSource final : BlockSource {
  Bytes content = Bytes(8 * VirtioBlock::kSector);
  std::uint64_t size() const override { return content.size(); }
  bool writable() const override { return true; }
  Result<void> read(std::uint64_t offset, MutableBytes into, BlockPriority, Deadline) override {
    MUT_ASSERT(offset <= content.size() && into.size() <= content.size() - offset);
    return {};
  }
  Result<void> write(std::uint64_t offset, ByteView bytes, Deadline) override {
    MUT_ASSERT(offset <= content.size() && bytes.size() <= content.size() - offset);
    return {};
  }
  Result<void> flush(Deadline) override { return {}; }
};

/// Resets the device and lets it begin with rings where `layout` says.
void begin(VirtioDevice& device, VirtioPci& function, ByteView layout, std::uint64_t features) {
  function.write(0x14, 1, 0);
  function.write(8, 4, 0);
  function.write(12, 4, std::uint64_t{(layout[0] & 0x10u) != 0} << 29 | features);
  function.write(8, 4, 1);
  function.write(12, 4, 1);
  function.write(0x14, 1, 11);
  for (unsigned queue = 0; queue < device.kind().queues; ++queue) {
    function.write(0x16, 2, queue);
    function.write(0x18, 2, 1u << (layout[0] & 15));
    function.write(0x20, 8, kDriverRam + layout[1] * 16);
    function.write(0x28, 8, kDriverRam + layout[2] * 16);
    function.write(0x30, 8, kDriverRam + layout[3] * 16);
    function.write(0x1C, 2, 1);
  }
  function.write(0x14, 1, 15);
}

/// What the script says, four bytes at a time: a register is written, or memory, or the device
/// begins anew with the next four as its layout.
void drive(VirtioDevice& device, GuestMemory& memory, VirtioPci& function, ByteView script,
           std::uint64_t features = 0) {
  function.write_config(0x10, 4, 0x40000000);
  function.write_config(4, 2, 6);
  begin(device, function, script, features);
  for (std::size_t i = 4; i + 3 < script.size(); i += 4) {
    auto const step = script.subspan(i, 4);
    if (step[0] == 0xFF && i + 7 < script.size()) {
      begin(device, function, script.subspan(i += 4, 4), features);
    } else if ((step[0] & 0x80) != 0) {
      unsigned const width = 1u << (step[2] & 3);
      std::uint64_t const value = width == 8 ? kDriverRam + step[3] * 16 : step[3];
      function.write((step[0] & 0x7F) << 8 | step[1], width, value);
    } else {
      static_cast<void>(memory.store<std::uint8_t>(
          kDriverRam + (step[0] << 8 | step[1]) % kDriverRamSize, step[2]));
      function.write(0x3000 + step[3] % 8 * 4, 2, 0);
    }
    static_cast<void>(function.read((step[0] & 0x40) != 0 ? step[1] : step[1] * 64, 4));
    function.poll();
  }
}

/// Lets what a device asks for be answered late: after two others, or after a reset.
template <class Device>
class LateAnswers {
 public:
  using Job = typename Device::Job;
  /// `job` has been carried out.
  void put(Job job) {
    late_.push_back(std::move(job));
    if (late_.size() < 3) return;
    answer_first();
  }
  void answer_all() {
    while (!late_.empty()) answer_first();
  }

 private:
  void answer_first() {
    auto* const device = late_.front().device;
    device->answer(std::move(late_.front()));
    late_.pop_front();
  }
  std::deque<Job> late_;
};

void drive_block(GuestMemory& memory, ByteView script) {
  SmallSource source;
  LateAnswers<VirtioBlock> late;
  VirtioBlock block{source, "disk",
                    [&](VirtioBlock::Job job) {
                      job.device->carry_out(job, Deadline::never());
                      late.put(std::move(job));
                    },
                    memory};
  VirtioPci function{block, memory};
  drive(block, memory, function, script);
  late.answer_all();
  function.poll();
}

void drive_folder(GuestMemory& memory, ByteView script) {
  std::shared_ptr<world::TreeNode> const tree = world::make_memory_tree();
  static_cast<void>(tree->make("f", 0100644, {}));
  LateAnswers<VirtioSharedFolder> late;
  VirtioSharedFolder folder{tree,
                            {.nodes_max = 8, .files_max = 4},
                            "tag",
                            [&](VirtioSharedFolder::Job job) {
                              job.carry_out();
                              late.put(std::move(job));
                            },
                            memory};
  VirtioPci function{folder, memory};
  drive(folder, memory, function, script);
  late.answer_all();
  function.poll();
}

/// A cable whose other end gives back what it gets, after a small and a large frame of its own.
void drive_network(GuestMemory& memory, ByteView script) {
  nat::FrameLink link{[] {}};
  VirtioNet network{link, memory};
  VirtioPci function{network, memory};
  link.to_guest({Bytes(60)});
  link.to_guest({.bytes = Bytes(3000), .missing_checksum = {{34, 16}}, .segment_bytes = 1460});
  // With none, some or all of what makes frames large.
  constexpr std::uint64_t kChecksums = 3, kTso = 1u << 7 | 1u << 11, kMerges = 1u << 15;
  unsigned const chosen = script[0] >> 5;
  drive(network, memory, function, script,
        (chosen & 1 ? kChecksums : 0) | (chosen & 2 ? kTso : 0) | (chosen & 4 ? kMerges : 0));
  MUT_ASSERT(link.abilities().checksums || !link.abilities().large_frames);
  auto const frames = link.wait(Deadline::at(TimePoint{}));
  if (frames) {
    for (nat::Frame const& frame : *frames) {
      MUT_ASSERT(frame.bytes.size() <= nat::kFrameBytesMax);
      link.to_guest(frame);
    }
  }
  function.poll();
}

/// Sockets whose host says two things, one of them longer than any buffer here, and then again what
/// the guest said.
void drive_sockets(GuestMemory& memory, ByteView script) {
  nat::FrameLink link{[] {}};
  VirtioVsock sockets{link, memory};
  VirtioPci function{sockets, memory};
  Bytes const words(5000);
  link.to_guest({vsock::to_bytes({.operation = vsock::Packet::request})});
  link.to_guest({vsock::to_bytes({.operation = vsock::Packet::data, .payload = words})});
  drive(sockets, memory, function, script);
  if (auto const frames = link.wait(Deadline::at(TimePoint{}))) {
    for (nat::Frame const& frame : *frames)
      if (vsock::parse_packet(frame.bytes)) link.to_guest(frame);
  }
  function.poll();
}

void drive_console(GuestMemory& memory, ByteView script) {
  std::uint64_t sent = 0;
  VirtioConsole console{[&](ByteView bytes) { sent += bytes.size(); }, memory};
  static_cast<void>(console.type("typed beforehand"));
  VirtioPci function{console, memory};
  drive(console, memory, function, script);
}

void drive_entropy(GuestMemory& memory, ByteView script) {
  VirtioEntropy entropy{[](MutableBytes bytes) { std::ranges::fill(bytes, 1); }, memory};
  VirtioPci function{entropy, memory};
  drive(entropy, memory, function, script);
}

void drive_balloon(GuestMemory& memory, ByteView script) {
  VirtioBalloon balloon{memory};
  VirtioPci function{balloon, memory};
  drive(balloon, memory, function, script);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  constexpr auto kDrives = std::to_array({drive_console, drive_entropy, drive_balloon, drive_block,
                                          drive_folder, drive_network, drive_sockets});
  if (size < 9) return 0;
  ByteView const input{data + 1, size - 1};
  auto const memory = *GuestMemory::create(kDriverRam, kDriverRamSize);
  std::size_t const filled = std::min<std::size_t>(input.size() / 2, kDriverRamSize);
  if (!memory->write(kDriverRam, input.first(filled))) return 0;
  kDrives[data[0] % kDrives.size()](*memory, input.subspan(filled));
  return 0;
}
