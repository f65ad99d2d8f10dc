#include "mutirao/threads/cancel_region.h"

#include "mutirao/base/check.h"

#include "context.h"
#include "runtime_state.h"
#include "scope_state.h"
#include "thread_control.h"

namespace mutirao::threads {

namespace {
thread_control& region_owner() noexcept {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr && here->running != nullptr);  // regions are made on user threads
  return *here->running;
}
}  // namespace

cancel_region::cancel_region(Deadline deadline) noexcept
    : owner_{region_owner()}, outer_deadline_{owner_.deadline} {
  spin_guard const guard{owner_.stop_lock};
  outer_ = std::exchange(owner_.region, this);
  scopes_before_ = owner_.scopes;
  owner_.deadline = earlier(deadline, outer_deadline_);
}

cancel_region::~cancel_region() {
  spin_guard const guard{owner_.stop_lock};
  MUT_ASSERT(owner_.region == this);
  owner_.region = outer_;
  owner_.deadline = outer_deadline_;
  if (!stopped_ || owner_.stopped_whole) return;
  bool outer_stopped = false;
  for (auto const* each = outer_; each != nullptr; each = each->outer_)
    outer_stopped = outer_stopped || each->stopped_;
  if (outer_stopped) return;
  owner_.stop.store(false, std::memory_order_relaxed);
  owner_.stops = std::stop_source{std::nostopstate};
}

void cancel_region::request_stop() noexcept {
  spin_guard const guard{owner_.stop_lock};
  stopped_ = true;
  interrupt_thread(owner_, scopes_before_);
}

}  // namespace mutirao::threads
