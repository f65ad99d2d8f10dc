#pragma once

#include <cstddef>

namespace mutirao::threads {

struct lwp;
struct thread_control;

/// The stack switch, with what has to move along: errno, exceptions being handled, and the notes
/// for the sanitizers. An LWP enters a thread from its own stack, and the thread always leaves back
/// to there, possibly on another LWP than the one that it entered on before.

/// Makes `thread` start at run_thread() when it is first entered.
void prepare_context(thread_control& thread) noexcept;

/// Runs `thread` on this LWP until it leaves.
void enter_thread(lwp& self, thread_control& thread) noexcept;

enum class leaving { for_a_while, for_ever };
/// Back to the LWP that entered the thread; returns when the thread is entered again.
void leave_thread(thread_control& self, leaving how) noexcept;

/// The first and last function of every user thread; defined by the scheduler.
[[noreturn]] void run_thread(thread_control& self) noexcept;

}  // namespace mutirao::threads
