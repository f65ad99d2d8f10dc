#pragma once

#include <atomic>
#include <cstdint>

#include "mutirao/base/time.h"

namespace mutirao::threads {

struct thread_control;
struct park_access;

/// Why a park ended.
enum class wake_reason : std::uint8_t {
  woken,      ///< unpark() was called
  timed_out,  ///< the deadline, or that of the thread's scope, passed
  stopped,    ///< the thread was asked to stop
};

/// One wait of one thread: the primitive under every lock, queue and I/O call.
///
/// The waiter makes a token on its stack, leaves a pointer to it where the waker will find it, and
/// parks. A wake-up that comes before the park is not lost. unpark() is the waker's last touch of
/// the token; a waiter that gave up (timed_out, stopped) must first take its pointer back, and when
/// the waker has it already, park again with `until_woken` before the token leaves scope.
class park_token {
 public:
  park_token() noexcept;  ///< for the calling user thread
  park_token(park_token const&) = delete;
  park_token& operator=(park_token const&) = delete;

  [[nodiscard]] wake_reason park(Deadline deadline);
  /// Ignores deadlines and stops: only for a waker that is known to be under way.
  void until_woken();

  /// From any thread or LWP; at most once.
  void unpark() noexcept;

 private:
  friend struct park_access;
  thread_control* owner_;
  std::atomic<std::uint32_t> state_{0};
};

}  // namespace mutirao::threads
