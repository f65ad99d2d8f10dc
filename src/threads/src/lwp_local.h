#pragma once

namespace mutirao::threads {

struct lwp;

/// A user thread that parks may go on running on another LWP. The compiler does not know it: it may
/// keep the address of a thread_local, or of errno, in a register across the switch. So everything
/// local to an LWP is reached through these functions alone, which live in a file of their own and
/// are never inlined.
[[nodiscard]] lwp* current_lwp() noexcept;
void set_current_lwp(lwp* self) noexcept;

/// What the language runtime keeps for each LWP but belongs to the user thread: errno and the
/// exceptions that are being handled.
struct language_state {
  void* caught_exceptions = nullptr;
  unsigned uncaught_exceptions = 0;
  int error_number = 0;
};
void save_language_state(language_state& into) noexcept;
void restore_language_state(language_state const& from) noexcept;

}  // namespace mutirao::threads
