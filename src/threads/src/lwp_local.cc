#include "lwp_local.h"

#include <cerrno>
#include <cxxabi.h>

#include "mutirao/threads/io.h"

namespace mutirao::threads {

namespace {
thread_local lwp* current = nullptr;

// The layout that the Itanium C++ ABI gives __cxa_eh_globals (2.2.2).
struct exception_globals {
  void* caught;
  unsigned uncaught;
};
exception_globals& globals() noexcept {
  return *reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
}
}  // namespace

[[gnu::noinline]] lwp* current_lwp() noexcept { return current; }
[[gnu::noinline]] void set_current_lwp(lwp* self) noexcept { current = self; }

[[gnu::noinline]] int last_error_number() noexcept { return errno; }

[[gnu::noinline]] void save_language_state(language_state& into) noexcept {
  auto& now = globals();
  into.caught_exceptions = now.caught;
  into.uncaught_exceptions = now.uncaught;
  into.error_number = errno;
  now = {};
}

[[gnu::noinline]] void restore_language_state(language_state const& from) noexcept {
  globals() = {from.caught_exceptions, from.uncaught_exceptions};
  errno = from.error_number;
}

}  // namespace mutirao::threads
