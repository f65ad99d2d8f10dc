#pragma once

#include <cstddef>
#include <span>

#include "mutirao/base/bytes.h"

#include "ring.h"

namespace mutirao::sim {

/// Bytes in order, in chunks that move from the writer's side to the reader's without being copied.
class ByteQueue {
 public:
  /// Copies to the end: into the last chunk while it is shorter than `chunk_max`, then into new
  /// ones. `more` bytes are known to follow, so that their room is taken at once.
  void append(ByteView bytes, std::size_t chunk_max, std::size_t more);
  void push(Bytes chunk);
  [[nodiscard]] Bytes pop_chunk();
  /// Copies from the front as much as fits and there is.
  std::size_t read(std::span<MutableBytes const> into);
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

 private:
  Ring<Bytes> chunks_;
  std::size_t head_read_ = 0;  ///< of the first chunk, already read
  std::size_t size_ = 0;
};

}  // namespace mutirao::sim
