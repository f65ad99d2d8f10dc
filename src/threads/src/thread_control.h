#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/park.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"

#include "lwp_local.h"
#include "spinlock.h"
#include "stack_pool.h"

namespace mutirao::threads {

/// Everything about one user thread. Lies at the top of its own stack, so that a parked thread
/// costs one page in all.
struct thread_control {
  void* context = nullptr;  ///< where it goes on; valid while it is not running
  runtime::state* scheduler = nullptr;
  stack_block stack;
  language_state language;
  void* fake_stack = nullptr;  ///< of the address sanitizer

  std::uint64_t id = 0;
  std::string name;
  std::move_only_function<Result<void>()> body;

  /// The scope that owns it; none for the first thread of a runtime.
  std::shared_ptr<scope::state> home;
  thread_control* next_sibling = nullptr;
  thread_control* previous_sibling = nullptr;
  bool isolated = false;
  Deadline deadline = Deadline::never();
  unsigned shields = 0;
  unsigned last_processor = 0;  ///< kept with migrate_always only

  /// Guards what a stop request touches: the flag, the wait to end, the scopes made on this thread.
  spin_word stop_lock{0};
  std::atomic<bool> stop{false};
  park_token* parked_on = nullptr;
  scope::state* scopes = nullptr;
};

/// Asks the thread, and what runs in scopes made on it, to stop. The caller makes sure that the
/// thread does not end meanwhile.
void stop_thread(thread_control& thread) noexcept;

}  // namespace mutirao::threads
