#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "mutirao/base/check.h"
#include "mutirao/codegen/assembler.h"

namespace mutirao::machine {

/// What a block needs while it is written, kept from block to block: translation is as fast as the
/// bytes can be put down, and an allocation costs as much as ten instructions.
class BlockScratch {
 public:
  BlockScratch() {
    labels_.reserve(kLabelsMax);
    later_.reserve(kLaterMax);
  }
  void clear() noexcept {
    labels_.clear();
    later_.clear();
  }
  /// A new label; stays where it is until clear().
  [[nodiscard]] codegen::Label* label() {
    MUT_ASSERT(labels_.size() < kLabelsMax);
    return &labels_.emplace_back();
  }
  /// So many, one beside the other.
  [[nodiscard]] std::span<codegen::Label> labels(std::size_t count) {
    MUT_ASSERT(labels_.size() + count <= kLabelsMax);
    labels_.resize(labels_.size() + count);
    return std::span{labels_}.last(count);
  }
  /// `write` is called once, by write_later().
  template <class Write>
  void later(Write write) {
    MUT_ASSERT(later_.size() < kLaterMax);
    later_.emplace_back(write);
  }
  /// Also what is added meanwhile.
  void write_later() {
    for (std::size_t n = 0; n < later_.size(); ++n) later_[n]();
  }

  // What the instructions of a region need at most, and more.
  static constexpr std::size_t kLabelsMax = 4096;
  static constexpr std::size_t kLaterMax = 2048;

 private:
  /// A function object without memory of its own.
  class Piece {
   public:
    template <class Write>
    explicit Piece(Write write) noexcept {
      static_assert(sizeof(Write) <= sizeof storage_ && std::is_trivially_copyable_v<Write>);
      ::new (static_cast<void*>(storage_)) Write{write};
      call_ = [](std::byte* storage) { (*std::launder(reinterpret_cast<Write*>(storage)))(); };
    }
    void operator()() { call_(storage_); }

   private:
    alignas(std::max_align_t) std::byte storage_[96];
    void (*call_)(std::byte*);
  };

  std::vector<codegen::Label> labels_;
  std::vector<Piece> later_;
};

}  // namespace mutirao::machine
