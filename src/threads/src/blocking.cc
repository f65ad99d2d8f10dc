#include "mutirao/threads/blocking.h"

#include "context.h"
#include "runtime_state.h"
#include "ticks.h"

namespace mutirao::threads {

blocking_section::blocking_section() noexcept {
  lwp* const here = current_lwp();
  // Simulated, not on a user thread, or inside another section: the call simply runs.
  if (here == nullptr || here->own == nullptr || here->running == nullptr) return;
  processor& own = *here->own;
  processor_ = &own;
  here->own = nullptr;
  here->running->tell_wait({.kind = wait_kind::blocking_call});
  here->running->since.store(ticks(), std::memory_order_relaxed);
  here->running->phase.store(thread_state::blocked, std::memory_order_relaxed);
  auto& runtime = *here->scheduler;
  held_ = own.hold.fetch_add(1, std::memory_order_seq_cst) + 1;
  // With nothing queued and another LWP at the poller nobody misses this one. If that changes
  // during the call, the monitor learns it from whoever leaves idleness.
  if (!own.queue.empty() || runtime.options.migrate_always || runtime.shared.size() > 0 ||
      runtime.idle.load(std::memory_order_seq_cst) == 0) {
    runtime.watch.note_blocking();
  }
}

blocking_section::~blocking_section() {
  if (processor_ == nullptr) return;
  processor& own = *static_cast<processor*>(processor_);
  lwp& here = *current_lwp();
  here.running->phase.store(thread_state::running, std::memory_order_relaxed);
  // Any other value: the processor was handed over, and perhaps lent again by its next holder.
  auto hold = held_;
  if (own.hold.compare_exchange_strong(hold, hold + 1, std::memory_order_seq_cst)) {
    here.own = &own;
    return;
  }
  thread_control& self = *here.running;
  here.scheduler->lent.fetch_sub(1, std::memory_order_relaxed);
  here.left = departure::without_processor;
  leave_thread(here, self, leaving::for_a_while);
}

}  // namespace mutirao::threads
