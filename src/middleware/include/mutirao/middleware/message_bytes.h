#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/threads/mutex.h"

namespace mutirao::middleware {

/// Buffers of long messages, to be used again. The allocator gives such memory back to the system,
/// and to ask for it again costs more than to receive what goes into it.
class BufferPool {
 public:
  /// An empty buffer with room for `bytes`.
  [[nodiscard]] Bytes take(std::size_t bytes) {
    {
      std::lock_guard const lock{mutex_};
      for (auto& each : spare_) {
        if (each.capacity() < bytes || each.capacity() / kWasteMax > bytes) continue;
        std::swap(each, spare_.back());
        Bytes taken = std::move(spare_.back());
        spare_.pop_back();
        kept_ -= taken.capacity();
        return taken;
      }
    }
    Bytes fresh;
    fresh.reserve(bytes);
    return fresh;
  }
  void give_back(Bytes&& buffer) {
    if (buffer.capacity() < kWorthKeeping) return;
    buffer.clear();
    std::lock_guard const lock{mutex_};
    if (kept_ + buffer.capacity() > kKeptMax) return;
    kept_ += buffer.capacity();
    spare_.push_back(std::move(buffer));
  }

 private:
  static constexpr std::size_t kWorthKeeping = 16 << 10;
  static constexpr std::size_t kKeptMax = 8 << 20;
  static constexpr std::size_t kWasteMax = 4;
  threads::mutex mutex_;
  std::vector<Bytes> spare_;
  std::size_t kept_ = 0;
};

/// Bytes of one message: short ones lie inside, so that they cost no allocation.
class MessageBytes {
 public:
  MessageBytes() = default;
  ~MessageBytes() { trim(); }
  MessageBytes(MessageBytes const&) = delete;
  MessageBytes& operator=(MessageBytes const&) = delete;

  void assign(ByteView bytes) {
    trim();
    if (bytes.size() <= kInline) {
      if (!bytes.empty()) std::memcpy(inline_, bytes.data(), bytes.size());
      size_ = static_cast<std::uint32_t>(bytes.size());
    } else {
      large_.assign(bytes.begin(), bytes.end());
    }
  }
  /// `pool` gets it back.
  void adopt(Bytes&& bytes, std::shared_ptr<BufferPool> pool) noexcept {
    trim();
    large_ = std::move(bytes);
    pool_ = std::move(pool);
    size_ = 0;
  }
  /// A long one leaves, and stays where it lies.
  [[nodiscard]] Bytes release() noexcept { return std::move(large_); }
  void trim() noexcept {
    if (auto const pool = std::move(pool_)) pool->give_back(std::move(large_));
    if (large_.capacity() > 0) large_ = {};
    size_ = 0;
  }
  [[nodiscard]] ByteView view() const noexcept {
    return large_.empty() ? ByteView{inline_, size_} : ByteView{large_};
  }

 private:
  static constexpr std::size_t kInline = 120;
  Bytes large_;
  std::shared_ptr<BufferPool> pool_;
  std::uint32_t size_ = 0;
  std::uint8_t inline_[kInline];
};

}  // namespace mutirao::middleware
