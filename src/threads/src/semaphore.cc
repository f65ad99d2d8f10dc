#include "mutirao/threads/semaphore.h"

namespace mutirao::threads {

Result<void> semaphore::acquire(Deadline deadline) {
  std::unique_lock lock{mutex_};
  auto waited = available_.wait(lock, [&] { return permits_ > 0; }, deadline,
                                {.kind = wait_kind::semaphore, .object = this});
  if (!waited) return waited;
  --permits_;
  return {};
}

bool semaphore::try_acquire() noexcept {
  std::lock_guard const lock{mutex_};
  if (permits_ == 0) return false;
  --permits_;
  return true;
}

void semaphore::release(std::size_t count) noexcept {
  // Notified under the lock: whoever gets the permit may destroy the semaphore at once.
  std::lock_guard const lock{mutex_};
  permits_ += count;
  for (std::size_t i = 0; i < count; ++i) available_.notify_one();
}

}  // namespace mutirao::threads
