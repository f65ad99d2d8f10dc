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
         (by_age_.front().at + options_.kept < now || by_age_.size() > options_.keys_max)) {
    auto const found = known_.find(by_age_.front().key);
    bytes_ -= found->second->answer.body.size();
    known_.erase(found);
    by_age_.pop_front();
    if (without_answer_ > 0) --without_answer_;
  }
  while (bytes_ > options_.bytes_max && without_answer_ < by_age_.size()) {
    auto& answer = known_.at(by_age_[without_answer_++].key)->answer;
    if (answer.body.empty()) continue;  // a failure, or nothing
    bytes_ -= answer.body.size();
    answer = {
        .body = {},
        .owner = nullptr,
        .failure = Failure{{Fault::exhausted, "it was executed; its answer is not kept any more",
                            "look at what it did, and call anew with another key"},
                           Executed::yes,
                           Retry::never,
                           {},
                           {}}};
  }
}

/// Under the lock: its answer is there.
void Deduplicate::settle(IdempotencyKey key, Known& known) {
  known.answered = true;
  bytes_ += known.answer.body.size();
  by_age_.push_back({threads::now(), key});
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
      settle(call.key, *known);
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
    } else {
      known->answer = KeptAnswer::of(reply);
      settle(call.key, *known);
    }
  }
  answered_.notify_all();
  return reply;
}

}  // namespace mutirao::middleware
