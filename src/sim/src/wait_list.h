#pragma once

#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/park.h"

namespace mutirao::sim {

/// User threads parked for one event, served first come, first served. One LWP: no lock.
class WaitList {
 public:
  WaitList() = default;
  WaitList(WaitList const&) = delete;
  WaitList& operator=(WaitList const&) = delete;

  /// Parks until woken; says `what` when the deadline passes or the thread is asked to stop. A
  /// report of the runtime's threads tells `kind`.
  Result<void> wait(Deadline deadline, char const* what,
                    threads::wait_kind kind = threads::wait_kind::other);
  void wake_one() noexcept;
  void wake_all() noexcept;
  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

 private:
  std::vector<threads::park_token*> waiting_;
};

}  // namespace mutirao::sim
