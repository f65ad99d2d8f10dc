#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "mutirao/base/check.h"
#include "mutirao/base/result.h"

namespace mutirao::machine {

/// Where blocks lie, with all that belongs to them: one behind the other, and given back all at
/// once, as the code is that is made of them. Where the host has such room, its addresses have 31
/// bits, so that code says them in half the bytes.
class BlockArena {
 public:
  /// Of the host's memory, as much as is used in the end.
  [[nodiscard]] static Result<BlockArena> make(std::size_t bytes);
  BlockArena(BlockArena&& other) noexcept;
  BlockArena& operator=(BlockArena&&) = delete;
  ~BlockArena();

  /// So many in one piece, as new; there is room for them.
  template <class T>
  [[nodiscard]] std::span<T> take(std::size_t count) noexcept {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kAlignment);
    auto const bytes = (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    MUT_ASSERT(bytes <= left());
    auto* const begin = reinterpret_cast<T*>(begin_ + used_);
    used_ += bytes;
    std::uninitialized_value_construct_n(begin, count);
    return {begin, count};
  }
  template <class T>
  [[nodiscard]] T& make() noexcept {
    return take<T>(1).front();
  }
  void clear() noexcept { used_ = 0; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_ - used_; }

 private:
  static constexpr std::size_t kAlignment = 16;

  BlockArena(std::uint8_t* begin, std::size_t bytes) noexcept : begin_{begin}, bytes_{bytes} {}

  std::uint8_t* begin_;
  std::size_t bytes_;
  std::size_t used_ = 0;
};

}  // namespace mutirao::machine
