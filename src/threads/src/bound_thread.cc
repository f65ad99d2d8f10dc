#include "mutirao/threads/bound_thread.h"

#include <sys/prctl.h>
#include <thread>
#include <utility>

#include "mutirao/base/check.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/this_thread.h"

#include "context.h"
#include "runtime_state.h"

namespace mutirao::threads {

struct bound_thread::state {
  mutex guard;
  condition_variable ended_changed;
  bool ended = false;
  std::thread kernel_thread;
};

bool bound_thread::available() noexcept {
  lwp* const here = current_lwp();
  return here != nullptr && here->running != nullptr && !here->scheduler->simulated;
}

bound_thread::bound_thread(std::string name, std::move_only_function<void()> body)
    : state_{std::make_unique<state>()} {
  MUT_ASSERT(available());
  state_->kernel_thread =
      std::thread{[own = state_.get(), name = std::move(name), body = std::move(body)]() mutable {
        prctl(PR_SET_NAME, name.c_str(), 0, 0, 0);
        body();
        std::lock_guard const lock{own->guard};
        own->ended = true;
        own->ended_changed.notify_all();
      }};
}

bound_thread::bound_thread(bound_thread&& other) noexcept = default;

bound_thread::~bound_thread() {
  if (state_ == nullptr) return;
  {
    shield const to_the_end;
    std::unique_lock lock{state_->guard};
    static_cast<void>(state_->ended_changed.wait(lock, [this] { return state_->ended; }));
  }
  state_->kernel_thread.join();  // on its last few instructions
}

}  // namespace mutirao::threads
