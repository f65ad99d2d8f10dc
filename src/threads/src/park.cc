#include "mutirao/threads/park.h"

#include <chrono>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "context.h"
#include "kernel_locks.h"
#include "park_access.h"
#include "runtime_state.h"
#include "ticks.h"
#include "waiting.h"

namespace mutirao::threads {

namespace {
/// None on a kernel thread outside the runtimes.
thread_control* running_thread() noexcept {
  lwp* const here = current_lwp();
  MUT_ASSERT(here == nullptr || here->running != nullptr);  // not in the scheduler
  return here != nullptr ? here->running : nullptr;
}

/// A kernel thread outside the runtimes waits in the kernel: nothing takes its place meanwhile. It
/// has no stop, and its token goes from empty to woken or stays.
wake_reason wait_in_kernel(std::atomic<std::uint32_t>& state, Deadline deadline) noexcept {
  auto const since_boot = deadline.when().time_since_epoch();
  auto const seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
  timespec const until{.tv_sec = seconds.count(), .tv_nsec = (since_boot - seconds).count()};
  for (;;) {
    if (state.load(std::memory_order_acquire) == park_access::woken) return wake_reason::woken;
    if (deadline.passed(kernel_now())) return wake_reason::timed_out;
    syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&state), FUTEX_WAIT_BITSET_PRIVATE,
            park_access::empty, deadline.is_never() ? nullptr : &until, nullptr,
            FUTEX_BITSET_MATCH_ANY);
  }
}

/// Leaves the stack until somebody ends the wait on `token`.
void leave_until_ended(thread_control& self, park_token& token, wait_note note) noexcept {
  check_no_kernel_lock(self);
  lwp& here = *current_lwp();
  self.tell_wait(note);
  // A thread inside a blocking section has given its processor up and can't wait for others.
  MUT_ASSERT(here.own != nullptr || self.scheduler->simulated != nullptr);
  here.left = departure::parked;
  here.token = &token;
  leave_thread(here, self, leaving::for_a_while);
}

/// Lets a stop request find the wait. False when there was one already.
bool expose(thread_control& self, park_token& token) noexcept {
  spin_guard const guard{self.stop_lock};
  if (self.stop.load(std::memory_order_relaxed)) return false;
  self.parked_on = &token;
  return true;
}

/// Also a wait that is over before it began is a place to go elsewhere.
void pass_through(thread_control& self) {
  if (self.scheduler->options.migrate_always) [[unlikely]]
    yield();
}

void conceal(thread_control& self) noexcept {
  spin_guard const guard{self.stop_lock};
  self.parked_on = nullptr;
}
}  // namespace

park_token::park_token() noexcept : owner_{running_thread()} {}

wake_reason park_token::park(Deadline deadline, wait_note note) {
  if (owner_ == nullptr) return wait_in_kernel(state_, deadline);
  if (state_.load(std::memory_order_acquire) == park_access::woken) {
    pass_through(*owner_);
    return wake_reason::woken;
  }
  thread_control& self = *owner_;
  bool const interruptible = self.shields == 0;
  if (interruptible) deadline = earlier(deadline, self.deadline);
  if (!deadline.is_never() && deadline.passed(self.scheduler->now())) {
    pass_through(self);
    return wake_reason::timed_out;
  }
  if (interruptible && !expose(self, *this)) {
    pass_through(self);
    pass_stop_on(self);
    return wake_reason::stopped;
  }
  if (deadline.is_never()) {
    leave_until_ended(self, *this, note);
  } else {
    timer limit;
    limit.when = deadline.when();
    limit.token = this;
    self.scheduler->timers().add(limit);
    leave_until_ended(self, *this, note);
    limit.heap->remove(limit);
  }
  if (interruptible) conceal(self);
  switch (state_.load(std::memory_order_acquire)) {
    case park_access::timed_out:
      return wake_reason::timed_out;
    case park_access::stopped:
      pass_stop_on(self);
      return wake_reason::stopped;
    default:
      return wake_reason::woken;
  }
}

void park_token::until_woken(wait_note note) {
  if (owner_ == nullptr) {
    wait_in_kernel(state_, Deadline::never());
    return;
  }
  auto seen = state_.load(std::memory_order_acquire);
  // Forget that an earlier park gave up.
  while (seen != park_access::woken && seen != park_access::empty) {
    state_.compare_exchange_weak(seen, park_access::empty, std::memory_order_acq_rel);
  }
  if (seen != park_access::woken) {
    leave_until_ended(*owner_, *this, note);
  } else {
    pass_through(*owner_);
  }
}

void park_token::unpark() noexcept {
  // Read first: a waiter that was not parked yet may see the exchange and leave.
  thread_control* const owner = owner_;
  if (state_.exchange(park_access::woken, std::memory_order_acq_rel) == park_access::parked) {
    owner->scheduler->ready(*owner);
  } else if (owner == nullptr) {
    // By its address alone: should it have left, somebody else may look once too often.
    syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&state_), FUTEX_WAKE_PRIVATE, 1);
  }
}

std::string_view to_string(wait_kind kind) noexcept {
  switch (kind) {
    case wait_kind::other:
      return "another thread";
    case wait_kind::timer:
      return "timer";
    case wait_kind::mutex:
      return "mutex";
    case wait_kind::shared_mutex:
      return "shared mutex";
    case wait_kind::condition:
      return "condition";
    case wait_kind::semaphore:
      return "semaphore";
    case wait_kind::latch:
      return "latch";
    case wait_kind::channel:
      return "channel";
    case wait_kind::select:
      return "select";
    case wait_kind::join:
      return "join";
    case wait_kind::readable:
      return "readable";
    case wait_kind::writable:
      return "writable";
    case wait_kind::file:
      return "file";
    case wait_kind::blocking_call:
      return "blocking call";
  }
  return "another thread";
}

std::unexpected<Error> ended_wait(wake_reason reason) {
  MUT_ASSERT(reason != wake_reason::woken);
  if (reason == wake_reason::stopped) return fail(Fault::cancelled, "asked to stop");
  return fail(Fault::timed_out, "the deadline passed");
}

}  // namespace mutirao::threads
