#pragma once

#include <cstdint>

#include "mutirao/base/time.h"
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace mutirao::threads {

/// CLOCK_MONOTONIC.
[[nodiscard]] TimePoint kernel_now() noexcept;

/// A cheap count for "about a tenth of a millisecond has passed"; its rate is measured as it goes.
[[nodiscard]] inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__) && !defined(MUT_MODEL)
  return __rdtsc();
#else
  return static_cast<std::uint64_t>(kernel_now().time_since_epoch().count());
#endif
}

}  // namespace mutirao::threads
