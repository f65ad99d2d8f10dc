#pragma once

#include <atomic>
#include <cstddef>
#include <optional>

#include "mutirao/threads/scope.h"

#include "spinlock.h"
#include "thread_control.h"

namespace mutirao::threads {

/// Lives as long as the scope or the last thread in it.
///
/// Locks are taken downwards only: a scope's, then one of its threads', then that of a scope made
/// on that thread. Nobody holds an inner one while it takes an outer one.
struct scope::state {
  spin_word lock{0};
  runtime::state* scheduler = nullptr;
  Deadline deadline = Deadline::never();
  std::atomic<bool> stopped{false};
  std::atomic<std::size_t> alive{0};
  thread_control* first = nullptr;  ///< the living threads
  park_token* joiner = nullptr;
  std::optional<Error> failure;  ///< the first

  thread_control* owner = nullptr;
  bool inherits = true;  ///< the deadline and the stops of its owner
  state* next_made = nullptr;
  state* previous_made = nullptr;

  void stop() noexcept;
  void add(thread_control& thread) noexcept;
  /// The thread's last deed: takes it out and wakes the joiner when it was the last one.
  void finished(thread_control& thread, Result<void> outcome) noexcept;
};

}  // namespace mutirao::threads
