#include <mutex>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/task.h"
#include "mutirao/threads/this_thread.h"

#include "interceptors/kept_answer.h"

namespace mutirao::middleware {

struct Deduplicate::Known {
  bool answered = false;
  bool again = false;  // it was not executed: the next one may
  KeptAnswer answer;
};

void Deduplicate::forget_old(TimePoint now) {
  while (!by_age_.empty() &&
         (by_age_.front().first + options_.kept < now || by_age_.size() > options_.keys_max)) {
    known_.erase(by_age_.front().second);
    by_age_.pop_front();
  }
}

Reply Deduplicate::intercept(Call& call, Next next) {
  if (!call.key.present() || call.items != nullptr) return next(call);
  std::shared_ptr<Known> known;
  {
    std::unique_lock lock{mutex_};
    forget_old(threads::now());
    for (;;) {
      auto const [at, fresh] = known_.try_emplace(call.key, nullptr);
      if (fresh) {
        at->second = known = std::make_shared<Known>();
        by_age_.emplace_back(threads::now(), call.key);
        break;
      }
      auto const other = at->second;
      if (auto waited = answered_.wait(
              lock, [&] { return other->answered || other->again; }, call.deadline);
          !waited)
        return call.fail(gave_up_waiting(std::move(waited).error()));
      if (other->answered) return other->answer.give(call);
    }
  }
  std::optional<Reply> answered;
  try {
    answered = encoded_answer(call, next);
    if (!answered->failed()) answered->keep();
  } catch (...) {
    // It may have been executed: those who wait, and those who come later, are told so.
    {
      std::lock_guard const lock{mutex_};
      known->answer.failure =
          Failure{threads::detail::escaped_exception(), Executed::maybe, Retry::never, {}, {}};
      known->answered = true;
    }
    answered_.notify_all();
    throw;
  }
  auto const reply = *answered;
  {
    std::lock_guard const lock{mutex_};
    if (reply.failed() && reply.failure().executed == Executed::no) {
      known->again = true;
      known_.erase(call.key);
      std::erase_if(by_age_, [&](auto const& each) { return each.second == call.key; });
    } else {
      known->answer = KeptAnswer::of(reply);
      known->answered = true;
    }
  }
  answered_.notify_all();
  return reply;
}

}  // namespace mutirao::middleware
