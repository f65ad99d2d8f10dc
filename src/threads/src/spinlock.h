#pragma once

#include <atomic>
#include <cstdint>
#include <sched.h>

#include "kernel_locks.h"

namespace mutirao::threads {

/// Guards a few instructions that never park. The holder may lose its CPU to the kernel, so a
/// waiter soon gives its own up instead of burning the time slice that the holder needs.
class spin_guard {
 public:
  explicit spin_guard(std::atomic<std::uint32_t>& word) noexcept : word_{word} {
    note_kernel_lock(+1);
#if defined(MUT_MODEL)
    word_.acquire();  // the explorer's: one step in place of a loop
#else
    for (int tries = 0; word_.exchange(1, std::memory_order_acquire) != 0; ++tries) {
      while (word_.load(std::memory_order_relaxed) != 0) pause(tries++);
    }
#endif
  }
  ~spin_guard() { unlock(); }
  spin_guard(spin_guard const&) = delete;
  spin_guard& operator=(spin_guard const&) = delete;

  /// Ends the guarded part early; nothing of the guarded object may be touched after it.
  void unlock() noexcept {
    if (!held_) return;
    held_ = false;
    word_.store(0, std::memory_order_release);
    note_kernel_lock(-1);
  }

 private:
  static void pause(int tries) noexcept {
    if (tries > 64) {
      sched_yield();
      return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  std::atomic<std::uint32_t>& word_;
  bool held_ = true;
};

using spin_word = std::atomic<std::uint32_t>;

}  // namespace mutirao::threads
