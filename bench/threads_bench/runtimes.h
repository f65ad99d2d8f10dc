#pragma once

#include <functional>

/// How the rows of this folder run some work on each of the runtimes.
namespace bench {

/// On our threads, with one processor: like one LWP of the others. CPU nanoseconds an operation.
[[nodiscard]] double ours_ns(double count, std::function<void()> const& work);

/// On Boost.Fiber, on a fresh LWP, so that each measurement has a scheduler of its own.
[[nodiscard]] double fibers_ns(double count, std::function<void()> const& work);

/// Keeps this kernel thread, and those that it starts, on the first CPU.
void pin_to_cpu_0();

}  // namespace bench
