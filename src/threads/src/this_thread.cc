#include "mutirao/threads/this_thread.h"

#include "mutirao/base/check.h"
#include "mutirao/threads/io.h"

#include "context.h"
#include "kernel_locks.h"
#include "runtime_state.h"
#include "ticks.h"
#include "waiting.h"

namespace mutirao::threads {

namespace {
thread_control& self() noexcept {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr && here->running != nullptr);
  return *here->running;
}
}  // namespace

TimePoint now() noexcept {
  lwp* const here = current_lwp();
  return here != nullptr ? here->scheduler->now() : kernel_now();
}

Deadline within(Duration duration) noexcept {
  TimePoint const start = now();
  if (duration > TimePoint::max() - start) return Deadline::never();
  return Deadline::at(start + duration);
}

Result<void> sleep_for(Duration duration) { return sleep_until(within(duration).when()); }

Result<void> sleep_until(TimePoint when) {
  park_token nobody_wakes;
  auto const reason = nobody_wakes.park(Deadline::at(when), {.kind = wait_kind::timer});
  if (reason == wake_reason::timed_out && now() >= when) return {};
  return ended_wait(reason);
}

void yield() {
  lwp* const current = current_lwp();
  MUT_ASSERT(current != nullptr && current->running != nullptr);
  lwp& here = *current;
  thread_control& thread = *here.running;
  check_no_kernel_lock(thread);
  MUT_ASSERT(here.own != nullptr ||
             thread.scheduler->simulated != nullptr);  // not in a blocking section
  here.left = departure::yielded;
  leave_thread(here, thread, leaving::for_a_while);
}

std::stop_token get_stop_token() {
  thread_control& thread = self();
  if (!thread.stops.stop_possible()) thread.stops = std::stop_source{};
  if (thread.stop.load(std::memory_order_relaxed) && thread.shields == 0) pass_stop_on(thread);
  return thread.stops.get_token();
}

void checkpoint() {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr && here->running != nullptr);
  auto& runtime = *here->scheduler;
  if (runtime.simulated) {
    if (runtime.simulated->one_in(16)) yield();
  } else if (here->own != nullptr &&
             (runtime.attend_if_due(*here) || runtime.options.migrate_always)) {
    yield();
  }
}

Result<void> io_checkpoint() {
  thread_control& thread = self();
  if (thread.stop.load(std::memory_order_relaxed) && thread.shields == 0) {
    pass_stop_on(thread);
    return ended_wait(wake_reason::stopped);
  }
  checkpoint();
  return {};
}

bool stop_requested() noexcept { return self().stop.load(std::memory_order_relaxed); }
std::string_view thread_name() noexcept { return self().name; }
std::uint64_t thread_id() noexcept { return self().id; }

bool on_user_thread() noexcept {
  lwp* const here = current_lwp();
  return here != nullptr && here->running != nullptr;
}

shield::shield() noexcept { ++self().shields; }
shield::~shield() { --self().shields; }

}  // namespace mutirao::threads
