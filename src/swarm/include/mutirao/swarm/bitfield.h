#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/check.h"
#include "mutirao/base/result.h"

namespace mutirao::swarm {

/// A set of piece or block numbers below `size`; a value. Counting is constant time.
class Bitfield {
 public:
  Bitfield() = default;
  explicit Bitfield(std::size_t size) : words_((size + 63) / 64), size_{size} {}

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] bool all() const noexcept { return count_ == size_; }
  [[nodiscard]] bool none() const noexcept { return count_ == 0; }
  [[nodiscard]] bool test(std::size_t i) const noexcept {
    MUT_ASSERT(i < size_);
    return words_[i / 64] >> (i % 64) & 1;
  }
  /// True when the bit changed.
  bool set(std::size_t i) noexcept {
    if (test(i)) return false;
    words_[i / 64] |= std::uint64_t{1} << (i % 64);
    ++count_;
    return true;
  }
  bool reset(std::size_t i) noexcept {
    if (!test(i)) return false;
    words_[i / 64] &= ~(std::uint64_t{1} << (i % 64));
    --count_;
    return true;
  }
  void set_all() noexcept;
  void reset_all() noexcept;

  /// The bitfield message of BEP 3: first piece in the highest bit of the first byte. Refuses a
  /// wrong length and spare bits that are set.
  [[nodiscard]] static Result<Bitfield> from_wire(ByteView bytes, std::size_t size);
  [[nodiscard]] Bytes to_wire() const;

  friend bool operator==(Bitfield const&, Bitfield const&) = default;

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_ = 0;
  std::size_t count_ = 0;
};

}  // namespace mutirao::swarm
