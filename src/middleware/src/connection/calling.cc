// The side of the caller.
#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "connection/parts.h"

namespace mutirao::middleware {

namespace {
constexpr std::size_t kEncodedInPlaceMax = 16 << 10;  // longer calls are encoded outside the lock
}  // namespace

void Connection::leave(std::uint32_t id) noexcept {
  auto& place = places_[id & kPlaceMask];
  place.taken = false;
  place.waiting = nullptr;
  free_places_.push_back(id & kPlaceMask);
  place_free_.notify_one();
}

Failure Connection::lost(Executed executed) const {
  auto why = *why_closed_;
  return Failure{std::move(why), executed, Retry::elsewhere, {}, {}};
}

/// A number for the call. Ids of one place differ from call to call, so that what comes late for
/// one is not taken for the next.
Result<std::uint32_t> Connection::enter(Lock& lock, Waiting& waiting, Deadline deadline) {
  auto const places = std::min(their_calls_max_, options_.calls_max);
  if (free_places_.empty() && places_.size() >= places)
    MUT_TRY(place_free_.wait(lock, [&] { return why_closed_ || !free_places_.empty(); }, deadline));
  if (why_closed_) return std::unexpected{*why_closed_};
  std::uint32_t index;
  if (!free_places_.empty()) {
    index = free_places_.back();
    free_places_.pop_back();
  } else {
    index = static_cast<std::uint32_t>(places_.size());
    places_.emplace_back();
    free_places_.reserve(places_.capacity());
    places_.back().id = index;
  }
  auto& place = places_[index];
  place.id += kCallsMax;
  if (place.id < kCallsMax) place.id += kCallsMax;  // 0 is the connection itself
  place.taken = true;
  place.waiting = &waiting;
  return place.id;
}

Reply Connection::send(Call& call) {
  Waiting waiting;
  waiting.into = &call.received;
  waiting.takes_items = call.items != nullptr;
  std::unique_ptr<Outgoing> message;
  auto const now = threads::now();
  auto const size_hint = call.arguments.size_hint();
  if (size_hint > kEncodedInPlaceMax || options_.messages->wants(size_hint)) {
    message = std::make_unique<Outgoing>();
    message->own.refer_from(kEncodedInPlaceMax / 4);
    write_call(message->own, call, now);
    message->send_own();
  }
  Lock lock{mutex_};
  if (options_.messages->wants(0)) {
    if (auto const ready = wait_for_hello(lock, call.deadline); !ready) {
      lock.unlock();
      // Perhaps the other side has by now what it did not name in its hello: the next call asks
      // anew.
      if (ready.error().fault == Fault::refused) close(ready.error());
      return call.fail(Failure{ready.error(), Executed::no, Retry::never, {}, {}});
    }
  }
  if (message != nullptr && long_bytes_ > kOutgoingBytesMax)
    return call.fail(not_executed(Fault::exhausted, "too many long calls wait for their way out",
                                  "make fewer at once", Retry::later));
  auto const entered = enter(lock, waiting, call.deadline);
  if (!entered) return call.fail(Failure{entered.error(), Executed::no, Retry::elsewhere, {}, {}});
  auto const id = *entered;
  FrameHead head{.kind = FrameKind::call, .flags = kWhole, .id = id};
  if (message == nullptr) {
    auto const start = short_.written().size();
    std::array<std::uint8_t, kFrameHeadBytes> const room{};
    short_.raw(room);
    try {
      write_call(short_, call, now);
    } catch (...) {
      short_.truncate(start);
      leave(id);
      throw;
    }
    auto const length = short_.written().size() - start - kFrameHeadBytes;
    if (length <= kFrameBytesMax) {
      head.length = static_cast<std::uint32_t>(length);
      store_head(short_.written_at(start, kFrameHeadBytes), head);
      wake_writer();
    } else {
      message = std::make_unique<Outgoing>();
      message->own.raw(short_.written().subspan(start + kFrameHeadBytes));
      message->send_own();
      short_.truncate(start);
    }
  }
  if (message != nullptr) {
    if (message->size > kMessageBytesMax) {
      leave(id);
      return call.fail(not_executed(Fault::exhausted,
                                    fmt::format("the call is too long: {} bytes", message->size),
                                    fmt::format("at most {}", kMessageBytesMax)));
    }
    head.flags = 0;
    if (auto other = changed(message->own)) {
      put_message(head, *std::move(other));
      return attach_and_wait(lock, waiting, id, call);
    }
    message->head = head;
    waiting.message = message.get();
    message->link = &waiting.message;
    put_long(std::move(message));
  }
  auto reply = attach_and_wait(lock, waiting, id, call);
  if (let_go(lock, waiting, id) && reply.failed()) reply.failure().executed = Executed::no;
  return reply;
}

/// The caller goes, and with it what its call refers to. Whether nobody has heard of the call.
bool Connection::let_go(Lock& lock, Waiting& waiting, std::uint32_t id) {
  if (waiting.message == nullptr) [[likely]]
    return false;
  if (!withdraw(lock, waiting.message) || waiting.answered) return false;
  leave(id);
  return true;
}

/// Nothing that `message` refers to is looked at any more. Whether nothing of it had gone out; what
/// has begun is sent to its end.
bool Connection::withdraw(Lock& lock, Outgoing*& message) {
  wait_for_write(lock, message);
  if (message == nullptr) return false;
  auto& gone = *std::exchange(message, nullptr);
  gone.link = nullptr;
  if (gone.sent > 0) {
    gone.take_over();
    return false;
  }
  long_bytes_ -= gone.size;
  std::erase_if(long_, [&](auto const& each) { return each.get() == &gone; });
  return true;
}

/// The caller wants the reply no more. The reply that is still to come frees the place.
void Connection::forsake(Waiting const& waiting, std::uint32_t id) {
  if (waiting.answered || waiting.lost) return;
  places_[id & kPlaceMask].waiting = nullptr;
  if (!why_closed_) put_frame({.kind = FrameKind::cancel, .flags = kWhole, .id = id}, {});
}

Reply Connection::wait_for(Lock& lock, Waiting& waiting, std::uint32_t id, Call& call) {
  for (;;) {
    if (!waiting.items.empty()) {
      auto items = std::exchange(waiting.items, {});
      auto const bytes = static_cast<std::uint32_t>(std::exchange(waiting.item_bytes, 0));
      lock.unlock();
      Outcome<void> taken;
      try {
        for (auto const& item : items)
          if (taken) taken = call.items->put(item);
      } catch (...) {
        lock.lock();
        forsake(waiting, id);
        static_cast<void>(let_go(lock, waiting, id));
        throw;
      }
      lock.lock();
      if (!waiting.answered && !waiting.lost) {
        std::array<std::uint8_t, 4> payload;
        base::store_be<std::uint32_t>(payload, bytes);
        if (!why_closed_)
          put_frame({.kind = FrameKind::credit, .flags = kWhole, .id = id}, payload);
        if (!taken) forsake(waiting, id);
      }
      if (!taken) return call.fail(std::move(taken).error());
      continue;
    }
    if (waiting.answered) {
      if (waiting.failed) return call.fail(read_failure(call.received.view()));
      return call.answer(call.received.view());
    }
    if (waiting.lost) return call.fail(lost(waiting.unheard ? Executed::no : Executed::maybe));
    threads::park_token token;
    waiting.token = &token;
    lock.unlock();
    auto const reason = token.park(call.deadline);
    lock.lock();
    if (reason == threads::wake_reason::woken) continue;
    if (std::exchange(waiting.token, nullptr) == nullptr) {
      lock.unlock();
      token.until_woken();
      lock.lock();
      continue;
    }
    forsake(waiting, id);
    return call.fail(
        failed(reason == threads::wake_reason::stopped
                   ? Error{Fault::cancelled, "the caller was asked to stop", {}}
                   : Error{Fault::timed_out,
                           fmt::format("{} did not answer {}.{} in time", options_.caller,
                                       call.target->object, call.method_name),
                           {}},
               Executed::maybe, Retry::elsewhere));
  }
}

}  // namespace mutirao::middleware
