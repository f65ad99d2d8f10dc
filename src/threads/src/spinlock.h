#pragma once

#include <atomic>
#include <cstdint>
#include <sched.h>

#include "kernel_locks.h"

namespace mutirao::threads {

using spin_word = std::atomic<std::uint32_t>;

namespace detail {
inline void pause_spinning(int tries) noexcept {
  if (tries > 64) {
    sched_yield();
    return;
  }
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}
}  // namespace detail

inline void spin_lock(spin_word& word) noexcept {
  note_kernel_lock(+1);
#if defined(MUT_MODEL)
  word.acquire();  // the explorer's: one step in place of a loop
#else
  for (int tries = 0; word.exchange(1, std::memory_order_acquire) != 0; ++tries) {
    while (word.load(std::memory_order_relaxed) != 0) detail::pause_spinning(tries++);
  }
#endif
}

inline void spin_unlock(spin_word& word) noexcept {
  word.store(0, std::memory_order_release);
  note_kernel_lock(-1);
}

/// Guards a few instructions that never park. The holder may lose its CPU to the kernel, so a
/// waiter soon gives its own up instead of burning the time slice that the holder needs.
class spin_guard {
 public:
  explicit spin_guard(spin_word& word) noexcept : word_{word} { spin_lock(word_); }
  ~spin_guard() { unlock(); }
  spin_guard(spin_guard const&) = delete;
  spin_guard& operator=(spin_guard const&) = delete;

  /// Ends the guarded part early; nothing of the guarded object may be touched after it.
  void unlock() noexcept {
    if (!held_) return;
    held_ = false;
    spin_unlock(word_);
  }

 private:
  spin_word& word_;
  bool held_ = true;
};

}  // namespace mutirao::threads
