// The main loop of a simulated runtime, and its last words when nothing can ever happen again.
#include <cstdio>
#include <cstdlib>

#include "park_access.h"
#include "runtime_state.h"
#include "sanitizers.h"
#include "scope_state.h"
#include "stack_overflow.h"

namespace mutirao::threads {

void runtime::state::run_simulated() {
  lwp self{*this};
  alternate_stack const for_overflows;
  self.sanitizer_fiber = current_fiber();
  set_current_lwp(&self);
  while (!ending.load(std::memory_order_relaxed)) {
    if (stop_asked.load(std::memory_order_relaxed)) deliver_stop();
    if (thread_control* const next = simulated->draw()) {
      auto& picks = processors.front()->picks;
      picks.store(picks.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
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

namespace {
void list(thread_control const& thread, int depth) {
  std::fprintf(stderr, "%*s%s (thread %llu)%s\n", 2 * depth, "", thread.name.c_str(),
               static_cast<unsigned long long>(thread.id), thread.stop ? ", asked to stop" : "");
  for (auto const* inner = thread.scopes; inner != nullptr; inner = inner->next_made) {
    for (auto const* child = inner->first; child != nullptr; child = child->next_sibling)
      list(*child, depth + 1);
  }
}
}  // namespace

void runtime::state::report_deadlock() noexcept {
  std::fprintf(stderr,
               "mutirao: deadlock in the simulated runtime with seed %llu: no thread is ready and "
               "no timer is set; "
               "each of these waits for another:\n",
               static_cast<unsigned long long>(options.simulated->seed));
  if (main_ != nullptr) list(*main_, 1);
  std::abort();
}

}  // namespace mutirao::threads
