#include "virtio/balloon.h"

#include <array>
#include <cstring>

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kPageReporting = 1u << 5;
// A queue of a feature that is not offered has no number (5.5.2).
enum BalloonQueue : unsigned { kInflate = 0, kDeflate = 1, kReporting = 2, kBalloonQueues = 3 };
// Of one chain; a driver lists 256.
constexpr std::size_t kListedPagesMax = 4096;
constexpr std::uint64_t kBalloonPage = 4096;

}  // namespace

VirtioDevice::Kind VirtioBalloon::kind() const {
  return {.id = 5,
          .class_code = 0x00FF00,
          .queues = kBalloonQueues,
          .features = kPageReporting,
          .chain_bytes_max = memory_.size()};
}

/// Pages by their numbers, of 32 bits each.
void VirtioBalloon::take_listed(DescriptorChain const& chain) {
  std::array<std::uint8_t, 1024> piece;
  for (std::uint64_t at = 0; at < kListedPagesMax * 4;) {
    auto const count = chain.read(memory_, at, piece) / 4 * 4;
    if (count == 0) return;
    for (std::size_t i = 0; i < count; i += 4) {
      std::uint32_t number;
      std::memcpy(&number, piece.data() + i, sizeof number);
      static_cast<void>(memory_.discard(number * kBalloonPage, kBalloonPage));
    }
    at += count;
  }
}

void VirtioBalloon::serve(unsigned queue, VirtQueue& buffers) {
  while (auto const chain = buffers.take()) {
    if (queue == kInflate) take_listed(*chain);
    if (queue == kReporting)
      for (auto const& [address, size] : chain->writable)
        static_cast<void>(memory_.discard(address, size));
    buffers.give_back(*chain, 0);
  }
}

}  // namespace mutirao::machine
