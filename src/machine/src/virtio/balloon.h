#pragma once

#include "virtio/transport.h"

namespace mutirao::machine {

/// Gives memory that the guest does not use back to the host (Virtio 1.2, 5.5).
///
/// A guest that once used a gigabyte holds it for ever, though most is free again: only it knows.
/// Here it tells which pages are free, in large pieces, some seconds after they became so
/// (VIRTIO_BALLOON_F_PAGE_REPORTING); the host takes them back, and the guest may use them again
/// without asking. That it should give up more than what is free is never asked of it: the balloon
/// stays empty, but what a driver puts into it is taken as well.
class VirtioBalloon final : public VirtioDevice {
 public:
  /// `memory` outlives this.
  explicit VirtioBalloon(GuestMemory& memory) : memory_{memory} {}

  [[nodiscard]] Kind kind() const override;
  void serve(unsigned queue, VirtQueue& buffers) override;
  [[nodiscard]] Result<void> save(StateWriter&) const override { return {}; }
  [[nodiscard]] bool restore(StateReader&) override { return true; }

 private:
  void take_listed(DescriptorChain const& chain);

  GuestMemory& memory_;
};

}  // namespace mutirao::machine
