#include <algorithm>

#include "mutirao/middleware/attachment.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/this_thread.h"

#include "child_call.h"

namespace mutirao::middleware {

namespace {
constexpr double kTokensPerRetry = 1000;
}

RetryBudget::RetryBudget(Options options) noexcept
    : share_{static_cast<std::int64_t>(options.share * kTokensPerRetry)},
      reserve_{static_cast<std::int64_t>(options.reserve * kTokensPerRetry)},
      tokens_{reserve_} {}

void RetryBudget::first_try() noexcept {
  if (tokens_.fetch_add(share_, std::memory_order_relaxed) + share_ > reserve_)
    tokens_.store(reserve_, std::memory_order_relaxed);
}

bool RetryBudget::take() noexcept {
  auto have = tokens_.load(std::memory_order_relaxed);
  while (have >= static_cast<std::int64_t>(kTokensPerRetry))
    if (tokens_.compare_exchange_weak(have, have - static_cast<std::int64_t>(kTokensPerRetry),
                                      std::memory_order_relaxed))
      return true;
  return false;
}

RetryCalls::RetryCalls(world::World& world, RetryOptions options)
    : world_{world}, options_{options}, budget_{options.budget} {}

bool RetryCalls::safe(Call const& call, Failure const& failure) noexcept {
  if (failure.retry == Retry::never || failure.fault == Fault::cancelled) return false;
  if (failure.executed == Executed::no) return true;
  if (call.items != nullptr) return false;  // some have been taken
  return call.key.present() || (call.method != nullptr && call.method->idempotent);
}

Reply RetryCalls::intercept(Call& call, Next next) {
  budget_.first_try();
  auto reply = next(call);
  if (!reply.failed()) [[likely]]
    return reply;
  auto const& target = *call.target;
  auto const places = target.replicated ? 1 : target.replicas.size() + 1;
  auto pause = options_.pause_first;
  for (unsigned again = 1; again < options_.tries_max && reply.failed(); ++again) {
    auto const& failure = reply.failure();
    if (!safe(call, failure)) break;
    if (options_.only_when_asked && failure.retry != Retry::later) break;
    if (call.attachment != nullptr && !call.attachment->rewind()) break;
    if (!budget_.take()) break;
    auto const now = threads::now();
    Duration const drawn{static_cast<std::int64_t>(
        world_.entropy().below(static_cast<std::uint64_t>(pause.count()) + 1))};
    bool const elsewhere = failure.retry == Retry::elsewhere && places > 1;
    auto const wait = elsewhere ? Duration{} : std::max(drawn, failure.retry_after);
    if (!call.deadline.is_never() && now + wait >= call.deadline.when()) break;
    if (wait > Duration{} && !threads::sleep_for(wait)) break;
    pause = std::min(2 * pause, options_.pause_max);
    retries_.fetch_add(1, std::memory_order_relaxed);
    if (places == 1) {
      reply = next(call);
      continue;
    }
    auto const elsewhere_target = at_place(target, again % places);
    call.target = &elsewhere_target;
    reply = next(call);
    call.target = &target;
  }
  return reply;
}

}  // namespace mutirao::middleware
