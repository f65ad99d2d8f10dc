#include "mutirao/threads/blocking.h"

#include "context.h"
#include "runtime_state.h"
#include "ticks.h"

namespace mutirao::threads {

namespace {
using section = thread_control::section;

bool expects_lengthy(thread_control const& self, runtime::state const& runtime) noexcept {
  if (self.last_section != section::unknown) return self.last_section == section::lengthy;
  return runtime.sections_are_lengthy.load(std::memory_order_relaxed);
}

void learn(thread_control& self, runtime::state& runtime, bool lengthy) noexcept {
  self.last_section = lengthy ? section::lengthy : section::brief;
  if (runtime.sections_are_lengthy.load(std::memory_order_relaxed) != lengthy)
    runtime.sections_are_lengthy.store(lengthy, std::memory_order_relaxed);
}
}  // namespace

blocking_section::blocking_section() noexcept {
  lwp* const here = current_lwp();
  // Simulated, not on a user thread, or inside another section: the call simply runs.
  if (here == nullptr || here->own == nullptr || here->running == nullptr) return;
  processor& own = *here->own;
  processor_ = &own;
  here->own = nullptr;
  here->running->tell_wait({.kind = wait_kind::blocking_call});
  entered_ = ticks();
  here->running->since.store(entered_, std::memory_order_relaxed);
  here->running->phase.store(thread_state::blocked, std::memory_order_relaxed);
  auto& runtime = *here->scheduler;
  held_ = own.hold.fetch_add(1, std::memory_order_seq_cst) + 1;
  // With nothing queued and another LWP at the poller nobody misses this one. If that changes
  // during the call, the monitor learns it from whoever leaves idleness.
  bool const minded =
      runtime.idle.load(std::memory_order_seq_cst) > 0 && !runtime.options.migrate_always;
  if (minded && own.queue.empty() && runtime.shared.size() == 0) {
    // The LWP in the poller may know nothing of the deadlines that were set here.
    if (own.timers.earliest() != TimePoint::max()) runtime.watch.note_activity();
    return;
  }
  if (!expects_lengthy(*here->running, runtime)) {
    runtime.watch.note_blocking();
  } else if (minded) {
    runtime.notify_idle();
  } else if (!runtime.lend(own, held_)) {
    runtime.watch.note_blocking();
  }
}

blocking_section::~blocking_section() {
  if (processor_ == nullptr) return;
  processor& own = *static_cast<processor*>(processor_);
  lwp& here = *current_lwp();
  auto& runtime = *here.scheduler;
  thread_control& self = *here.running;
  learn(self, runtime, ticks() - entered_ > runtime.slice_ticks.load(std::memory_order_relaxed));
  self.phase.store(thread_state::running, std::memory_order_relaxed);
  // Any other value: the processor was handed over, and perhaps lent again by its next holder.
  auto hold = held_;
  if (own.hold.compare_exchange_strong(hold, hold + 1, std::memory_order_seq_cst)) {
    here.own = &own;
    own.looks_in = 1;
    return;
  }
  runtime.lent.fetch_sub(1, std::memory_order_relaxed);
  here.left = departure::without_processor;
  leave_thread(here, self, leaving::for_a_while);
}

}  // namespace mutirao::threads
