// The main loop of a simulated runtime.
#include "execute.h"
#include "park_access.h"
#include "runtime_state.h"
#include "sanitizers.h"
#include "stack_overflow.h"

namespace mutirao::threads {

void runtime::state::run_simulated() {
  lwp self{*this};
  alternate_stack const for_overflows;
  self.adopt_kernel_thread();
  while (!ending.load(std::memory_order_relaxed)) {
    if (stop_asked.load(std::memory_order_relaxed)) deliver_stop();
    if (thread_control* const next = simulated->draw()) {
      auto& picks = processors.front()->picks;
      picks.store(picks.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      self.picked_at = stamp();
      execute(self, *next);
      continue;
    }
    TimePoint const when = simulated->timers.earliest();
    if (when == TimePoint::max()) report_deadlock();
    simulated->advance_to(when);
    for (timer* due = simulated->timers.take_due(when); due != nullptr;) {
      timer* const next = due->next_fired;
      ready(park_access::owner(*due->token));
      due = next;
    }
  }
  set_current_lwp(nullptr);
}

}  // namespace mutirao::threads
