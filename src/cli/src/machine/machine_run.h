#pragma once

#include <functional>

#include "mutirao/machine/machine.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"

namespace mutirao::cli {

/// Lets a machine run until its end, and rest in between when somebody wants to have it as it is.
class MachineRun {
 public:
  /// Until the machine ends or shall end, which is `cancelled`. The other calls are for other
  /// threads meanwhile; `machine` is nobody else's.
  [[nodiscard]] machine::MachineExit run(machine::Machine& machine);
  void end();
  [[nodiscard]] bool ending();

  /// Does that while the machine stands still between two instructions, and gives what it gives;
  /// then the machine goes on, unless it shall end. Fault::refused when it rests for another, or
  /// has ended.
  [[nodiscard]] Result<void> rest(std::function<Result<void>()> const& meanwhile);

 private:
  using Lock = std::unique_lock<threads::mutex>;
  [[nodiscard]] machine::MachineExit run_once(machine::Machine& machine, Lock& lock);

  threads::mutex mutex_;
  threads::condition_variable changed_;
  threads::scope* running_ = nullptr;
  bool rest_wanted_ = false;
  bool rests_ = false;
  bool end_wanted_ = false;
  bool over_ = false;
};

}  // namespace mutirao::cli
