#include "virtio/transport.h"

#include <array>

namespace mutirao::machine {
namespace {

constexpr std::uint16_t kVirtioVendor = 0x1AF4, kFirstDeviceId = 0x1040;
constexpr std::uint64_t kIndirectDescriptors = 1ull << 28, kEventIndex = 1ull << 29,
                        kVersion1 = 1ull << 32;

// Where things lie in BAR 0.
constexpr std::uint32_t kCommonAt = 0, kInterruptAt = 0x1000, kConfigAt = 0x2000,
                        kNotifyAt = 0x3000, kPartSize = 0x1000, kMemorySize = 0x4000,
                        kNotifyStride = 4;
enum CapabilityType : std::uint8_t { kCommonType = 1, kNotifyType, kInterruptType, kConfigType };

// The common configuration (4.1.4.3).
enum CommonOffset : std::uint64_t {
  kDeviceFeatureSelect = 0x00,
  kDeviceFeature = 0x04,
  kDriverFeatureSelect = 0x08,
  kDriverFeature = 0x0C,
  kConfigVector = 0x10,
  kNumQueues = 0x12,
  kDeviceStatus = 0x14,
  kConfigGeneration = 0x15,
  kQueueSelect = 0x16,
  kQueueSize = 0x18,
  kQueueVector = 0x1A,
  kQueueEnable = 0x1C,
  kQueueNotifyOffset = 0x1E,
  kQueueDescriptors = 0x20,
  kQueueDriver = 0x28,
  kQueueDevice = 0x30,
};
constexpr std::uint16_t kNoVector = 0xFFFF;
constexpr std::uint8_t kDriverOk = 4, kFeaturesOk = 8, kNeedsReset = 64;
constexpr std::uint8_t kQueueInterrupt = 1, kConfigInterrupt = 2;

Bytes capability(CapabilityType type, std::uint32_t offset, std::uint32_t length) {
  bool const notify = type == kNotifyType;
  Bytes bytes{static_cast<std::uint8_t>(notify ? 20 : 16), type, 0, 0, 0, 0};
  auto const add = [&](std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  };
  add(offset);
  add(length);
  if (notify) add(kNotifyStride);
  return bytes;
}

/// `whole` with one of its halves, or all of it, replaced.
std::uint64_t with_part(std::uint64_t whole, std::uint64_t offset, unsigned size,
                        std::uint64_t value) {
  if (size == 8) return value;
  unsigned const shift = (offset & 4) != 0 ? 32 : 0;
  return (whole & ~(std::uint64_t{0xFFFFFFFF} << shift)) | (value & 0xFFFFFFFF) << shift;
}

}  // namespace

VirtioPci::VirtioPci(VirtioDevice& device, GuestMemory& memory)
    : PciFunction{{kVirtioVendor, static_cast<std::uint16_t>(kFirstDeviceId + device.kind().id),
                   device.kind().class_code, 1, kMemorySize}},
      device_{device},
      kind_{device.kind()},
      queues_(kind_.queues, VirtQueue{memory}) {
  for (VirtQueue& queue : queues_) queue.chain_bytes_max = kind_.chain_bytes_max;
  add_capability(capability(kCommonType, kCommonAt, 0x38));
  add_capability(capability(kInterruptType, kInterruptAt, 1));
  add_capability(capability(kConfigType, kConfigAt, kPartSize));
  add_capability(capability(kNotifyType, kNotifyAt, kNotifyStride * kind_.queues));
}

std::uint64_t VirtioPci::features() const noexcept {
  return kind_.features | kIndirectDescriptors | kEventIndex | kVersion1;
}

void VirtioPci::reset() {
  for (VirtQueue& queue : queues_) queue.reset();
  device_.reset();
  device_feature_select_ = driver_feature_select_ = 0;
  driver_features_ = 0;
  queue_select_ = 0;
  status_ = interrupt_status_ = 0;
  set_interrupt(false);
}

void VirtioPci::write_status(std::uint8_t value) {
  if (value == 0) return reset();
  // Features that were not offered, or the old interface, are not accepted (3.1.1).
  bool const acceptable =
      (driver_features_ & ~features()) == 0 && (driver_features_ & kVersion1) != 0;
  if (!acceptable) value &= static_cast<std::uint8_t>(~kFeaturesOk);
  status_ = value | (status_ & kNeedsReset);
  if ((status_ & kFeaturesOk) != 0) device_.accept(driver_features_);
  if ((status_ & kDriverOk) != 0) serve_all();
}

void VirtioPci::serve_all() {
  for (unsigned queue = 0; queue < queues_.size(); ++queue) serve(queue);
}

void VirtioPci::serve(unsigned queue) {
  if ((status_ & kDriverOk) == 0 || (status_ & kNeedsReset) != 0 || !queues_[queue].enabled) return;
  device_.serve(queue, queues_[queue]);
  if (queues_[queue].take_interrupt()) interrupt_status_ |= kQueueInterrupt;
  if (queues_[queue].broken()) {
    status_ |= kNeedsReset;
    interrupt_status_ |= kConfigInterrupt;
  }
  if (interrupt_status_ != 0) set_interrupt(true);
}

std::uint64_t VirtioPci::read_common(std::uint64_t offset) const {
  bool const there = queue_select_ < queues_.size();
  switch (offset) {
    case kDeviceFeatureSelect:
      return device_feature_select_;
    case kDeviceFeature:
      return device_feature_select_ < 2 ? features() >> 32 * device_feature_select_ & 0xFFFFFFFF
                                        : 0;
    case kDriverFeatureSelect:
      return driver_feature_select_;
    case kDriverFeature:
      return driver_feature_select_ < 2
                 ? driver_features_ >> 32 * driver_feature_select_ & 0xFFFFFFFF
                 : 0;
    case kConfigVector:
    case kQueueVector:
      return kNoVector;
    case kNumQueues:
      return queues_.size();
    case kDeviceStatus:
      return status_;
    case kConfigGeneration:
      return 0;
    case kQueueSelect:
      return queue_select_;
    case kQueueSize:
      return there ? queues_[queue_select_].size : 0;
    case kQueueEnable:
      return there && queues_[queue_select_].enabled ? 1 : 0;
    case kQueueNotifyOffset:
      return queue_select_;
    case kQueueDescriptors:
    case kQueueDescriptors + 4:
      return there ? queues_[queue_select_].descriptors >> (offset & 4) * 8 : 0;
    case kQueueDriver:
    case kQueueDriver + 4:
      return there ? queues_[queue_select_].driver_area >> (offset & 4) * 8 : 0;
    case kQueueDevice:
    case kQueueDevice + 4:
      return there ? queues_[queue_select_].device_area >> (offset & 4) * 8 : 0;
    default:
      return 0;
  }
}

void VirtioPci::write_common(std::uint64_t offset, unsigned size, std::uint64_t value) {
  switch (offset) {
    case kDeviceFeatureSelect:
      device_feature_select_ = static_cast<std::uint32_t>(value);
      return;
    case kDriverFeatureSelect:
      driver_feature_select_ = static_cast<std::uint32_t>(value);
      return;
    case kDriverFeature:
      if (driver_feature_select_ < 2)
        driver_features_ = with_part(driver_features_, driver_feature_select_ * 4, 4, value);
      return;
    case kDeviceStatus:
      return write_status(static_cast<std::uint8_t>(value));
    case kQueueSelect:
      queue_select_ = static_cast<std::uint16_t>(value);
      return;
    default:
      break;
  }
  VirtQueue* const queue = selected();
  if (queue == nullptr || queue->enabled) return;  // what is in use stays as it is
  switch (offset & ~std::uint64_t{4}) {
    case kQueueDescriptors:
      queue->descriptors = with_part(queue->descriptors, offset, size, value);
      return;
    case kQueueDriver:
      queue->driver_area = with_part(queue->driver_area, offset, size, value);
      return;
    case kQueueDevice:
      queue->device_area = with_part(queue->device_area, offset, size, value);
      return;
    default:
      break;
  }
  if (offset == kQueueSize) queue->size = static_cast<std::uint16_t>(value);
  if (offset == kQueueEnable) {
    queue->enabled = value == 1;
    queue->event_index = (driver_features_ & kEventIndex) != 0;
  }
}

std::uint64_t VirtioPci::read(std::uint64_t offset, unsigned size) {
  std::lock_guard const lock{mutex_};
  std::uint64_t const within = offset % kPartSize;
  switch (offset / kPartSize * kPartSize) {
    case kCommonAt:
      return read_common(within);
    case kInterruptAt: {
      if (within != 0) return 0;
      std::uint8_t const status = interrupt_status_;  // reading it clears it (4.1.4.5)
      interrupt_status_ = 0;
      set_interrupt(false);
      return status;
    }
    case kConfigAt: {
      std::uint64_t value = 0;
      for (unsigned i = 0; i < size; ++i)
        value |= std::uint64_t{device_.config(within + i)} << 8 * i;
      return value;
    }
    default:
      return 0;
  }
}

void VirtioPci::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  std::lock_guard const lock{mutex_};
  if (offset < kPartSize) return write_common(offset, size, value);
  if (offset < kNotifyAt) return;
  std::uint64_t const queue = (offset - kNotifyAt) / kNotifyStride;
  if (queue < queues_.size()) serve(static_cast<unsigned>(queue));
}

