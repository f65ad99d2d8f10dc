#include "mutirao/machine/block_profile.h"

#include <mutex>

namespace mutirao::machine {

BlockProfile::BlockProfile(std::unique_ptr<BlockSource> source)
    : source_{std::move(source)}, touched_((source_->size() + kPart - 1) / kPart) {}

std::vector<std::uint64_t> BlockProfile::first_touches() const {
  std::lock_guard const lock{mutex_};
  return order_;
}

Result<void> BlockProfile::read(std::uint64_t offset, MutableBytes into, BlockPriority priority,
                                Deadline deadline) {
  // A source that succeeds has said that the range lies in it.
  MUT_TRY(source_->read(offset, into, priority, deadline));
  if (into.empty() || priority != BlockPriority::guest) return {};
  std::lock_guard const lock{mutex_};
  for (auto part = offset / kPart; part <= (offset + into.size() - 1) / kPart; ++part) {
    if (touched_[part] || order_.size() == kPartsMax) continue;
    touched_[part] = true;
    order_.push_back(part);
  }
  return {};
}

}  // namespace mutirao::machine
