#include "lwp_pool.h"

#include <algorithm>
#include <cstdio>
#include <sys/prctl.h>
#include <system_error>
#include <utility>

#include "runtime_state.h"
#include "sanitizers.h"
#include "stack_overflow.h"

namespace mutirao::threads {

namespace {
constexpr std::chrono::seconds kRestMax{10};

void live(lwp& self) {
  // The default slack of 50 us is longer than most of what this thread waits for.
  prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
  prctl(PR_SET_NAME, "lwp", 0, 0, 0);
  alternate_stack const for_overflows;
  self.adopt_kernel_thread();
  self.scheduler->serve(self);
  set_current_lwp(nullptr);
}
}  // namespace

bool lwp_pool::start(processor& first) {
  std::lock_guard const lock{mutex_};
  return start_lwp(&first);
}

bool lwp_pool::start_lwp(processor* first) {
  auto fresh = std::make_unique<lwp>(owner_);
  fresh->own = first;
  alive_.fetch_add(1, std::memory_order_relaxed);  // before it can look
  try {
    fresh->kernel_thread = std::thread{live, std::ref(*fresh)};
  } catch (std::system_error const&) {
    alive_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  all_.push_back(std::move(fresh));
  return true;
}

void lwp_pool::start_spare() {
  if (spare_coming_) return;
  bury_retired();
  std::size_t const most = owner_.processors.size() + owner_.options.spare_lwps_max;
  spare_coming_ = all_.size() < most && start_lwp(nullptr);
  if (spare_coming_ || std::exchange(limit_told_, true)) return;
  std::fprintf(stderr,
               "mutirao: %zu LWPs are in use and no other can be started: ready threads wait for "
               "blocking calls "
               "to end (raise runtime_options::spare_lwps_max, or the system's limit of threads)\n",
               all_.size());
}

void lwp_pool::call(processor& taken) {
  lwp& spare = *resting_.back();
  resting_.pop_back();
  spare.given = &taken;
  spare.called.notify_one();
}

processor* lwp_pool::rest(lwp& self) {
  std::unique_lock lock{mutex_};
  if (closing_) return nullptr;
  spare_coming_ = false;
  resting_.push_back(&self);
  self.called.wait_for(lock, kRestMax, [&] { return self.given != nullptr || closing_; });
  if (auto* const given = std::exchange(self.given, nullptr)) return given;
  std::erase(resting_, &self);
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
  spare_coming_ = false;
  alive_.store(0, std::memory_order_relaxed);
}

}  // namespace mutirao::threads
