#include "lwp_local.h"

#include <cerrno>
#include <cxxabi.h>

#include "mutirao/threads/io.h"

namespace mutirao::threads {

namespace {
thread_local lwp* current = nullptr;
}  // namespace

[[gnu::noinline]] lwp* current_lwp() noexcept { return current; }
[[gnu::noinline]] void set_current_lwp(lwp* self) noexcept { current = self; }

[[gnu::noinline]] int last_error_number() noexcept { return errno; }

[[gnu::noinline]] language_cells own_language_cells() noexcept {
  return {reinterpret_cast<exception_globals*>(abi::__cxa_get_globals()), &errno};
}

}  // namespace mutirao::threads
