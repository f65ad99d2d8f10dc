#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <unistd.h>

#include "mutirao/threads/runtime.h"

#include "float_control.h"
#include "lwp_local.h"
#include "run_queue.h"
#include "sanitizers.h"
#include "stack_pool.h"
#include "switch.h"
#include "timer_heap.h"

namespace mutirao::threads {

struct thread_control;

/// A run queue and what belongs to it. Exactly one LWP holds a processor at a time; while that LWP
/// is in a blocking section the monitor may hand it to a spare one.
struct alignas(64) processor {
  unsigned index = 0;
  run_queue queue;
  stack_cache stacks;
  timer_heap timers;
  shared_queue sent;  ///< with migrate_always: threads that must go on here

  /// Beside the processors proper: of a spare LWP that the monitor has sent because those make no
  /// progress. Keeps nothing that others would have to wait for: its queue and timers stay empty.
  bool relief = false;
  std::atomic<bool> in_use{true};
  std::atomic<bool> dismissed{false};  ///< a relief that is to end at its next pick
  std::atomic<bool> waiting{false};    ///< its holder is in the poller, or on its way here
  std::atomic<int> holder{0};  ///< the kernel's number of the LWP that holds it, or did last

  /// Odd while the holder is in a blocking section. Leaving one, and taking the processor away from
  /// it, both add one by compare-and-swap: exactly one of them wins.
  std::atomic<std::uint64_t> hold{0};

  // Written by the holder only, read by the monitor and by info().
  std::atomic<std::uint64_t> picks{0};
  std::atomic<std::uint64_t> steals{0};

  // Written by the holder only: what info() and list_threads() add up.
  std::atomic<std::uint64_t> born{0};
  std::atomic<std::uint64_t> died{0};

  // The holder's alone.
  std::uint64_t next_id = 0;  ///< of the numbers that it has set apart for its threads
  std::uint64_t ids_end = 0;
  unsigned looks_in = 1;        ///< picks until it looks at the clock again
  unsigned looks_every = 1;     ///< what it was set to
  std::uint64_t looked_at = 0;  ///< ticks
  std::uint64_t attend_at = 0;  ///< ticks; when timers and the poller are looked at next
  std::uint64_t slice_end = 0;  ///< ticks; when checkpoint() gives way
};

/// Why a thread left its stack; what its LWP has to do about it.
enum class departure : std::uint8_t { parked, yielded, without_processor, ended };

/// A kernel thread that executes user threads. Without a processor it is a spare one, at rest or
/// lent to a blocking call.
struct lwp {
  explicit lwp(runtime::state& owner) noexcept : scheduler{&owner} {}

  runtime::state* scheduler;
  processor* own = nullptr;  ///< the processor it holds; none inside a blocking section
  int number = 0;            ///< the kernel's
  thread_control* running = nullptr;
  std::uint64_t picked_at = 0;  ///< when it took the running thread up, as a state::stamp()
  departure left = departure::parked;
  park_token* token = nullptr;  ///< with departure::parked

  saved_stack context;  ///< this LWP's own stack, while it runs a thread
  language_cells language;
  float_control rounding = 0;  ///< what it runs with between threads
  void* fake_stack = nullptr;  ///< of the address sanitizer
  void const* stack_low = nullptr;
  std::size_t stack_size = 0;
  void* sanitizer_fiber = nullptr;

  // Of a spare LWP at rest; guarded by the pool's mutex.
  std::condition_variable called;
  processor* given = nullptr;
  bool resting = false;
  bool retired = false;
  /// The thread that called runtime::run(): goes back to it when it has no processor any more.
  bool caller = false;
  std::thread kernel_thread;

  /// On the kernel thread that this is: from now on current_lwp() is it.
  void adopt_kernel_thread() noexcept {
    number = gettid();
    sanitizer_fiber = current_fiber();
    language = own_language_cells();
    rounding = read_float_control();
    set_current_lwp(this);
  }
};

}  // namespace mutirao::threads
