#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/check.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/swarm/ids.h"
#include "mutirao/threads/mutex.h"

namespace mutirao::swarm {

class BlockPool;

/// Room for one block, out of a pool; goes back there by itself.
class BlockBuffer {
 public:
  BlockBuffer() = default;
  BlockBuffer(BlockBuffer&& other) noexcept
      : pool_{std::exchange(other.pool_, nullptr)}, bytes_{std::exchange(other.bytes_, nullptr)} {}
  BlockBuffer& operator=(BlockBuffer&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~BlockBuffer();

  explicit operator bool() const noexcept { return bytes_ != nullptr; }
  [[nodiscard]] std::uint8_t* data() const noexcept { return bytes_; }
  [[nodiscard]] MutableBytes bytes(std::size_t size = kBlockBytes) const noexcept {
    return {bytes_, size};
  }

 private:
  friend class BlockPool;
  BlockBuffer(BlockPool* pool, std::uint8_t* bytes) noexcept : pool_{pool}, bytes_{bytes} {}
  BlockPool* pool_ = nullptr;
  std::uint8_t* bytes_ = nullptr;
};

/// The memory that blocks live in between the socket and the file: bounded, and handed out last in
/// first out, so that a few buffers stay in the processor's cache. Any number of threads.
///
/// Who holds none may wait for one; who holds one must not wait for more (try_take): so somebody
/// can always go on and give his back.
class BlockPool {
 public:
  explicit BlockPool(std::size_t blocks_max) : blocks_max_{blocks_max} {}
  ~BlockPool();
  BlockPool(BlockPool const&) = delete;
  BlockPool& operator=(BlockPool const&) = delete;

  Result<BlockBuffer> take(Deadline deadline);
  /// Up to `count` more, appended; fewer when there are no more.
  void try_take(std::size_t count, std::vector<BlockBuffer>& into);
  [[nodiscard]] std::size_t blocks_made() const;

 private:
  friend class BlockBuffer;
  void give_back(std::uint8_t* bytes) noexcept;
  [[nodiscard]] std::uint8_t* take_locked();

  mutable threads::mutex mutex_;
  threads::condition_variable given_back_;
  std::size_t blocks_max_;
  std::size_t made_ = 0;
  std::size_t waiting_ = 0;
  std::vector<std::uint8_t*> free_;
};

}  // namespace mutirao::swarm
