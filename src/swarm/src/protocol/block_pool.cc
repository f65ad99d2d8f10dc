#include "protocol/block_pool.h"

#include <new>

namespace mutirao::swarm {

namespace {
constexpr std::align_val_t kPage{4096};
}

BlockBuffer::~BlockBuffer() {
  if (bytes_ != nullptr) pool_->give_back(bytes_);
}

BlockPool::~BlockPool() {
  MUT_ASSERT(free_.size() == made_);
  for (auto* const bytes : free_) ::operator delete(bytes, kPage);
}

std::uint8_t* BlockPool::take_locked() {
  if (!free_.empty()) {
    auto* const bytes = free_.back();
    free_.pop_back();
    return bytes;
  }
  if (made_ == blocks_max_) return nullptr;
  ++made_;
  free_.reserve(made_);  // giving back must not fail
  return static_cast<std::uint8_t*>(::operator new(kBlockBytes, kPage));
}

Result<BlockBuffer> BlockPool::take(Deadline deadline) {
  std::unique_lock lock{mutex_};
  std::uint8_t* bytes = nullptr;
  ++waiting_;
  auto const waited =
      given_back_.wait(lock, [&] { return (bytes = take_locked()) != nullptr; }, deadline);
  --waiting_;
  if (!waited) return std::unexpected{waited.error()};
  return BlockBuffer{this, bytes};
}

void BlockPool::try_take(std::size_t count, std::vector<BlockBuffer>& into) {
  std::lock_guard const lock{mutex_};
  for (; count > 0; --count) {
    auto* const bytes = take_locked();
    if (bytes == nullptr) return;
    into.push_back(BlockBuffer{this, bytes});
  }
}

std::size_t BlockPool::blocks_made() const {
  std::lock_guard const lock{mutex_};
  return made_;
}

void BlockPool::give_back(std::uint8_t* bytes) noexcept {
  std::lock_guard const lock{mutex_};
  free_.push_back(bytes);
  if (waiting_ > 0) given_back_.notify_one();
}

}  // namespace mutirao::swarm
