#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "translator/block.h"

namespace mutirao::machine {

/// Where the sites of blocks lie: one behind the other, and given back all at once, as the code is
/// that is made of them.
class SiteArena {
 public:
  /// So many in one piece, which say nothing yet.
  [[nodiscard]] std::span<Site> take(std::size_t count);
  void clear() noexcept;
  /// What they take of memory.
  [[nodiscard]] std::size_t bytes() const noexcept { return chunks_.size() * kChunkBytes; }

 private:
  static constexpr std::size_t kChunkBytes = std::size_t{2} << 20;  // as the host's large pages

  struct Free {
    void operator()(void* memory) const noexcept;
  };
  std::vector<std::unique_ptr<void, Free>> chunks_;
  std::span<Site> left_;  // of the last
};

}  // namespace mutirao::machine
