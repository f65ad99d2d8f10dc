#pragma once

#include <optional>
#include <vector>

#include "nat/frame_link.h"
#include "virtio/transport.h"

namespace mutirao::machine {

/// A network card (Virtio 1.2, 5.1), at the guest's end of a FrameLink.
///
/// What costs a guest most is each single packet. So it may hand over TCP segments of up to 64 KiB
/// and get such, spread over as many of its buffers as they need, and nobody makes checksums of
/// what does not leave this process.
class VirtioNet final : public VirtioDevice {
 public:
  /// Both outlive this. The transport is polled when `link` has news.
  VirtioNet(nat::FrameLink& link, GuestMemory& memory) : link_{link}, memory_{memory} {}

  [[nodiscard]] Kind kind() const override;
  [[nodiscard]] std::uint8_t config(std::uint64_t offset) const override;
  void accept(std::uint64_t features) override;
  void serve(unsigned queue, VirtQueue& buffers) override;
  void reset() override;
  /// Frames that were under way are lost, as on any cable.
  [[nodiscard]] Result<void> save(StateWriter&) const override { return {}; }
  [[nodiscard]] bool restore(StateReader&) override { return true; }
  [[nodiscard]] std::uint16_t held(unsigned queue) const override;

 private:
  void receive(VirtQueue& buffers);
  void transmit(VirtQueue& buffers);
  /// Whether there are buffers for all of `waiting_`, which are in `taken_` then.
  [[nodiscard]] bool gather(VirtQueue& buffers);
  void deliver(VirtQueue& buffers);
  [[nodiscard]] nat::Frame frame_of(DescriptorChain const& chain) const;

  nat::FrameLink& link_;
  GuestMemory& memory_;
  bool merges_buffers_ = false;
  std::optional<nat::Frame> waiting_;   // for buffers
  std::vector<DescriptorChain> taken_;  // for it
  std::uint64_t taken_bytes_ = 0;
};

}  // namespace mutirao::machine
