#include "kernel_locks.h"

#if defined(MUTIRAO_DEBUG)

#include <cstdio>
#include <cstdlib>
#include <pthread.h>

#include "thread_control.h"

namespace mutirao::threads {

namespace {
thread_local int kernel_locks_held = 0;
}

[[gnu::noinline]] void note_kernel_lock(int change) noexcept { kernel_locks_held += change; }

[[gnu::noinline]] void check_no_kernel_lock(thread_control const& thread) noexcept {
  if (kernel_locks_held == 0) return;
  std::fprintf(
      stderr,
      "mutirao: thread %s parks while it holds %d lock(s) of the kernel level (a "
      "std::mutex or a spin lock): use threads::mutex there, or give the lock free first\n",
      thread.name.c_str(), kernel_locks_held);
  std::abort();
}

}  // namespace mutirao::threads

// The linker puts these in place of the functions (--wrap).
extern "C" {
int __real_pthread_mutex_lock(pthread_mutex_t* mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t* mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t* mutex);

int __wrap_pthread_mutex_lock(pthread_mutex_t* mutex) {
  int const refused = __real_pthread_mutex_lock(mutex);
  if (refused == 0) mutirao::threads::note_kernel_lock(+1);
  return refused;
}
int __wrap_pthread_mutex_trylock(pthread_mutex_t* mutex) {
  int const refused = __real_pthread_mutex_trylock(mutex);
  if (refused == 0) mutirao::threads::note_kernel_lock(+1);
  return refused;
}
int __wrap_pthread_mutex_unlock(pthread_mutex_t* mutex) {
  mutirao::threads::note_kernel_lock(-1);
  return __real_pthread_mutex_unlock(mutex);
}
}

#endif
