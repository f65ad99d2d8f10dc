#pragma once

#include "lwp.h"
#include "sanitizers.h"
#include "switch.h"
#include "thread_control.h"

namespace mutirao::threads {

/// The stack switch, with what has to move along: errno, exceptions being handled, rounding, and
/// the notes for the sanitizers. An LWP enters a thread from its own stack, and the thread always
/// leaves back to there, possibly on another LWP than the one that it entered on before.
///
/// In line, so that few functions return after a switch (switch_x86_64.h says why).

/// Makes `thread` start at run_thread() when it is first entered.
void prepare_context(thread_control& thread) noexcept;

/// On the user thread, just after it was entered.
MUT_SWITCHES void arrived([[maybe_unused]] void* fake_stack) noexcept {
#if defined(MUT_ADDRESS_SANITIZER)
  lwp& here = *current_lwp();
  __sanitizer_finish_switch_fiber(fake_stack, &here.stack_low, &here.stack_size);
#endif
}

/// Runs `thread` on this LWP until it leaves.
MUT_SWITCHES void enter_thread(lwp& self, thread_control& thread) noexcept {
  restore_language_state(self.language, thread.language);
  if constexpr (!kSwitchKeepsRounding) {
    if (thread.rounding != self.rounding) [[unlikely]]
      load_float_control(thread.rounding);
  }
#if defined(MUT_ADDRESS_SANITIZER)
  __sanitizer_start_switch_fiber(&self.fake_stack, thread.stack.low, thread.stack.size);
#endif
#if defined(MUT_THREAD_SANITIZER)
  __tsan_switch_to_fiber(thread.stack.sanitizer_fiber, 0);
#endif
  switch_stack(self.context, thread.context);
#if defined(MUT_ADDRESS_SANITIZER)
  __sanitizer_finish_switch_fiber(self.fake_stack, nullptr, nullptr);
#endif
}

enum class leaving { for_a_while, for_ever };
/// Back to `here`, the LWP that runs the thread; returns when the thread is entered again, with
/// `here` out of date.
MUT_SWITCHES void leave_thread(lwp& here, thread_control& self,
                               [[maybe_unused]] leaving how) noexcept {
  save_language_state(here.language, self.language);
  if constexpr (!kSwitchKeepsRounding) {
    self.rounding = read_float_control();
    if (self.rounding != here.rounding) [[unlikely]]
      load_float_control(here.rounding);
  }
#if defined(MUT_ADDRESS_SANITIZER)
  __sanitizer_start_switch_fiber(how == leaving::for_ever ? nullptr : &self.fake_stack,
                                 here.stack_low, here.stack_size);
#endif
#if defined(MUT_THREAD_SANITIZER)
  __tsan_switch_to_fiber(here.sanitizer_fiber, 0);
#endif
  switch_stack(self.context, here.context);
  arrived(self.fake_stack);
}

/// The first and last function of every user thread; defined by the scheduler.
[[noreturn]] void run_thread(thread_control& self) noexcept;

}  // namespace mutirao::threads
