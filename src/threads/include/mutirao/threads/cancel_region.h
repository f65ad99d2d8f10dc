#pragma once

#include "mutirao/base/time.h"
#include "mutirao/threads/scope.h"

namespace mutirao::threads {

struct thread_control;

/// A stretch of a thread's work that has a deadline of its own and can be stopped by itself.
///
/// A server's thread runs one call after another. When a client takes a call back, that call has to
/// end and the thread must not: it enters a region for each call. Inside one, parking calls end as
/// timed_out once its deadline has passed and as cancelled once it was asked to stop, and scopes
/// inherit both; leaving it, the thread is as it was before. A stop of the thread itself reaches
/// through regions and stays.
///
/// Made and destroyed on one user thread, innermost first; request_stop() from any thread while it
/// lives.
class cancel_region {
 public:
  explicit cancel_region(Deadline deadline = Deadline::never()) noexcept;
  ~cancel_region();
  cancel_region(cancel_region const&) = delete;
  cancel_region& operator=(cancel_region const&) = delete;

  void request_stop() noexcept;

 private:
  thread_control& owner_;
  cancel_region* outer_;
  Deadline outer_deadline_;
  scope::state const* scopes_before_ = nullptr;
  bool stopped_ = false;
};

}  // namespace mutirao::threads
