#include <fmt/format.h>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

bool QueueDelayLimit::admits(Duration waited, TimePoint now) noexcept {
  auto const when = now.time_since_epoch().count();
  if (waited < options_.target) {
    last_short_.store(when, std::memory_order_relaxed);
    return true;
  }
  auto const last = last_short_.load(std::memory_order_relaxed);
  bool const overloaded = when - last > options_.interval.count();
  return waited < (overloaded ? options_.target : options_.interval);
}

Reply Admission::intercept(Call& call, Next next) {
  if (!call.incoming || limit_.admits(call.waited, threads::now())) [[likely]]
    return next(call);
  refused_.fetch_add(1, std::memory_order_relaxed);
  auto failure =
      not_executed(Fault::exhausted,
                   fmt::format("too busy: the call waited {} ms in line",
                               std::chrono::floor<std::chrono::milliseconds>(call.waited).count()),
                   "try again in a moment, or elsewhere", Retry::later);
  failure.retry_after = limit_.options().interval;
  failure.origin = "admission";
  return call.fail(std::move(failure));
}

}  // namespace mutirao::middleware
