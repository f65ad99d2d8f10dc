#include <mutex>

#include <fmt/format.h>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

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
