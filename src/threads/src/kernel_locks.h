#pragma once

namespace mutirao::threads {

struct thread_control;

/// A user thread that parks while it holds a lock of the kernel level (a spin lock of ours, a
/// std::mutex) takes the lock away from its LWP: the next thread there may want it too, and whoever
/// gives it free does so on another LWP. The worst bugs of runtimes such as this one came from it.
/// Built with MUTIRAO_DEBUG, every such lock is counted and parking with one is the end; otherwise
/// nothing is left of this.
#if defined(MUTIRAO_DEBUG)
void note_kernel_lock(int change) noexcept;
/// To be called where `thread` is about to leave its stack.
void check_no_kernel_lock(thread_control const& thread) noexcept;
#else
inline void note_kernel_lock(int /*change*/) noexcept {}
inline void check_no_kernel_lock(thread_control const& /*thread*/) noexcept {}
#endif

}  // namespace mutirao::threads
