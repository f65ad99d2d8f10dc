#pragma once

#include <atomic>
#include <functional>

#include "mutirao/base/result.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/signals.h"

namespace mutirao::cli {

/// Ctrl-C once asks the work to leave cleanly; twice ends the program now.
class Interrupts {
 public:
  /// `signals` blocks SIGINT and SIGTERM since before the runtime began.
  explicit Interrupts(threads::signal_set& signals);

  /// Runs `work` on a thread of its own, which is asked to stop at the first signal.
  Result<void> run(std::function<Result<void>()> work);
  [[nodiscard]] bool interrupted() const noexcept { return interrupted_.load(); }

 private:
  threads::scope work_;
  std::atomic<bool> interrupted_ = false;
  threads::scope watcher_;  // ends first
};

}  // namespace mutirao::cli