std::string_view VirtioPci::what() const {
  switch (kind_.id) {  // Virtio 1.2, chapter 5
    case 1:
      return "net";
    case 2:
      return "block";
    case 3:
      return "console";
    case 4:
      return "entropy";
    case 5:
      return "balloon";
    case 19:
      return "vsock";
    case 26:
      return "fs";
    default:
      return "device";
  }
}

Result<void> VirtioPci::save(StateWriter& to) const {
  MUT_TRY(PciFunction::save(to));
  to.put(device_feature_select_);
  to.put(driver_feature_select_);
  to.put(driver_features_);
  to.put(queue_select_);
  to.put(status_);
  to.put(interrupt_status_);
  to.put(static_cast<std::uint16_t>(queues_.size()));
  for (unsigned queue = 0; queue < queues_.size(); ++queue)
    queues_[queue].save(to, device_.held(queue));
  return device_.save(to);
}

bool VirtioPci::restore(StateReader& from) {
  std::uint16_t queues = 0;
  bool there = PciFunction::restore(from) && from.get(device_feature_select_) &&
               from.get(driver_feature_select_) && from.get(driver_features_) &&
               from.get(queue_select_) && from.get(status_) && from.get(interrupt_status_) &&
               from.get(queues) && queues == queues_.size();
  for (VirtQueue& queue : queues_) there = there && queue.restore(from);
  if (!there) return false;
  if ((status_ & kFeaturesOk) != 0) device_.accept(driver_features_ & features());
  return device_.restore(from);
}

}  // namespace mutirao::machine
