#include "mutirao/threads/runtime.h"

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "runtime_state.h"
#include "thread_list.h"

namespace mutirao::threads {

runtime::runtime(runtime_options options) : state_{std::make_unique<state>(std::move(options))} {}
runtime::~runtime() = default;

void runtime::run(std::move_only_function<void()> main) { state_->run(std::move(main)); }
void runtime::request_stop() noexcept { state_->request_stop(); }

runtime_info info_of(runtime::state const& state) {
  runtime_info info;
  info.processors = static_cast<unsigned>(state.processors.size());
  info.lwps = state.simulated ? 1 : state.lwps.alive();
  info.threads_alive = state.threads_alive();
  for (auto const& each : state.processors) {
    info.switches += each->picks.load(std::memory_order_relaxed);
    info.steals += each->steals.load(std::memory_order_relaxed);
    info.lwps_blocked += each->hold.load(std::memory_order_relaxed) % 2;
  }
  info.lwps_blocked += state.lent.load(std::memory_order_relaxed);
  info.lwps_resting = state.lwps.resting();
  info.lwps_refused = state.lwps.refused();
  info.stalls = state.watch.stalls();
  info.monitor_looks = state.watch.looks();
  info.guard = state.stacks.guard_name();
  if (state.simulated) {
    info.files = "in the calling LWP (simulated)";
  } else if (state.io->files() != nullptr) {
    info.files = "io_uring";
  } else {
    info.files = "spare LWPs (" + state.io->files_refused() + ")";
  }
  return info;
}

void runtime::count_own_kernel_thread(int change) noexcept {
  state_->reporters.fetch_add(static_cast<unsigned>(change), std::memory_order_relaxed);
}

runtime_info runtime::info() const { return info_of(*state_); }

runtime_info this_runtime_info() {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr);
  return info_of(*here->scheduler);
}

}  // namespace mutirao::threads
