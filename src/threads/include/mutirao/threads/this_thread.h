#pragma once

#include <cstdint>
#include <stop_token>
#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"

/// What a user thread can ask about and do to itself. All of it must be called on a user thread.
namespace mutirao::threads {

struct runtime_info;

/// The monotonic time of this runtime: virtual under a simulated schedule.
[[nodiscard]] TimePoint now() noexcept;

/// The deadline `duration` from now.
[[nodiscard]] Deadline within(Duration duration) noexcept;

/// Parks until then. Fails with cancelled when this thread is asked to stop, timed_out when the
/// scope's deadline comes first.
Result<void> sleep_for(Duration duration);
Result<void> sleep_until(TimePoint when);

/// Lets other ready threads of this processor run.
void yield();

/// For long computation: yields when this thread has used up its slice. A few nanoseconds
/// otherwise.
void checkpoint();

/// True once this thread, or a scope that it belongs to, was asked to stop.
[[nodiscard]] bool stop_requested() noexcept;

/// The same as the standard library has it, for code that takes a std::stop_token. It is asked to
/// stop where a stop reaches this thread: at its parking calls and checkpoints. What is registered
/// with a std::stop_callback then runs on this thread.
[[nodiscard]] std::stop_token get_stop_token();

/// The name given at spawn; unique numbers never repeat within a runtime.
[[nodiscard]] std::string_view thread_name() noexcept;
[[nodiscard]] std::uint64_t thread_id() noexcept;

/// Whether the caller is a user thread at all.
[[nodiscard]] bool on_user_thread() noexcept;

/// The runtime that the calling thread belongs to.
[[nodiscard]] runtime_info this_runtime_info();

/// While one lives, parking calls of this thread ignore stop requests and the scope's deadline: for
/// clean-up that must finish, such as flushing a journal.
class shield {
 public:
  shield() noexcept;
  ~shield();
  shield(shield const&) = delete;
  shield& operator=(shield const&) = delete;
};

}  // namespace mutirao::threads
