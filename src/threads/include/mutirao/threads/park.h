#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

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

/// What a wait is for: what runtime::report() tells of a parked thread.
enum class wait_kind : std::uint8_t {
  other,
  timer,
  mutex,
  shared_mutex,
  condition,
  semaphore,
  latch,
  channel,
  select,
  join,           ///< the threads of a scope
  readable,       ///< a descriptor
  writable,       ///< a descriptor
  file,           ///< the completion of a file operation
  blocking_call,  ///< not parked: the thread keeps its LWP
};
[[nodiscard]] std::string_view to_string(wait_kind kind) noexcept;
inline constexpr std::array kWaitKinds{
    wait_kind::other,     wait_kind::timer,        wait_kind::mutex,    wait_kind::shared_mutex,
    wait_kind::condition, wait_kind::semaphore,    wait_kind::latch,    wait_kind::channel,
    wait_kind::select,    wait_kind::join,         wait_kind::readable, wait_kind::writable,
    wait_kind::file,      wait_kind::blocking_call};

/// Left by a thread that parks: three stores.
struct wait_note {
  wait_kind kind = wait_kind::other;
  /// Only to be named: it may be gone by then. Of readable and writable: what has no descriptor.
  void const* object = nullptr;
  std::uintptr_t detail = 0;  ///< the descriptor; of a mutex, an address on its holder's stack
};

/// One wait of one thread: the primitive under every lock, queue and I/O call.
///
/// The waiter makes a token on its stack, leaves a pointer to it where the waker will find it, and
/// parks. A wake-up that comes before the park is not lost. unpark() is the waker's last touch of
/// the token; a waiter that gave up (timed_out, stopped) must first take its pointer back, and when
/// the waker has it already, park again with `until_woken` before the token leaves scope.
class park_token {
 public:
  /// For the calling user thread. For a kernel thread outside the runtimes too: it waits in the
  /// kernel, and has no stop; so what is made of tokens works between the two, except with a
  /// simulated runtime, which nobody may wake from outside.
  park_token() noexcept;
  park_token(park_token const&) = delete;
  park_token& operator=(park_token const&) = delete;

  [[nodiscard]] wake_reason park(Deadline deadline, wait_note note = {});
  /// Ignores deadlines and stops: only for a waker that is known to be under way.
  void until_woken(wait_note note = {});

  /// From any thread or LWP; at most once.
  void unpark() noexcept;

 private:
  friend struct park_access;
  thread_control* owner_;  // none: a kernel thread outside the runtimes
  std::atomic<std::uint32_t> state_{0};
};

}  // namespace mutirao::threads
