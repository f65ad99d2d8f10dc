#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/latch.h"

namespace mutirao::threads {

namespace detail {
template <class T>
struct task_state {
  latch ended{1};
  std::optional<Result<T>> outcome;
};

/// The thread's side. A thread that never ran, for want of memory, tells so as well.
template <class T>
class task_promise {
 public:
  explicit task_promise(std::shared_ptr<task_state<T>> state) noexcept : state_{std::move(state)} {}
  task_promise(task_promise&&) noexcept = default;
  task_promise& operator=(task_promise&&) = delete;
  ~task_promise() {
    if (state_) set(fail(Fault::cancelled, "the thread ended without a value"));
  }
  void set(Result<T> outcome) noexcept {
    auto const state = std::move(state_);
    state->outcome.emplace(std::move(outcome));
    state->ended.count_down();
  }

 private:
  std::shared_ptr<task_state<T>> state_;
};

/// What scope::join() would say of the exception that is being handled.
[[nodiscard]] Error escaped_exception();
}  // namespace detail

/// The value that a thread of a scope will return: scope::spawn() gives it for a body that returns
/// T or Result<T>. It may outlive the scope and go to other threads.
template <class T>
class [[nodiscard]] task {
 public:
  explicit task(std::shared_ptr<detail::task_state<T>> state) noexcept : state_{std::move(state)} {}

  /// Parks until the thread has ended: its value, or why it failed. Once; not after a deadline or a
  /// stop has ended the wait.
  [[nodiscard]] Result<T> get(Deadline deadline = Deadline::never()) {
    MUT_TRY(state_->ended.wait(deadline));
    return *std::move(state_->outcome);
  }
  /// Whether get() would not park.
  [[nodiscard]] bool ready() const noexcept { return state_->ended.try_wait(); }

 private:
  std::shared_ptr<detail::task_state<T>> state_;
};

}  // namespace mutirao::threads
