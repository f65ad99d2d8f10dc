#pragma once

#include <deque>
#include <functional>
#include <string_view>

#include "virtio/transport.h"

namespace mutirao::machine {

/// A console of one port (Virtio 1.2, 5.3): many bytes at a time, where a serial port traps for
/// each.
class VirtioConsole final : public VirtioDevice {
 public:
  static constexpr std::size_t kInputMax = 1 << 20;

  /// `output` gets what the guest sends. `memory` outlives this.
  VirtioConsole(std::function<void(ByteView)> output, GuestMemory& memory)
      : output_{std::move(output)}, memory_{memory} {}

  /// Gives how much there was room for; the transport is polled afterwards.
  std::size_t type(std::string_view bytes);

  [[nodiscard]] Kind kind() const override {
    return {.id = 3, .class_code = 0x078000, .queues = 2};
  }
  void serve(unsigned queue, VirtQueue& buffers) override;
  [[nodiscard]] Result<void> save(StateWriter& to) const override {
    to.put(Bytes{input_.begin(), input_.end()});
    return {};
  }
  [[nodiscard]] bool restore(StateReader& from) override;

 private:
  std::function<void(ByteView)> output_;
  GuestMemory& memory_;
  std::deque<std::uint8_t> input_;
};

}  // namespace mutirao::machine
