#pragma once

#include <algorithm>
#include <array>
#include <functional>

#include "virtio/transport.h"

namespace mutirao::machine {

/// Randomness for the guest (Virtio 1.2, 5.4).
class VirtioEntropy final : public VirtioDevice {
 public:
  /// `fill` makes random bytes. `memory` outlives this.
  VirtioEntropy(std::function<void(MutableBytes)> fill, GuestMemory& memory)
      : fill_{std::move(fill)}, memory_{memory} {}

  [[nodiscard]] Kind kind() const override {
    return {.id = 4, .class_code = 0x00FF00, .queues = 1};
  }
  [[nodiscard]] Result<void> save(StateWriter&) const override { return {}; }
  [[nodiscard]] bool restore(StateReader&) override { return true; }
  void serve(unsigned, VirtQueue& buffers) override {
    std::array<std::uint8_t, 256> bytes;
    while (auto const chain = buffers.take()) {
      // A driver asks again for what it did not get.
      std::size_t const count =
          std::min(bytes.size(), static_cast<std::size_t>(chain->writable_size()));
      fill_({bytes.data(), count});
      std::size_t const written = chain->write(memory_, 0, {bytes.data(), count});
      buffers.give_back(*chain, static_cast<std::uint32_t>(written));
    }
  }

 private:
  std::function<void(MutableBytes)> fill_;
  GuestMemory& memory_;
};

}  // namespace mutirao::machine
