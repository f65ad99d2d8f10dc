#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "mutirao/threads/mutex.h"

#include "devices/pci.h"
#include "virtio/queue.h"

namespace mutirao::machine {

/// What one kind of virtio device does; how a driver reaches it is the transport's matter.
///
/// Called by the transport, one call at a time, mostly on the thread of a hart, which stands still
/// meanwhile. That may be a bound thread: a device may lock and notify there, but neither spawn nor
/// wait for anything outside.
class VirtioDevice {
 public:
  struct Kind {
    std::uint16_t id;  ///< Virtio 1.2, chapter 5
    std::uint32_t class_code;
    std::uint16_t queues;
    std::uint64_t features = 0;  ///< of the device itself; the transport adds its own
    std::uint64_t chain_bytes_max = VirtQueue::kChainBytesMax;
  };
  virtual ~VirtioDevice() = default;
  [[nodiscard]] virtual Kind kind() const = 0;
  /// A byte of the device's configuration; zero beyond its end.
  [[nodiscard]] virtual std::uint8_t config(std::uint64_t offset) const {
    static_cast<void>(offset);
    return 0;
  }
  /// What of `features` and of the transport's the driver takes part in, before it uses any queue.
  virtual void accept(std::uint64_t features) { static_cast<void>(features); }
  /// The driver says that there is something new in a queue, or the device itself wants to look.
  virtual void serve(unsigned queue, VirtQueue& buffers) = 0;
  /// The driver starts anew: chains that were taken are gone.
  virtual void reset() {}
  /// What it knows beyond its queues, for a snapshot; see Saved. A device that has taken chains,
  /// has begun with them and not given them back cannot be saved, and says so. One that is restored
  /// is told first what the driver accepted.
  [[nodiscard]] virtual Result<void> save(StateWriter& to) const {
    static_cast<void>(to);
    return fail(Fault::unsupported, "this device cannot be saved", "make the machine without it");
  }
  [[nodiscard]] virtual bool restore(StateReader& from) { return from.wrong(); }
  /// Of the chains that it took last from a queue: how many it has not touched, so that a restored
  /// device may take them anew.
  [[nodiscard]] virtual std::uint16_t held(unsigned queue) const {
    static_cast<void>(queue);
    return 0;
  }
};

/// Virtio over PCI, modern only (Virtio 1.2, 4.1): what an unmodified Debian kernel has built in.
///
/// Interrupts go by wire. Queues are split, with indirect descriptors and event indexes.
class VirtioPci final : public PciFunction {
 public:
  /// Both outlive this.
  VirtioPci(VirtioDevice& device, GuestMemory& memory);

  /// Lets the device look at its queues: it has got something to say. From any thread, but not from
  /// within a call of the device.
  void poll() {
    poll([] {});
  }
  /// The same after `change`, which is to the device as if it had called it itself: from any
  /// thread.
  template <class Change>
  void poll(Change const& change) {
    std::lock_guard const lock{mutex_};
    change();
    serve_all();
  }

  [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) override;
  void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

  [[nodiscard]] std::string_view what() const override;
  [[nodiscard]] Result<void> save(StateWriter& to) const override;
  [[nodiscard]] bool restore(StateReader& from) override;

 private:
  [[nodiscard]] std::uint64_t read_common(std::uint64_t offset) const;
  void write_common(std::uint64_t offset, unsigned size, std::uint64_t value);
  [[nodiscard]] std::uint64_t features() const noexcept;
  void write_status(std::uint8_t value);
  void serve(unsigned queue);
  void serve_all();
  void reset();
  [[nodiscard]] VirtQueue* selected() noexcept {
    return queue_select_ < queues_.size() ? &queues_[queue_select_] : nullptr;
  }

  threads::mutex mutex_;  // of all below, and of the device
  VirtioDevice& device_;
  VirtioDevice::Kind const kind_;
  std::vector<VirtQueue> queues_;
  std::uint32_t device_feature_select_ = 0;
  std::uint32_t driver_feature_select_ = 0;
  std::uint64_t driver_features_ = 0;
  std::uint16_t queue_select_ = 0;
  std::uint8_t status_ = 0;
  std::uint8_t interrupt_status_ = 0;
};

}  // namespace mutirao::machine
