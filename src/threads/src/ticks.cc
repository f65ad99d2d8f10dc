#include "ticks.h"

#include <ctime>

namespace mutirao::threads {

TimePoint kernel_now() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return TimePoint{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

}  // namespace mutirao::threads
