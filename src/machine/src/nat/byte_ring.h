#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "mutirao/base/bytes.h"
#include "mutirao/base/check.h"

#include "nat/packet.h"

namespace mutirao::machine::nat {

/// A bounded queue of bytes in one piece of memory.
///
/// One side fills it and one empties it. Between two calls either may work in the span that it was
/// given without a lock: the bytes of the one are none of the other's.
class ByteRing {
 public:
  explicit ByteRing(std::size_t capacity)
      : bytes_{std::make_unique_for_overwrite<std::uint8_t[]>(capacity)}, capacity_{capacity} {}

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t free() const noexcept { return capacity_ - size_; }

  /// `count` bytes of room to fill, in two pieces.
  [[nodiscard]] std::array<MutableBytes, 2> room(std::size_t count) noexcept {
    MUT_ASSERT(count <= free());
    // An empty ring begins anew: one that never holds much never touches much memory.
    if (size_ == 0) begin_ = 0;
    std::size_t const end = (begin_ + size_) % capacity_;
    std::size_t const first = std::min(count, capacity_ - end);
    return {MutableBytes{bytes_.get() + end, first}, MutableBytes{bytes_.get(), count - first}};
  }
  void filled(std::size_t count) noexcept {
    MUT_ASSERT(count <= free());
    size_ += count;
  }
  /// As much as there is room for; gives how much.
  std::size_t append(ByteView bytes) noexcept {
    std::size_t const count = std::min(bytes.size(), free());
    auto const [first, second] = room(count);
    if (!first.empty()) std::memcpy(first.data(), bytes.data(), first.size());
    if (!second.empty()) std::memcpy(second.data(), bytes.data() + first.size(), second.size());
    filled(count);
    return count;
  }

  /// `count` bytes from `offset` on, which are there.
  [[nodiscard]] Pieces view(std::size_t offset, std::size_t count) const noexcept {
    MUT_ASSERT(offset <= size_ && count <= size_ - offset);
    std::size_t const at = (begin_ + offset) % capacity_;
    std::size_t const first = std::min(count, capacity_ - at);
    return {{bytes_.get() + at, first}, {bytes_.get(), count - first}};
  }
  void drop(std::size_t count) noexcept {
    MUT_ASSERT(count <= size_);
    begin_ = (begin_ + count) % capacity_;
    size_ -= count;
  }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t capacity_;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

}  // namespace mutirao::machine::nat
