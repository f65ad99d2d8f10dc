#include "mutirao/threads/scope.h"

#include <exception>
#include <new>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "context.h"
#include "park_access.h"
#include "runtime_state.h"
#include "scope_state.h"

namespace mutirao::threads {

void stop_thread(thread_control& thread) noexcept {
  spin_guard const guard{thread.stop_lock};
  thread.stopped_whole = true;
  interrupt_thread(thread, nullptr);
}

void interrupt_thread(thread_control& thread, scope::state const* oldest) noexcept {
  thread.stop.store(true, std::memory_order_relaxed);
  for (auto* inner = thread.scopes; inner != oldest; inner = inner->next_made)
    if (inner->inherits) inner->stop();
  if (thread.parked_on != nullptr &&
      park_access::interrupt(*thread.parked_on, wake_reason::stopped)) {
    thread.scheduler->ready(thread);
  }
}

void scope::state::stop() noexcept {
  spin_guard const guard{lock};
  if (stopped.exchange(true, std::memory_order_relaxed)) return;
  for (auto* thread = first; thread != nullptr; thread = thread->next_sibling) stop_thread(*thread);
}

void scope::state::add(thread_control& thread) noexcept {
  spin_guard const guard{lock};
  thread.next_sibling = first;
  if (first != nullptr) first->previous_sibling = &thread;
  first = &thread;
  alive.fetch_add(1, std::memory_order_relaxed);
  thread.stopped_whole = stopped.load(std::memory_order_relaxed);
  thread.stop.store(thread.stopped_whole, std::memory_order_relaxed);
}

void scope::state::finished(thread_control& thread, Result<void> outcome) noexcept {
  bool const failed = !outcome && !thread.isolated;
  park_token* last_one_waits = nullptr;
  {
    spin_guard const guard{lock};
    if (failed && !failure) failure = std::move(outcome).error();
    (thread.previous_sibling != nullptr ? thread.previous_sibling->next_sibling : first) =
        thread.next_sibling;
    if (thread.next_sibling != nullptr)
      thread.next_sibling->previous_sibling = thread.previous_sibling;
  }
  if (failed) stop();
  {
    // Counted out last: once the scope has seen zero, nothing of it is used but this state.
    spin_guard const guard{lock};
    if (alive.fetch_sub(1, std::memory_order_acq_rel) == 1)
      last_one_waits = std::exchange(joiner, nullptr);
  }
  if (last_one_waits != nullptr) last_one_waits->unpark();
}

scope::scope(Deadline deadline) : state_{std::make_shared<state>()} {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr && here->running != nullptr);  // scopes are made on user threads
  thread_control& maker = *here->running;
  state_->scheduler = maker.scheduler;
  state_->owner = &maker;
  state_->deadline = deadline;
  state_->inherits = maker.shields == 0;  // nothing, for work that must finish
  if (state_->inherits) state_->deadline = earlier(deadline, maker.deadline);
  spin_guard const guard{maker.stop_lock};
  state_->stopped.store(state_->inherits && maker.stop.load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
  state_->next_made = maker.scopes;
  if (maker.scopes != nullptr) maker.scopes->previous_made = state_.get();
  maker.scopes = state_.get();
}

scope::scope(std::stop_token stop, Deadline deadline) : scope{deadline} {
  stopped_by_.emplace(std::move(stop), stopper{state_});
}

void scope::stopper::operator()() const noexcept { target->stop(); }

scope::~scope() {
  state_->stop();
  static_cast<void>(join());
  spin_guard const guard{state_->owner->stop_lock};
  (state_->previous_made != nullptr ? state_->previous_made->next_made : state_->owner->scopes) =
      state_->next_made;
  if (state_->next_made != nullptr) state_->next_made->previous_made = state_->previous_made;
}

void scope::start(std::string name, std::move_only_function<Result<void>()> body,
                  spawn_options options) {
  thread_control* const thread = state_->scheduler->make_thread(options.stack);
  if (thread == nullptr) {
    spin_guard guard{state_->lock};
    if (!state_->failure) {
      state_->failure =
          Error{Fault::exhausted, fmt::format("no memory for the stack of thread {}", name),
                "raise the limit of virtual memory (ulimit -v), or use fewer threads"};
    }
    guard.unlock();
    state_->stop();
    return;
  }
  thread->name = std::move(name);
  thread->body = std::move(body);
  thread->isolated = options.isolated;
  thread->deadline = state_->deadline;
  thread->home = state_;
  state_->add(*thread);
  state_->scheduler->ready(*thread);
  // So the first end while the others are being started, and their stacks serve those.
  if (!state_->scheduler->simulated) checkpoint();
}

Result<void> scope::join() {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr && here->running == state_->owner);
  park_token token;
  bool waits = false;
  {
    spin_guard const guard{state_->lock};
    waits = state_->alive.load(std::memory_order_acquire) > 0;
    if (waits) state_->joiner = &token;
  }
  // Not interrupted by a stop: that has reached the threads already, through the owner's scopes.
  if (waits) {
    token.until_woken({.kind = wait_kind::join, .object = state_.get()});
  } else if (state_->scheduler->options.migrate_always) [[unlikely]] {
    yield();
  }
  spin_guard const guard{state_->lock};
  if (state_->failure) return std::unexpected{*state_->failure};
  return {};
}

void scope::request_stop() noexcept { state_->stop(); }
bool scope::stop_requested() const noexcept {
  return state_->stopped.load(std::memory_order_relaxed);
}
std::size_t scope::threads_alive() const noexcept {
  return state_->alive.load(std::memory_order_acquire);
}

Error detail::escaped_exception() {
  auto const name = thread_name();
  try {
    throw;
  } catch (std::bad_alloc const&) {
    return {Fault::exhausted, fmt::format("thread {}: out of memory", name), {}};
  } catch (std::exception const& escaped) {
    return {Fault::io, fmt::format("thread {} threw: {}", name, escaped.what()), {}};
  } catch (...) {
    return {
        Fault::io, fmt::format("thread {} threw something that is no std::exception", name), {}};
  }
}

namespace {
Result<void> run_body(thread_control& self) noexcept {
  try {
    return self.body();
  } catch (...) {
    return std::unexpected{detail::escaped_exception()};
  }
}

void live_and_finish(thread_control& self) noexcept {
  auto outcome = run_body(self);
  self.body = nullptr;  // while the scope still keeps alive what it refers to
  destroy_locals(self);
  // Held here: the scope itself may be gone once it has counted this thread out.
  if (auto const home = self.home) home->finished(self, std::move(outcome));
  current_lwp()->left = departure::ended;
}
}  // namespace

__attribute__((no_sanitize("thread"))) void run_thread(thread_control& self) noexcept {
  live_and_finish(self);
  leave_thread(*current_lwp(), self, leaving::for_ever);
  MUT_UNREACHABLE();
}

}  // namespace mutirao::threads
