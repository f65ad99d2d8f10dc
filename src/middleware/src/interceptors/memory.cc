// Those that remember answers.
#include <mutex>

#include <fmt/format.h>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/task.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

namespace {
/// What an answer is worth keeping of, so that it can be given to another call.
struct KeptAnswer {
  ByteView body;
  std::shared_ptr<void const> owner;
  std::optional<Failure> failure;

  static KeptAnswer of(Reply reply) {
    if (reply.failed()) return {.body = {}, .owner = nullptr, .failure = reply.failure()};
    auto owner = reply.keep();
    return {.body = reply.body(), .owner = std::move(owner), .failure = std::nullopt};
  }
  [[nodiscard]] Reply give(Call& call) const {
    return failure ? call.fail(*failure) : call.answer(body, owner);
  }
};

/// Somebody else needs the answer as well, so it has to be an encoded one.
Reply encoded_answer(Call& call, Next next) {
  auto* const typed = std::exchange(call.typed_result, nullptr);
  auto const reply = next(call);
  call.typed_result = typed;
  return reply;
}

Failure gave_up_waiting(Error error) {
  return Failure{std::move(error).during("waiting for the same call of another"),
                 Executed::maybe,
                 Retry::never,
                 {},
                 {}};
}
}  // namespace

struct Cache::Entry {
  std::string key;
  bool filled = false;
  bool abandoned = false;  // whoever was to fill it failed
  TimePoint good_until;
  KeptAnswer answer;
  std::size_t bytes = 0;
};

Reply Cache::intercept(Call& call, Next next) {
  if (call.method == nullptr || call.method->cacheable == Duration{} || call.items != nullptr)
    return next(call);
  wire::MsgpackWriter out;
  out.string(call.target->object);
  out.string(call.incoming || call.target->route == nullptr ? "" : call.target->route->where());
  write(out, call.target->capability);
  out.string(call.method_name);
  call.arguments.write(out);
  std::string const key{base::text_of(out.written())};

  auto const now = threads::now();
  std::shared_ptr<Entry> entry;
  {
    std::unique_lock lock{mutex_};
    for (;;) {
      auto const found = by_key_.find(key);
      if (found == by_key_.end()) break;
      auto const place = found->second;
      auto const known = *place;
      if (!known->filled) {
        if (auto waited = filled_.wait(
                lock, [&] { return known->filled || known->abandoned; }, call.deadline);
            !waited)
          return call.fail(gave_up_waiting(std::move(waited).error()));
        if (known->filled && now < known->good_until) {
          hits_.fetch_add(1, std::memory_order_relaxed);
          return known->answer.give(call);
        }
        continue;
      }
      if (now < known->good_until) {
        by_use_.splice(by_use_.begin(), by_use_, place);
        hits_.fetch_add(1, std::memory_order_relaxed);
        return known->answer.give(call);
      }
      drop(place);
      break;
    }
    entry = std::make_shared<Entry>();
    entry->key = key;
    by_use_.push_front(entry);
    by_key_.emplace(entry->key, by_use_.begin());
  }
  try {
    auto const reply = encoded_answer(call, next);
    store(entry, reply, call.method->cacheable);
    return reply;
  } catch (...) {
    abandon(*entry);
    throw;
  }
}

/// A failure is nobody else's: those who waited try themselves.
void Cache::store(std::shared_ptr<Entry> const& entry, Reply reply, Duration good_for) {
  {
    std::lock_guard const lock{mutex_};
    auto const found = by_key_.find(entry->key);
    bool const still_there = found != by_key_.end() && *found->second == entry;
    if (reply.failed()) {
      entry->abandoned = true;
      if (still_there) drop(found->second);
    } else {
      entry->answer = KeptAnswer::of(reply);
      entry->good_until = threads::now() + good_for;
      entry->filled = true;
      entry->bytes = entry->key.size() + entry->answer.body.size() + sizeof(Entry);
      if (still_there) bytes_ += entry->bytes;
      while (bytes_ > bytes_max_ && !by_use_.empty()) drop(std::prev(by_use_.end()));
    }
  }
  filled_.notify_all();
}

/// Nobody will fill it: those who wait try themselves.
void Cache::abandon(Entry& entry) {
  {
    std::lock_guard const lock{mutex_};
    entry.abandoned = true;
    auto const found = by_key_.find(entry.key);
    if (found != by_key_.end() && found->second->get() == &entry) drop(found->second);
  }
  filled_.notify_all();
}

void Cache::drop(Entries::iterator entry) {
  bytes_ -= (*entry)->bytes;
  by_key_.erase((*entry)->key);
  by_use_.erase(entry);
}

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
