#include "protocol/outbox.h"

#include <algorithm>

namespace mutirao::swarm {

void Outbox::post(ByteView bytes) {
  std::lock_guard const lock{mutex_};
  if (closed_) return;
  if (control_.size() + bytes.size() > kControlBytesMax) {
    overflowed_ = true;
    return;
  }
  control_.insert(control_.end(), bytes.begin(), bytes.end());
  wake();
}

bool Outbox::push(BlockRange range, std::size_t queue_max) {
  std::lock_guard const lock{mutex_};
  if (closed_) return true;
  if (blocks_.size() >= queue_max) return false;
  blocks_.push_back(range);
  wake();
  return true;
}

bool Outbox::cancel(BlockRange range) {
  std::lock_guard const lock{mutex_};
  auto const found = std::ranges::find(blocks_, range);
  if (found == blocks_.end()) return false;
  blocks_.erase(found);
  return true;
}

std::vector<BlockRange> Outbox::cancel_all() {
  std::lock_guard const lock{mutex_};
  std::vector<BlockRange> taken{blocks_.begin(), blocks_.end()};
  blocks_.clear();
  return taken;
}

std::size_t Outbox::blocks_waiting() const {
  std::lock_guard const lock{mutex_};
  return blocks_.size();
}

Result<void> Outbox::take(Bytes& control, std::vector<BlockRange>& blocks, std::size_t bytes_max,
                          Deadline deadline) {
  std::unique_lock lock{mutex_};
  writer_waits_ = true;
  auto const waited = filled_.wait(
      lock, [&] { return closed_ || !control_.empty() || !blocks_.empty(); }, deadline);
  writer_waits_ = false;
  if (!waited) return waited;
  if (closed_) return fail(Fault::closed, "the connection is closed");
  control.clear();
  control.swap(control_);
  for (std::size_t bytes = 0;
       !blocks_.empty() && (bytes == 0 || bytes + blocks_.front().length <= bytes_max);) {
    bytes += blocks_.front().length;
    blocks.push_back(blocks_.front());
    blocks_.pop_front();
  }
  return {};
}

void Outbox::close() {
  std::lock_guard const lock{mutex_};
  closed_ = true;
  blocks_.clear();
  filled_.notify_all();
}

bool Outbox::overflowed() const {
  std::lock_guard const lock{mutex_};
  return overflowed_;
}

}  // namespace mutirao::swarm
