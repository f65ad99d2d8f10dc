#pragma once

#include <optional>

#include "nat/frame_link.h"
#include "virtio/transport.h"

namespace mutirao::machine {

/// Virtio sockets (Virtio 1.2, 5.10), at the guest's end of a link to vsock::Ports.
class VirtioVsock final : public VirtioDevice {
 public:
  /// Both outlive this. The transport is polled when `link` has news.
  VirtioVsock(nat::FrameLink& link, GuestMemory& memory) : link_{link}, memory_{memory} {}

  [[nodiscard]] Kind kind() const override {
    return {.id = 19, .class_code = 0x078000, .queues = 3};
  }
  [[nodiscard]] std::uint8_t config(std::uint64_t offset) const override;
  void serve(unsigned queue, VirtQueue& buffers) override;
  void reset() override;

 private:
  void receive(VirtQueue& buffers);
  void transmit(VirtQueue& buffers);

  nat::FrameLink& link_;
  GuestMemory& memory_;
  std::optional<nat::Frame> waiting_;  // for buffers, or for more of them
};

}  // namespace mutirao::machine
