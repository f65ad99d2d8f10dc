#include "mutirao/threads/latch.h"

#include "mutirao/base/check.h"

namespace mutirao::threads {

void latch::count_down(std::size_t count) noexcept {
  // Notified under the lock: whoever is let through may destroy the latch at once.
  std::lock_guard const lock{mutex_};
  MUT_ASSERT(count <= left_);
  left_ -= count;
  if (left_ == 0) open_.notify_all();
}

bool latch::try_wait() const noexcept {
  std::lock_guard const lock{mutex_};
  return left_ == 0;
}

Result<void> latch::wait(Deadline deadline) const {
  std::unique_lock lock{mutex_};
  return open_.wait(lock, [&] { return left_ == 0; }, deadline,
                    {.kind = wait_kind::latch, .object = this});
}

Result<void> latch::arrive_and_wait(Deadline deadline) {
  count_down();
  return wait(deadline);
}

}  // namespace mutirao::threads
