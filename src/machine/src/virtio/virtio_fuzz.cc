// A driver that means no good: the input is the whole of guest memory with rings and tables in it,
// and after each few bytes of the rest the device is asked to serve.
#include <algorithm>
#include <cstdint>
#include <deque>

#include "mutirao/base/check.h"

#include "virtio/block.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/net.h"
#include "virtio/transport.h"

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

void drive(VirtioDevice& device, GuestMemory& memory, VirtioPci& function, ByteView script,
           std::uint64_t features = 0) {
  function.write_config(0x10, 4, 0x40000000);
  function.write_config(4, 2, 6);
  function.write(8, 4, 0);
  function.write(12, 4, std::uint64_t{(script[0] & 0x10u) != 0} << 29 | features);
  function.write(8, 4, 1);
  function.write(12, 4, 1);
  function.write(0x14, 1, 11);
  for (unsigned queue = 0; queue < device.kind().queues; ++queue) {
    function.write(0x16, 2, queue);
    function.write(0x18, 2, 1u << (script[0] & 15));
    function.write(0x20, 8, kDriverRam + script[1] * 16);
    function.write(0x28, 8, kDriverRam + script[2] * 16);
    function.write(0x30, 8, kDriverRam + script[3] * 16);
    function.write(0x1C, 2, 1);
  }
  function.write(0x14, 1, 15);
  for (std::size_t i = 4; i + 3 < script.size(); i += 4) {
    if ((script[i] & 0x80) != 0) {
      function.write((script[i] & 0x7F) << 8 | script[i + 1], 1u << (script[i + 2] & 3),
                     script[i + 3]);
    } else {
      static_cast<void>(memory.store<std::uint8_t>(
          kDriverRam + (script[i] << 8 | script[i + 1]) % kDriverRamSize, script[i + 2]));
      function.write(0x3000 + script[i + 3] % 8, 2, 0);
    }
    static_cast<void>(function.read(script[i + 1] * 64, 4));
    function.poll();
  }
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size < 8) return 0;
  auto const memory = *GuestMemory::create(kDriverRam, kDriverRamSize);
  std::size_t const filled = std::min<std::size_t>(size / 2, kDriverRamSize);
  if (!memory->write(kDriverRam, {data, filled})) return 0;
  ByteView const script{data + filled, size - filled};
  std::uint64_t sent = 0;
  VirtioConsole console{[&](ByteView bytes) { sent += bytes.size(); }, *memory};
  VirtioEntropy entropy{[](MutableBytes bytes) { std::ranges::fill(bytes, 1); }, *memory};
  static_cast<void>(console.type("typed beforehand"));
  VirtioPci console_function{console, *memory};
  VirtioPci entropy_function{entropy, *memory};
  drive(console, *memory, console_function, script);
  drive(entropy, *memory, entropy_function, script);
  SmallSource source;
  // Answers come late: after those of two others, or after a reset.
  std::deque<VirtioBlock::Job> late;
  VirtioBlock block{source, "disk",
                    [&](VirtioBlock::Job job) {
                      job.device->carry_out(job, Deadline::never());
                      late.push_back(std::move(job));
                      if (late.size() < 3) return;
                      late.front().device->answer(std::move(late.front()));
                      late.pop_front();
                    },
                    *memory};
  VirtioPci block_function{block, *memory};
  drive(block, *memory, block_function, script);
  for (VirtioBlock::Job& job : late) block.answer(std::move(job));
  block_function.poll();
  drive_network(*memory, script);
  return 0;
}
