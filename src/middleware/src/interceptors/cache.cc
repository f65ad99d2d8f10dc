#include <mutex>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/this_thread.h"

#include "interceptors/kept_answer.h"

namespace mutirao::middleware {

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

}  // namespace mutirao::middleware
