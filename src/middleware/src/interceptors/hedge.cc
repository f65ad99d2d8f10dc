#include <algorithm>
#include <mutex>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "child_call.h"

namespace mutirao::middleware {

Hedge::Hedge(Duration first_guess, RetryBudget::Options budget) noexcept
    : usual_{first_guess.count()}, budget_{budget} {}

/// Follows the quantile 0.95 by steps of a part of itself: up for one in twenty, down for the rest.
void Hedge::learn(Duration took) noexcept {
  constexpr std::int64_t kStep = 64;
  auto const usual = usual_.load(std::memory_order_relaxed);
  auto const step = std::max<std::int64_t>(usual / kStep, 1000);
  usual_.store(
      took.count() > usual ? usual + step : std::max<std::int64_t>(usual - step / 19, 1000),
      std::memory_order_relaxed);
}

Reply Hedge::intercept(Call& call, Next next) {
  auto const& target = *call.target;
  if (target.replicas.empty() || target.replicated || call.items != nullptr ||
      call.attachment != nullptr || call.method == nullptr || !call.method->idempotent)
    return next(call);
  budget_.first_try();
  ChildCall first{call, at_place(target, 0)};
  ChildCall second{call, at_place(target, 1)};
  threads::mutex mutex;
  threads::condition_variable changed;
  std::optional<Reply> replies[2];
  int best = -1;  // the first that did well, else the last that ended
  int ended = 0;
  int begun = 0;
  auto const started = threads::now();
  threads::scope scope;
  auto const begin = [&](int which) {
    ++begun;
    scope.spawn("hedged call",
                [&, which] {
                  auto const reply = passed_on(which == 0 ? first : second, next);
                  {
                    std::lock_guard const lock{mutex};
                    replies[which] = reply;
                    ++ended;
                    if (best < 0 || (replies[best]->failed() && !reply.failed())) best = which;
                  }
                  changed.notify_all();
                },
                {.isolated = true});
  };
  auto const decided = [&] { return (best >= 0 && !replies[best]->failed()) || ended == begun; };
  std::unique_lock lock{mutex};
  begin(0);
  auto const patience = threads::within(Duration{usual_.load(std::memory_order_relaxed)});
  auto waited = changed.wait(lock, decided, earlier(patience, call.deadline));
  if (!decided() && patience.passed(threads::now()) && budget_.take()) {
    hedged_.fetch_add(1, std::memory_order_relaxed);
    begin(1);
  }
  waited = changed.wait(lock, decided, Deadline::never());
  lock.unlock();
  scope.request_stop();
  static_cast<void>(scope.join());
  if (best < 0)
    return call.fail(Failure{std::move(waited).error(), Executed::maybe, Retry::never, {}, {}});
  learn(threads::now() - started);
  return call.take(*replies[best]);
}

}  // namespace mutirao::middleware
