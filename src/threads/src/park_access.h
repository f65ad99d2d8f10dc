#pragma once

#include "mutirao/threads/park.h"

namespace mutirao::threads {

/// What the scheduler does to a token behind the waiter's and the waker's back.
struct park_access {
  enum : std::uint32_t { empty, parked, woken, timed_out, stopped };

  /// The thread has left its stack. False when its wait ended meanwhile: it must run on.
  [[nodiscard]] static bool commit(park_token& token) noexcept {
    std::uint32_t expected = empty;
    return token.state_.compare_exchange_strong(expected, parked, std::memory_order_acq_rel);
  }

  /// Ends the wait for another reason than its waker. True when the caller must make the thread
  /// ready; false when the thread had not parked yet or is on its way already.
  [[nodiscard]] static bool interrupt(park_token& token, wake_reason reason) noexcept {
    std::uint32_t const ended = reason == wake_reason::stopped ? stopped : timed_out;
    std::uint32_t seen = token.state_.load(std::memory_order_acquire);
    while (seen == empty || seen == parked) {
      if (token.state_.compare_exchange_weak(seen, ended, std::memory_order_acq_rel))
        return seen == parked;
    }
    return false;
  }

  [[nodiscard]] static thread_control& owner(park_token& token) noexcept { return *token.owner_; }
};

}  // namespace mutirao::threads
