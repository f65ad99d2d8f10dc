#pragma once

#include <array>
#include <functional>
#include <string>

#include "explorer.h"
#include "lwp.h"
#include "runtime_state.h"

namespace mutirao::model {

/// A real runtime whose LWPs are threads of the model. The scenario says what each LWP does:
///
///   run.thread("lwp", [&] { machine.work(0); });   // what is queued at processor 0, until no more
///   is run.thread("lwp", [&] { machine.serve(1); });  // as in life: takes, steals, waits in the
///   poller
class machine {
 public:
  explicit machine(unsigned processors);

  /// A user thread that is ready at `processor`; from the scenario, before the LWPs start.
  void start(unsigned processor, std::string name, std::move_only_function<void()> body);
  /// One that nobody has made ready yet.
  threads::thread_control& prepare(std::string name, std::move_only_function<void()> body);

  void work(unsigned processor);
  void serve(unsigned processor) { serve(lwps_[processor]); }
  void serve(threads::lwp& self);
  /// A spare LWP: rests until it is given a processor, then works there.
  void rest();
  /// When the LWPs have ended: what is left in the shared queue.
  void drain();

  [[nodiscard]] bool all_ended() const { return state.threads_alive() == 0; }
  [[nodiscard]] threads::processor& processor(unsigned index) { return *state.processors[index]; }

  threads::runtime::state state;

 private:
  void work(threads::lwp& self);

  std::array<threads::lwp, kThreadsMax> lwps_;
};

}  // namespace mutirao::model
