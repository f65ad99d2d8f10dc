// The life of a connection: its beginning, what both sides must have, its end.
#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "connection/parts.h"

namespace mutirao::middleware {

namespace {
/// What the other side should hear of before the connection ends.
bool is_their_doing(Fault fault) noexcept {
  return fault == Fault::corrupt || fault == Fault::exhausted || fault == Fault::refused ||
         fault == Fault::unsupported;
}

/// What `work` says; what it throws is a failure as well, for somebody waits for its end.
template <class Work>
Result<void> or_exception(Work const& work) {
  try {
    return work();
  } catch (...) {
    return std::unexpected{threads::detail::escaped_exception()};
  }
}
}  // namespace

Connection::Connection(std::unique_ptr<world::Stream> stream, Dispatcher* dispatcher,
                       Options options)
    : stream_{std::move(stream)}, dispatcher_{dispatcher}, options_{std::move(options)} {
  if (options_.messages == nullptr) options_.messages = std::make_shared<MessageChain>();
  if (options_.opened) short_.raw(kPreface);
  wire::MsgpackWriter hello;
  write_hello(hello, {.node = options_.node,
                      .calls_max = options_.calls_max,
                      .reads = options_.messages->readable()});
  put_frame({.kind = FrameKind::hello, .flags = kWhole}, hello.written());
}

Connection::~Connection() = default;

Result<void> Connection::serve(ByteView read_ahead) {
  threads::scope writer;
  writer.spawn("call writer", [this] {
    auto const wrote = or_exception([&] { return write_all_out(); });
    // When the other side has gone, what it said last is the better reason: the reader is told.
    if (!wrote && wrote.error().fault != Fault::closed) close(wrote.error());
  });
  auto ended = or_exception([&] { return read_frames(read_ahead); });
  if (!ended && !told_why_ && is_their_doing(ended.error().fault)) say_why(ended.error());
  {
    Lock const lock{mutex_};
    finishing_ = true;
    wake_writer();
  }
  static_cast<void>(writer.join());
  close(ended ? Error{Fault::closed, fmt::format("{} ended the connection", options_.caller), {}}
              : ended.error());
  writer.request_stop();
  static_cast<void>(writer.join());
  // The writer is gone: who waits for its long message learns so.
  Lock lock{mutex_};
  forget(long_);
  forget(sent_);
  if (ended) return {};
  return std::unexpected{*why_closed_};
}

/// The last that the other side hears, when it is to blame.
void Connection::say_why(Error const& why) {
  wire::MsgpackWriter failure;
  write_failure(failure, failed(why, Executed::maybe));
  Lock const lock{mutex_};
  put_frame({.kind = FrameKind::go_away, .flags = kWhole}, failure.written());
}

/// Before the other side has said what it can undo, nothing may be done to messages; when something
/// has to be, nothing may go.
Result<void> Connection::wait_for_hello(Lock& lock, Deadline deadline) {
  if (!options_.messages->required()) return {};
  MUT_TRY(hello_.wait(lock, [&] { return opened_up_ || why_closed_; }, deadline));
  if (why_closed_) return std::unexpected{*why_closed_};
  return check_required();
}

/// Nothing may go to somebody who can't undo what has to be done to it.
Result<void> Connection::check_required() const {
  if (!options_.messages->wants(0)) return {};
  auto const name = options_.messages->required();
  if (!name || std::ranges::find(their_reads_, *name) != their_reads_.end()) return {};
  return fail(
      Fault::refused,
      fmt::format("{} does not have {}, without which nothing goes out", options_.caller, *name),
      "give both nodes the same message-level interceptors");
}

bool Connection::closed() const {
  Lock const lock{mutex_};
  return why_closed_.has_value();
}

void Connection::close(Error why) {
  {
    Lock const lock{mutex_};
    if (why_closed_) return;
    why_closed_ = std::move(why);
    for (auto& place : places_) {
      if (place.waiting == nullptr) continue;
      place.waiting->lost = true;
      auto const* const message = place.waiting->message;
      place.waiting->unheard = message != nullptr && message->sent == 0;
      if (auto* const token = std::exchange(place.waiting->token, nullptr)) token->unpark();
      place.waiting = nullptr;
    }
    for (auto* job : jobs_) {
      if (job == nullptr) continue;
      job->take_back();
      if (auto* const token = std::exchange(job->waits_for_credit, nullptr)) token->unpark();
      if (job->attached != nullptr)
        if (auto* const token = std::exchange(job->attached->waits, nullptr)) token->unpark();
    }
    wake_writer();
  }
  hello_.notify_all();
  place_free_.notify_all();
  drained_.notify_all();
  stream_->close();
}

}  // namespace mutirao::middleware
