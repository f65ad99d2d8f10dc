#pragma once

#include <optional>

#include "nat/frame_link.h"
#include "virtio/transport.h"

namespace mutirao::machine {

/// Virtio sockets (Virtio 1.2, 5.10), at the guest's end of a link to vsock::Ports.
///
/// No connection outlives the process that has its other end: the driver of a restored device is
/// told that they all are gone (VIRTIO_VSOCK_EVENT_TRANSPORT_RESET, 5.10.6.7).
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
  [[nodiscard]] Result<void> save(StateWriter&) const override { return {}; }
  [[nodiscard]] bool restore(StateReader&) override {
    was_cut_off_ = true;
    return true;
  }

 private:
  void tell(VirtQueue& buffers);
  void receive(VirtQueue& buffers);
  void transmit(VirtQueue& buffers);

  nat::FrameLink& link_;
  GuestMemory& memory_;
  bool was_cut_off_ = false;           // and the driver does not know yet
  std::optional<nat::Frame> waiting_;  // for buffers, or for more of them
};

}  // namespace mutirao::machine
