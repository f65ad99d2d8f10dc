#pragma once

#include "context.h"
#include "park_access.h"
#include "runtime_state.h"
#include "stack_overflow.h"

namespace mutirao::threads {

/// Runs `thread` on this LWP until it leaves, and does what it left for. In line in the loops that
/// pick threads, so that nothing returns between the call by which one thread leaves and the return
/// by which the next one goes on: the processor predicts a return by the last call that it has
/// seen, and would be wrong about both.
[[gnu::always_inline]] inline void runtime::state::execute(lwp& self,
                                                           thread_control& thread) noexcept {
  self.running = &thread;
  thread.since.store(self.picked_at, std::memory_order_relaxed);
  if (options.migrate_always) [[unlikely]]
    thread.last_processor = self.own->index;
  for (;;) {
    thread.phase.store(thread_state::running, std::memory_order_relaxed);
    enter_thread(self, thread);
    if (stacks.guard() != guard_kind::madvise && !stack_pool::canary_intact(thread.stack)) {
      report_overflow(thread);
    }
    // Before it is: from then on it is its waker's to say.
    if (self.left == departure::parked)
      thread.phase.store(thread_state::parked, std::memory_order_relaxed);
    if (self.left != departure::parked || park_access::commit(*self.token)) break;
    // Its wait ended before it had left its stack: it goes on.
    if (!options.migrate_always) continue;
    self.left = departure::yielded;
    break;
  }
  self.running = nullptr;
  switch (self.left) {
    case departure::parked:
      break;  // whoever wakes it has it now
    case departure::yielded:
      put_back(self, thread);
      break;
    case departure::without_processor:
      inject(thread);
      break;
    case departure::ended:
      destroy_thread(thread);
      break;
  }
}

}  // namespace mutirao::threads
