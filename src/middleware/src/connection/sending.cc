// What goes out: short messages together, long ones frame by frame in turns.
#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "connection/parts.h"

namespace mutirao::middleware {

namespace {
constexpr std::size_t kWriteBytes = 128 << 10;  // of long messages in one write
constexpr std::size_t kShortKept = 256 << 10;   // of the writer's buffers
}  // namespace

void Connection::wake_writer() noexcept {
  if (auto* const token = std::exchange(writer_, nullptr)) token->unpark();
}

void Connection::put_frame(FrameHead head, ByteView payload) {
  std::array<std::uint8_t, kFrameHeadBytes> bytes;
  head.length = static_cast<std::uint32_t>(payload.size());
  store_head(bytes, head);
  short_.raw(bytes).raw(payload);
  wake_writer();
}

void Connection::put_long(std::unique_ptr<Outgoing> message) {
  long_bytes_ += message->size;
  long_.push_back(std::move(message));
  wake_writer();
}

/// One that interceptors have changed.
void Connection::put_message(FrameHead head, Bytes message) {
  head.flags |= kChanged;
  if (message.size() <= kFrameBytesMax) {
    head.flags |= kWhole;
    put_frame(head, message);
    return;
  }
  auto out = std::make_unique<Outgoing>();
  out->head = head;
  out->message = std::move(message);
  out->set_parts({out->message});
  put_long(std::move(out));
}

std::optional<Bytes> Connection::changed(ByteView message) const {
  if (!options_.messages->wants(message.size())) return std::nullopt;
  return options_.messages->outgoing(message, their_reads_);
}

std::optional<Bytes> Connection::changed(wire::MsgpackWriter const& message) const {
  std::size_t size = message.written().size();
  for (auto const& each : message.references()) size += each.content.size();
  if (!options_.messages->wants(size)) return std::nullopt;
  Bytes whole;
  whole.reserve(size);
  for (auto const part : message.gathered()) whole.insert(whole.end(), part.begin(), part.end());
  return options_.messages->outgoing(whole, their_reads_);
}

void Connection::forget(std::list<std::unique_ptr<Outgoing>>& messages) {
  for (auto const& each : messages) {
    long_bytes_ -= each->size;
    if (each->link != nullptr) *each->link = nullptr;
    if (each->done != nullptr) each->done->unpark();
    buffers_->give_back(std::move(each->message));
  }
  messages.clear();
}

/// Returns when `message` is nothing, or not in a write.
void Connection::wait_for_write(Lock& lock, Outgoing*& message) {
  while (message != nullptr && message->in_write) wait_for_step(lock, *message);
}

void Connection::wait_for_step(Lock& lock, Outgoing& message) {
  threads::park_token token;
  message.done = &token;
  lock.unlock();
  token.until_woken();
  lock.lock();
}

bool Connection::anything_to_write() const noexcept {
  return !short_.written().empty() || (!long_.empty() && window_ > 0);
}

/// A frame of each long message in turn, as many as may go out.
void Connection::collect_long(std::vector<ByteView>& out) {
  heads_.clear();
  heads_.reserve(kWriteBytes / kFrameBytesMax + 64);
  std::size_t collected = 0;
  while (!long_.empty() && window_ > 0 && collected < kWriteBytes &&
         heads_.size() < heads_.capacity()) {
    auto message = std::move(long_.front());
    long_.pop_front();
    bool const first = message->sent == 0;
    auto const left = message->size - message->sent;
    auto const room = kFrameBytesMax - (first ? 4 : 0);
    auto const bytes = std::min(left, room);
    bool const last = bytes == left;
    bool const told = first && !last;  // how long it will be
    auto& head = heads_.emplace_back();
    auto frame = message->head;
    frame.flags |= (first ? kFirst : 0) | (last ? kLast : 0);
    frame.length = static_cast<std::uint32_t>(bytes + (told ? 4 : 0));
    store_head(head, frame);
    if (told)
      base::store_be<std::uint32_t>(MutableBytes{head}.subspan(kFrameHeadBytes),
                                    static_cast<std::uint32_t>(message->size));
    out.push_back(ByteView{head}.first(kFrameHeadBytes + (told ? 4 : 0)));
    for (auto wanted = bytes; wanted > 0;) {
      auto const of = message->parts[message->part].subspan(message->of_part);
      auto const taken = std::min(wanted, of.size());
      out.push_back(of.first(taken));
      wanted -= taken;
      message->of_part += taken;
      if (taken == of.size()) {
        ++message->part;
        message->of_part = 0;
      }
    }
    message->sent += bytes;
    message->in_write = true;
    window_ -= static_cast<std::int64_t>(bytes);
    collected += bytes;
    (last ? sent_ : long_).push_back(std::move(message));
  }
}

/// Waits when what is about to be written has to go more slowly.
Result<void> Connection::hold(std::vector<ByteView> const& parts) const {
  std::size_t bytes = 0;
  for (auto const each : parts) bytes += each.size();
  auto const wait = options_.messages->hold(bytes, threads::now());
  if (wait == Duration{}) return {};
  return threads::sleep_for(wait);
}

Result<void> Connection::write_all_out() {
  std::vector<ByteView> parts;
  for (;;) {
    {
      Lock lock{mutex_};
      while (!anything_to_write()) {
        if (why_closed_ || finishing_) return {};
        threads::park_token token;
        writer_ = &token;
        // What may not go out waits for the other side to ask for more.
        auto const patience =
            long_.empty() ? Deadline::never() : threads::within(options_.write_timeout);
        lock.unlock();
        auto reason = token.park(patience);
        if (reason == threads::wake_reason::woken) {
          // Whoever is ready now may have more to send: it goes out with the same call.
          threads::yield();
        } else {
          lock.lock();
          if (std::exchange(writer_, nullptr) == &token) {
            if (reason == threads::wake_reason::timed_out)
              return fail(Fault::timed_out,
                          fmt::format("{} takes nothing of what it asked for", options_.caller));
            return {};
          }
          lock.unlock();
          token.until_woken();
        }
        lock.lock();
      }
      parts.clear();
      std::swap(short_, writing_);
      if (!writing_.written().empty()) parts.push_back(writing_.written());
      collect_long(parts);
    }
    MUT_TRY(hold(parts));
    auto const written = stream_->write_all(parts, threads::within(options_.write_timeout));
    Lock lock{mutex_};
    if (writing_.written().size() > kShortKept)
      writing_ = {};
    else
      writing_.clear();
    for (auto const& each : long_) {
      if (std::exchange(each->in_write, false) && each->done != nullptr)
        std::exchange(each->done, nullptr)->unpark();
    }
    forget(sent_);
    drained_.notify_all();
    MUT_TRY(Result<void>{written});
  }
}

}  // namespace mutirao::middleware
