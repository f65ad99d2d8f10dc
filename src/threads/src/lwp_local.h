#pragma once

namespace mutirao::threads {

struct lwp;

/// A user thread that parks may go on running on another LWP. The compiler does not know it: it may
/// keep the address of a thread_local, or of errno, in a register across the switch. So everything
/// local to an LWP is reached through these functions alone, which live in a file of their own and
/// are never inlined.
[[nodiscard]] lwp* current_lwp() noexcept;
void set_current_lwp(lwp* self) noexcept;

/// The layout that the Itanium C++ ABI gives __cxa_eh_globals (2.2.2).
struct exception_globals {
  void* caught = nullptr;
  unsigned uncaught = 0;
};

/// What the language runtime keeps for each LWP but belongs to the user thread: errno and the
/// exceptions that are being handled.
struct language_state {
  exception_globals exceptions;
  int error_number = 0;
};

/// Where the calling LWP keeps it: asked for once, as the calls cost as much as a switch.
struct language_cells {
  exception_globals* exceptions = nullptr;
  int* error_number = nullptr;
};
[[nodiscard]] language_cells own_language_cells() noexcept;

inline void save_language_state(language_cells const& cells, language_state& into) noexcept {
  into.exceptions = *cells.exceptions;
  into.error_number = *cells.error_number;
  *cells.exceptions = {};
}

inline void restore_language_state(language_cells const& cells,
                                   language_state const& from) noexcept {
  *cells.exceptions = from.exceptions;
  *cells.error_number = from.error_number;
}

}  // namespace mutirao::threads
