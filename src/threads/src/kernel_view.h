#pragma once

namespace mutirao::threads {

/// Whether the kernel has put this kernel thread of the process to sleep: true while it waits in a
/// call or for a page; false while it runs, or would if it had a CPU, and when the kernel does not
/// tell.
[[nodiscard]] bool sleeps_in_kernel(int kernel_thread) noexcept;

}  // namespace mutirao::threads
