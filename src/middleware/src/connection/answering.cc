// The side of the object: replies and items.
#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "connection/parts.h"

namespace mutirao::middleware {

/// The answer as a long message, if it is one.
std::unique_ptr<Connection::Outgoing> Connection::long_answer(Job& job, Reply reply,
                                                              wire::MsgpackWriter& scratch) {
  if (reply.failed()) return nullptr;
  auto message = std::make_unique<Outgoing>();
  if (reply.gathered() == &scratch) {
    message->own = std::move(scratch);
    message->owner = reply.owner();
    message->message = job.message.release();  // it may refer to that
    message->send_own();
  } else if (reply.body().size() <= kFrameBytesMax) {
    return nullptr;
  } else if (reply.body().data() == scratch.written().data()) {
    message->own = std::move(scratch);
    message->send_own();
  } else if (reply.owner() != nullptr) {
    message->owner = reply.owner();
    message->set_parts({reply.body()});
  } else {
    message->own.raw(reply.body());
    message->send_own();
  }
  return message;
}

void Connection::answer(Job& job, Reply reply, wire::MsgpackWriter& scratch) {
  MUT_ASSERT(reply.failed() || reply.encoded());
  FrameHead head{.kind = FrameKind::reply, .flags = 0, .id = job.id};
  wire::MsgpackWriter failure;
  auto const fail_with = [&](Failure const& why) {
    failure.clear();
    write_failure(failure, why);
    head.flags = kFailed;
  };
  std::optional<Bytes> other;
  if (!reply.failed())
    other = reply.gathered() != nullptr ? changed(*reply.gathered()) : changed(reply.body());
  auto message = other ? nullptr : long_answer(job, reply, scratch);
  if (reply.failed()) {
    fail_with(reply.failure());
  } else if (message != nullptr && message->size > kMessageBytesMax) {
    fail_with(failed(
        Error{Fault::exhausted, fmt::format("the answer is too long: {} bytes", message->size),
              "yield it in parts"},
        Executed::yes));
    message.reset();
  }
  Lock lock{mutex_};
  auto const place = job.id & kPlaceMask;
  MUT_ASSERT(jobs_[place] == &job);
  jobs_[place] = nullptr;
  job_bytes_ -= job.bytes;
  if (why_closed_) return;
  if (auto const may_go = check_required(); !may_go) {
    lock.unlock();
    close(may_go.error());
    return;
  }
  if (message != nullptr && long_bytes_ > kOutgoingBytesMax) {
    message.reset();
    fail_with(
        failed(Error{Fault::exhausted, "the caller does not take the answers that it has", {}},
               Executed::yes));
  }
  if ((head.flags & kFailed) != 0) other = changed(failure.written());
  if (other) {
    put_message(head, *std::move(other));
  } else if (message != nullptr) {
    message->head = head;
    put_long(std::move(message));
  } else {
    head.flags |= kWhole;
    put_frame(head, (head.flags & kFailed) != 0 ? failure.written() : reply.body());
  }
}

void Connection::give_up(Job& job, Error why) {
  {
    Lock const lock{mutex_};
    auto const place = job.id & kPlaceMask;
    if (jobs_[place] == &job) {
      jobs_[place] = nullptr;
      job_bytes_ -= job.bytes;
    }
  }
  close(std::move(why));
}

Outcome<void> Connection::yield_item(Job& job, ByteView item) {
  if (item.size() > kMessageBytesMax)
    return std::unexpected{
        failed(Error{Fault::exhausted, "a value is too long", {}}, Executed::yes)};
  Lock lock{mutex_};
  while (job.item_credit <= 0 && !why_closed_) {
    threads::park_token token;
    job.waits_for_credit = &token;
    lock.unlock();
    auto const reason = token.park(Deadline::never());
    lock.lock();
    if (reason == threads::wake_reason::woken) continue;
    if (std::exchange(job.waits_for_credit, nullptr) == nullptr) {
      lock.unlock();
      token.until_woken();
      lock.lock();
    }
    return std::unexpected{
        failed(reason == threads::wake_reason::stopped
                   ? Error{Fault::cancelled, "the caller wants no more", {}}
                   : Error{Fault::timed_out, "the caller did not take the values in time", {}},
               Executed::maybe)};
  }
  if (why_closed_) return std::unexpected{failed(*why_closed_, Executed::maybe)};
  if (auto const may_go = check_required(); !may_go)
    return std::unexpected{failed(may_go.error(), Executed::maybe)};
  job.item_credit -= static_cast<std::int64_t>(item.size() + kFrameHeadBytes);
  auto other = changed(item);
  if (other) item = *other;
  std::uint8_t const how = other ? kChanged : 0;
  FrameHead const head{
      .kind = FrameKind::item, .flags = static_cast<std::uint8_t>(kWhole | how), .id = job.id};
  if (item.size() <= kFrameBytesMax) {
    put_frame(head, item);
    return {};
  }
  // It has to have gone before what comes after it.
  auto message = std::make_unique<Outgoing>();
  message->head = {.kind = FrameKind::item, .flags = how, .id = job.id};
  message->set_parts({item});
  threads::park_token gone;
  auto* under_way = message.get();
  message->link = &under_way;
  put_long(std::move(message));
  while (under_way != nullptr) wait_for_step(lock, *under_way);
  return {};
}

}  // namespace mutirao::middleware
