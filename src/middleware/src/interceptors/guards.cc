// Those that let a call through or not.
#include <cmath>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/cancel_region.h"
#include "mutirao/threads/this_thread.h"

#include "call_context.h"

namespace mutirao::middleware {

Reply Auth::intercept(Call& call, Next next) {
  if (auto why = policy_(call)) {
    auto failure = not_executed(Fault::refused, *std::move(why), "ask the owner of the node");
    failure.origin = "auth";
    return call.fail(std::move(failure));
  }
  return next(call);
}

Reply DefaultDeadline::intercept(Call& call, Next next) {
  auto const now = threads::now();
  auto const outer = call_context();
  if (call.incoming) {
    // Others have had the call meanwhile: what came too late is not begun.
    if (call.deadline.passed(now))
      return call.fail(not_executed(Fault::timed_out, "the call's time was over before it began"));
    InContext const inside{{.deadline = call.deadline, .trace = outer.trace}};
    return next(call);
  }
  if (call.deadline.is_never() && !call.endless) call.deadline = Deadline::at(now + length_);
  call.deadline = earlier(call.deadline, outer.deadline);
  return next(call);
}

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

Reply RateLimit::intercept(Call& call, Next next) {
  auto const now = threads::now();
  Duration wait{};
  {
    std::lock_guard const lock{mutex_};
    if (buckets_.size() >= kCallersMax)
      std::erase_if(buckets_, [&](auto const& each) {
        return std::chrono::duration<double>{now - each.second.filled}.count() * rate_ >= burst_;
      });
    auto const [at, fresh] = buckets_.try_emplace(std::string{call.caller});
    auto& bucket = at->second;
    if (fresh) bucket = {.tokens = burst_, .filled = now};
    auto const passed = std::chrono::duration<double>{now - bucket.filled}.count();
    bucket.tokens = std::min(burst_, bucket.tokens + passed * rate_);
    bucket.filled = now;
    if (bucket.tokens >= 1)
      bucket.tokens -= 1;
    else
      wait =
          std::chrono::ceil<Duration>(std::chrono::duration<double>{(1 - bucket.tokens) / rate_});
  }
  if (wait == Duration{}) return next(call);
  auto failure =
      not_executed(Fault::exhausted,
                   fmt::format("{} calls too often: at most {:g} a second", call.caller, rate_),
                   "wait a moment between calls", Retry::later);
  failure.retry_after = wait;
  failure.origin = "rate limit";
  return call.fail(std::move(failure));
}

}  // namespace mutirao::middleware
