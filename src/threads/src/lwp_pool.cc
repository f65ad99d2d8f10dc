#include "lwp_pool.h"

#include <algorithm>
#include <cstdio>
#include <malloc.h>
#include <sys/prctl.h>
#include <system_error>
#include <utility>

#include "runtime_state.h"
#include "sanitizers.h"
#include "stack_overflow.h"

namespace mutirao::threads {

namespace {
// The default slack of 50 us is longer than most of what an LWP waits for.
constexpr unsigned long kTimerSlackNs = 1000;

void live(lwp& self) {
  alternate_stack const for_overflows;
  self.adopt_kernel_thread();
  self.scheduler->serve(self);
  set_current_lwp(nullptr);
}

void live_on_own_thread(lwp& self) {
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
  prctl(PR_SET_NAME, "lwp", 0, 0, 0);
  live(self);
}
}  // namespace

void lwp_pool::limit_heaps() const noexcept {
#if defined(__GLIBC__)
  mallopt(M_ARENA_MAX, static_cast<int>(owner_.processors.size()));
#endif
}

bool lwp_pool::start(processor& first) {
  std::lock_guard const lock{mutex_};
  return start_lwp(&first) != nullptr;
}

void lwp_pool::serve_on_caller(processor& first) {
  lwp self{owner_};
  self.own = &first;
  self.caller = true;
  auto const slack_before = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
  alive_.fetch_add(1, std::memory_order_relaxed);
  caller_serves_.store(true, std::memory_order_relaxed);
  live(self);
  caller_serves_.store(false, std::memory_order_relaxed);
  alive_.fetch_sub(1, std::memory_order_relaxed);
  prctl(PR_SET_TIMERSLACK, slack_before, 0, 0, 0);
}

lwp* lwp_pool::start_lwp(processor* first) {
  auto fresh = std::make_unique<lwp>(owner_);
  fresh->own = first;
  alive_.fetch_add(1, std::memory_order_relaxed);  // before it can look
  try {
    fresh->kernel_thread = std::thread{live_on_own_thread, std::ref(*fresh)};
  } catch (std::system_error const& refused) {
    alive_.fetch_sub(1, std::memory_order_relaxed);
    refuse(refused.what(), "the system's limit of threads (ulimit -u, pids.max)");
    return nullptr;
  }
  all_.push_back(std::move(fresh));
  return all_.back().get();
}

/// Whether an LWP rests, or is on its way there because none did.
bool lwp_pool::have_resting() {
  if (!resting_.empty()) return true;
  bury_retired();
  if (alive() >= owner_.processors.size() + owner_.options.spare_lwps_max) {
    refuse("all spare LWPs are in use", "runtime_options::spare_lwps_max");
    return false;
  }
  lwp* const fresh = start_lwp(nullptr);
  if (fresh == nullptr) return false;
  fresh->resting = true;
  resting_.push_back(fresh);
  return true;
}

void lwp_pool::refuse(char const* why, char const* mend) {
  if (refused_.fetch_add(1, std::memory_order_relaxed) > 0) return;
  std::fprintf(stderr,
               "mutirao: no more LWPs than %u: %s; ready threads wait until a blocking call ends "
               "(raise %s)\n",
               alive(), why, mend);
}

void lwp_pool::call(processor& taken) {
  lwp& spare = *resting_.back();
  resting_.pop_back();
  spare.resting = false;
  spare.given = &taken;
  spare.called.notify_one();
}

processor* lwp_pool::rest(lwp& self) {
  std::unique_lock lock{mutex_};
  if (closing_) return nullptr;
  if (!self.resting && self.given == nullptr) {
    self.resting = true;
    resting_.push_back(&self);
  }
  resting_count_.fetch_add(1, std::memory_order_relaxed);
  self.called.wait_for(lock, owner_.options.spare_lwp_rest_max,
                       [&] { return self.given != nullptr || closing_; });
  resting_count_.fetch_sub(1, std::memory_order_relaxed);
  if (auto* const given = std::exchange(self.given, nullptr)) return given;
  if (closing_) return nullptr;
  std::erase(resting_, &self);
  bury_retired();  // not this one, which still has to leave
  self.retired = true;
  alive_.fetch_sub(1, std::memory_order_relaxed);
  return nullptr;
}

void lwp_pool::bury_retired() {
  std::erase_if(all_, [](std::unique_ptr<lwp>& each) {
    if (!each->retired) return false;
    each->kernel_thread.join();
    return true;
  });
}

void lwp_pool::close() {
  std::vector<std::unique_ptr<lwp>> last;
  {
    std::lock_guard const lock{mutex_};
    closing_ = true;
    for (lwp* const spare : resting_) spare->called.notify_one();
    last.swap(all_);
  }
  for (auto& each : last) each->kernel_thread.join();
  std::lock_guard const lock{mutex_};
  resting_.clear();
  closing_ = false;
  alive_.store(0, std::memory_order_relaxed);
}

}  // namespace mutirao::threads
