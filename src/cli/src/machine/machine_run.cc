#include "machine/machine_run.h"

#include <mutex>
#include <utility>

namespace mutirao::cli {

using machine::MachineExit;

/// Until it ends, or is asked to stop.
MachineExit MachineRun::run_once(machine::Machine& machine, Lock& lock) {
  MachineExit exit{.kind = MachineExit::Kind::cancelled};
  threads::scope running;
  running_ = &running;
  lock.unlock();
  running.spawn("machine", [&] { exit = machine.run(); }, {.stack = threads::stack_size::large});
  static_cast<void>(running.join());
  lock.lock();
  running_ = nullptr;
  return exit;
}

MachineExit MachineRun::run(machine::Machine& machine) {
  MachineExit exit{.kind = MachineExit::Kind::cancelled};
  Lock lock{mutex_};
  while (!end_wanted_) {
    if (!rest_wanted_) exit = run_once(machine, lock);
    if (exit.kind != MachineExit::Kind::cancelled || !rest_wanted_) break;
    rests_ = true;
    changed_.notify_all();
    auto const rested = changed_.wait(lock, [this] { return !rest_wanted_; });
    rests_ = false;
    if (!rested) break;
  }
  over_ = true;
  changed_.notify_all();
  return exit;
}

void MachineRun::end() {
  Lock const lock{mutex_};
  end_wanted_ = true;
  if (running_ != nullptr) running_->request_stop();
}

bool MachineRun::ending() {
  Lock const lock{mutex_};
  return end_wanted_;
}

Result<void> MachineRun::rest(std::function<Result<void>()> const& meanwhile) {
  Lock lock{mutex_};
  if (rest_wanted_)
    return fail(Fault::refused, "the machine is being saved already", "wait until that is done");
  rest_wanted_ = true;
  if (running_ != nullptr) running_->request_stop();
  auto rested = changed_.wait(lock, [this] { return rests_ || over_; });
  if (rested && over_) rested = fail(Fault::refused, "the machine has ended meanwhile");
  if (rested) {
    lock.unlock();
    rested = meanwhile();
    lock.lock();
  }
  rest_wanted_ = false;
  changed_.notify_all();
  return rested;
}

}  // namespace mutirao::cli
