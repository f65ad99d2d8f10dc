#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "memory/guest_memory.h"
#include "snapshot/state.h"

namespace mutirao::machine {

/// Buffers that a driver lends to a device, in order: first those to read, then those to write.
///
/// Every range was checked when the chain was taken; what lies in it may change at any time, so it
/// is copied before it is believed.
class DescriptorChain {
 public:
  struct Buffer {
    GuestAddress address;
    std::uint32_t size;
  };
  std::vector<Buffer> readable;
  std::vector<Buffer> writable;
  std::uint16_t head = 0;

  [[nodiscard]] std::uint64_t readable_size() const noexcept { return sum(readable); }
  [[nodiscard]] std::uint64_t writable_size() const noexcept { return sum(writable); }

  /// Copies out what the driver wrote, from `offset` on, as far as it goes; gives how much it was.
  std::size_t read(GuestMemory const& memory, std::uint64_t offset, MutableBytes out) const;
  /// Copies into the writable part, as far as there is room.
  std::size_t write(GuestMemory& memory, std::uint64_t offset, ByteView bytes) const;

 private:
  [[nodiscard]] static std::uint64_t sum(std::vector<Buffer> const& buffers) noexcept {
    std::uint64_t total = 0;
    for (Buffer const& buffer : buffers) total += buffer.size;
    return total;
  }
};

/// A split virtqueue (Virtio 1.2, 2.7), the device's side.
///
/// Everything in it is the guest's and may be nonsense: rings outside of memory, loops of
/// descriptors, indexes that jump. Then the queue is broken, gives nothing more, and the transport
/// tells the driver that the device needs a reset.
class VirtQueue {
 public:
  static constexpr std::uint16_t kSizeMax = 256;
  /// What no driver of ours needs in one chain, and no device must hold.
  static constexpr std::uint64_t kChainBytesMax = 16 << 20;

  /// As the driver sets it up; asserted nowhere, judged by `take`.
  std::uint16_t size = kSizeMax;
  GuestAddress descriptors = 0;
  GuestAddress driver_area = 0;
  GuestAddress device_area = 0;
  bool enabled = false;
  /// Of one chain. More only for a device that does not look at what is in it.
  std::uint64_t chain_bytes_max = kChainBytesMax;
  /// Each side says at which index it wants to be told (VIRTIO_F_EVENT_IDX; 2.7.7.2, 2.7.10).
  bool event_index = false;

  explicit VirtQueue(GuestMemory& memory) : memory_{&memory} {}

  void reset();
  /// `held` chains were taken last, and nothing was done with them: the restored queue gives them
  /// once more.
  void save(StateWriter& to, std::uint16_t held = 0) const;
  [[nodiscard]] bool restore(StateReader& from);
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  /// For a device to which a chain makes no sense.
  void break_now() noexcept { broken_ = true; }

  /// The next chain that the driver made available; nothing when there is none, or no sense in it.
  /// Until then the driver need not say that there are more.
  [[nodiscard]] std::optional<DescriptorChain> take();
  /// Whether `take` would give one, or break.
  [[nodiscard]] bool waiting() const;
  /// Hands a chain back, with how many bytes of its writable part were written.
  void give_back(DescriptorChain const& chain, std::uint32_t written);
  /// Whether chains were handed back of which the driver wants to be told; asking clears it.
  [[nodiscard]] bool take_interrupt();

 private:
  struct Descriptor {
    GuestAddress address;
    std::uint32_t size;
    std::uint16_t flags;
    std::uint16_t next;
  };
  std::optional<DescriptorChain> break_off();
  [[nodiscard]] std::optional<Descriptor> descriptor(GuestAddress table, std::uint32_t entries,
                                                     std::uint16_t index) const;
  /// The index of the available ring, or nothing when that lies nowhere.
  [[nodiscard]] std::optional<std::uint16_t> available() const;
  /// Adds a buffer to its part of the chain; false if that makes no sense.
  [[nodiscard]] bool append(DescriptorChain& chain, Descriptor const& part) const;

  GuestMemory* memory_;
  std::uint16_t taken_ = 0;  // of the available ring, modulo 2^16
  std::uint16_t given_ = 0;  // into the used ring
  std::uint16_t told_ = 0;   // of given_, when it was last asked whether to interrupt
  bool broken_ = false;
};

}  // namespace mutirao::machine
