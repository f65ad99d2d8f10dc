#pragma once

#include <cstdint>
#include <vector>

#include "virtio/queue.h"

namespace mutirao::machine {

/// The driver's side of a split queue, in guest memory from `base` on.
class TestRing {
 public:
  static constexpr std::uint16_t kNext = 1, kWritable = 2, kIndirect = 4;

  TestRing(GuestMemory& memory, GuestAddress base, std::uint16_t size = 8)
      : memory_{memory}, base_{base}, size_{size} {}

  [[nodiscard]] GuestAddress descriptors() const { return base_; }
  [[nodiscard]] GuestAddress driver_area() const { return base_ + 16 * size_; }
  [[nodiscard]] GuestAddress device_area() const { return driver_area() + 1024; }
  [[nodiscard]] std::uint16_t size() const { return size_; }

  void describe(GuestAddress table, std::uint16_t index, GuestAddress address, std::uint32_t length,
                std::uint16_t flags, std::uint16_t next = 0) {
    put<std::uint64_t>(table + index * 16, address);
    put<std::uint32_t>(table + index * 16 + 8, length);
    put<std::uint16_t>(table + index * 16 + 12, flags);
    put<std::uint16_t>(table + index * 16 + 14, next);
  }
  void describe(std::uint16_t index, GuestAddress address, std::uint32_t length,
                std::uint16_t flags, std::uint16_t next = 0) {
    describe(descriptors(), index, address, length, flags, next);
  }
  void offer(std::uint16_t head) {
    put<std::uint16_t>(driver_area() + 4 + offered_ % size_ * 2, head);
    set_index(++offered_);
  }
  void set_index(std::uint16_t index) { put<std::uint16_t>(driver_area() + 2, index); }
  void start_anew() { set_index(offered_ = 0); }
  void want_interrupts(bool wanted) { put<std::uint16_t>(driver_area(), wanted ? 0 : 1); }
  /// Of VIRTIO_F_EVENT_IDX.
  void want_interrupt_at(std::uint16_t index) { put(driver_area() + 4 + size_ * 2, index); }
  [[nodiscard]] std::uint16_t wants_notice_at() const {
    return get<std::uint16_t>(device_area() + 4 + size_ * 8);
  }
  [[nodiscard]] std::uint16_t given() const { return get<std::uint16_t>(device_area() + 2); }
  [[nodiscard]] std::uint32_t given_head(unsigned i) const {
    return get<std::uint32_t>(device_area() + 4 + i * 8);
  }
  [[nodiscard]] std::uint32_t given_bytes(unsigned i) const {
    return get<std::uint32_t>(device_area() + 8 + i * 8);
  }

  void set_up(VirtQueue& queue) const {
    queue.size = size_;
    queue.descriptors = descriptors();
    queue.driver_area = driver_area();
    queue.device_area = device_area();
    queue.enabled = true;
  }

  template <class T>
  void put(GuestAddress address, T value) {
    static_cast<void>(memory_.store<T>(address, value));
  }
  template <class T>
  [[nodiscard]] T get(GuestAddress address) const {
    return memory_.load<T>(address).value_or(T(~T{0}));
  }

 private:
  GuestMemory& memory_;
  GuestAddress base_;
  std::uint16_t size_;
  std::uint16_t offered_ = 0;
};

}  // namespace mutirao::machine
