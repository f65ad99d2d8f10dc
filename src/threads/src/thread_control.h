#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/cancel_region.h"
#include "mutirao/threads/diagnostics.h"
#include "mutirao/threads/park.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"

#include "float_control.h"
#include "lwp_local.h"
#include "spinlock.h"
#include "stack_pool.h"
#include "switch.h"

namespace mutirao::threads {

/// One local<T> of a thread.
struct local_value {
  std::uint64_t key;
  void* value;
  void (*destroy)(void*);
  local_value* next;
};

/// Everything about one user thread. Lies at the top of its own stack, so that a parked thread
/// costs one page in all.
struct alignas(64) thread_control {
  // What every switch and every wait touch: two cache lines, as those of a thread that waited for
  // long come from memory.
  saved_stack context;  ///< where it goes on; valid while it is not running
  runtime::state* scheduler = nullptr;
  language_state language;
  float_control rounding = 0;
  /// Guards what a stop request touches: the flag, the wait to end, the scopes made on this thread.
  spin_word stop_lock{0};

  park_token* parked_on = nullptr;
  scope::state* scopes = nullptr;
  Deadline deadline = Deadline::never();
  unsigned shields = 0;
  std::atomic<bool> stop{false};
  // What diagnostics tell of it. `since` is when its LWP last picked a thread, in state::stamp()s:
  // reading the clock at each park would cost more than the rest of it.
  std::atomic<thread_state> phase{thread_state::ready};
  std::atomic<wait_kind> wait_for{wait_kind::other};
  bool isolated = false;
  std::atomic<void const*> wait_object{nullptr};
  std::atomic<std::uintptr_t> wait_detail{0};
  std::atomic<std::uint64_t> since{0};
  unsigned last_processor = 0;  ///< kept with migrate_always only

  // The rest is for its start and its end.
  stack_block stack;
  void* fake_stack = nullptr;  ///< of the address sanitizer
  std::uint64_t id = 0;
  std::string name;
  std::move_only_function<Result<void>()> body;

  /// The scope that owns it; none for the first thread of a runtime.
  std::shared_ptr<scope::state> home;
  thread_control* next_sibling = nullptr;
  thread_control* previous_sibling = nullptr;
  std::uint64_t born = 0;

  cancel_region* region = nullptr;  ///< the innermost
  bool stopped_whole = false;       ///< the stop is the thread's, not that of a region alone

  local_value* locals = nullptr;  ///< the last made first
  /// Made when somebody asks for a token. Asked to stop by the thread itself, where a stop reaches
  /// it.
  std::stop_source stops{std::nostopstate};

  /// How long its last blocking section took: the best guess about the next one.
  enum class section : std::uint8_t { unknown, brief, lengthy } last_section = section::unknown;

  void tell_wait(wait_note note) noexcept {
    wait_for.store(note.kind, std::memory_order_relaxed);
    wait_object.store(note.object, std::memory_order_relaxed);
    wait_detail.store(note.detail, std::memory_order_relaxed);
  }
};

/// Asks the thread, and what runs in scopes made on it, to stop. The caller makes sure that the
/// thread does not end meanwhile.
void stop_thread(thread_control& thread) noexcept;

/// Stops what it does now: its wait, and the scopes made on it since `oldest` was the last. Under
/// its stop_lock.
void interrupt_thread(thread_control& thread, scope::state const* oldest) noexcept;

/// On the thread itself, when a stop has reached it: its std::stop_token too.
inline void pass_stop_on(thread_control& self) noexcept {
  if (self.stops.stop_possible()) self.stops.request_stop();
}

/// The thread's last deed but for its scope.
void destroy_locals(thread_control& thread) noexcept;

}  // namespace mutirao::threads
