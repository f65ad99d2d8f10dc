#include "byte_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mutirao/base/check.h"

namespace mutirao::sim {

void ByteQueue::append(ByteView bytes, std::size_t chunk_max, std::size_t more) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (chunks_.empty() || chunks_.back().size() >= chunk_max) {
      Bytes chunk;
      chunk.reserve(std::min(chunk_max, bytes.size() + more));
      chunks_.push_back(std::move(chunk));
    }
    auto& chunk = chunks_.back();
    auto const count = std::min(bytes.size(), chunk_max - chunk.size());
    chunk.insert(chunk.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
  }
}

void ByteQueue::push(Bytes chunk) {
  if (chunk.empty()) return;
  size_ += chunk.size();
  chunks_.push_back(std::move(chunk));
}

Bytes ByteQueue::pop_chunk() {
  MUT_ASSERT(head_read_ == 0);
  if (chunks_.empty()) return {};
  auto chunk = chunks_.pop_front();
  size_ -= chunk.size();
  return chunk;
}

std::size_t ByteQueue::read(std::span<MutableBytes const> into) {
  std::size_t total = 0;
  for (auto buffer : into) {
    while (!buffer.empty() && !chunks_.empty()) {
      auto const& chunk = chunks_.front();
      auto const count = std::min(buffer.size(), chunk.size() - head_read_);
      std::memcpy(buffer.data(), chunk.data() + head_read_, count);
      buffer = buffer.subspan(count);
      head_read_ += count;
      total += count;
      if (head_read_ == chunk.size()) {
        chunks_.pop_front();
        head_read_ = 0;
      }
    }
  }
  size_ -= total;
  return total;
}

void ByteQueue::clear() noexcept {
  chunks_.clear();
  head_read_ = 0;
  size_ = 0;
}

}  // namespace mutirao::sim
