#include "connection.h"

#include <utility>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

namespace {
constexpr std::uint32_t kPlaceMask = kCallsMax - 1;
static_assert((kCallsMax & kPlaceMask) == 0);
constexpr std::size_t kLengthBytes = 4;  // how long a long message will be
constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kWriteBytes = 128 << 10;        // of long messages in one write
constexpr std::size_t kShortKept = 256 << 10;         // of the writer's buffers
constexpr std::size_t kEncodedInPlaceMax = 16 << 10;  // longer calls are encoded outside the lock
constexpr std::size_t kIncomingBytesMax = 64 << 20;   // of long messages that are not whole yet
// Who fills its frames begins no more than that before it reaches the limit above.
constexpr std::size_t kIncomingMax = kIncomingBytesMax / kFrameBytesMax;
constexpr std::size_t kOutgoingBytesMax = 128 << 20;  // of long messages that nobody takes
constexpr std::size_t kJobBytesMax = 128 << 20;       // of calls that are being executed
constexpr std::size_t kShortBytesMax = 4 << 20;       // short ones that nobody takes: no more calls

std::uint64_t key_of(FrameHead head) noexcept {
  return std::uint64_t{std::to_underlying(head.kind)} << 32 | head.id;
}

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

Failure failed(Error error, Executed executed, Retry retry = Retry::never) {
  return Failure{std::move(error), executed, retry, {}, {}};
}
}  // namespace

struct Connection::Waiting {
  threads::park_token* token = nullptr;  // while it is parked
  MessageBytes* into = nullptr;
  std::deque<Bytes> items;
  std::size_t item_bytes = 0;
  bool takes_items = false;
  bool answered = false;
  bool failed = false;
  bool lost = false;            // the connection ended first
  bool unheard = false;         // and nothing of the call had gone out
  Outgoing* message = nullptr;  // a long call that has not gone out whole: it refers to arguments
};

struct Connection::Place {
  Waiting* waiting = nullptr;  // none: nobody wants the reply that is still to come
  std::uint32_t id = 0;
  bool taken = false;
};

struct Connection::Outgoing {
  FrameHead head;
  // What `parts` point into, as far as it is not somebody else's:
  wire::MsgpackWriter own;
  Bytes message;
  std::shared_ptr<void const> owner;

  std::vector<ByteView> parts;
  std::size_t part = 0;     // the next to be sent, and
  std::size_t of_part = 0;  // how much of it has been
  std::size_t size = 0;
  std::size_t sent = 0;
  bool in_write = false;  // some of it is being written now
  // Of somebody whose bytes are referred to:
  Outgoing** link = nullptr;            // set to nothing when it has gone
  threads::park_token* done = nullptr;  // woken when it has gone, or is not in a write any more

  void send_own() { set_parts(own.gathered()); }
  void set_parts(std::vector<ByteView> all) {
    parts = std::move(all);
    size = 0;
    for (auto const each : parts) size += each.size();
  }
  /// From now on nothing of it is anybody else's.
  void take_over() {
    Bytes rest;
    rest.reserve(size - sent);
    for (; part < parts.size(); ++part, of_part = 0) {
      auto const left = parts[part].subspan(of_part);
      rest.insert(rest.end(), left.begin(), left.end());
    }
    message = std::move(rest);
    parts.assign(1, message);
    part = of_part = 0;
  }
};

struct Connection::Incoming {
  Bytes bytes;
  std::size_t total = 0;
};

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

// ---- sending

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

// ---- receiving

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

Result<void> Connection::read_frames(ByteView read_ahead) {
  MUT_ASSERT(read_ahead.size() <= kReadBytes);
  Bytes buffer(kReadBytes);
  std::ranges::copy(read_ahead, buffer.begin());
  std::size_t filled = read_ahead.size();
  if (!options_.opened) {
    while (filled < kPreface.size()) {
      auto const got = MUT_TRY(stream_->read_some(MutableBytes{buffer}.subspan(filled),
                                                  threads::within(options_.write_timeout)));
      if (got == 0) return {};
      filled += got;
    }
    if (!std::ranges::equal(ByteView{buffer}.first(kPreface.size()), kPreface))
      return fail(Fault::corrupt, "the other side does not speak the protocol of Mutirão nodes");
    filled -= kPreface.size();
    std::memmove(buffer.data(), buffer.data() + kPreface.size(), filled);
  }
  for (;;) {
    auto const used = MUT_TRY(take_frames(ByteView{buffer}.first(filled)));
    filled -= used;
    std::memmove(buffer.data(), buffer.data() + used, filled);
    auto const got =
        MUT_TRY(stream_->read_some(MutableBytes{buffer}.subspan(filled), Deadline::never()));
    if (got == 0) {
      if (filled != 0) return fail(Fault::closed, "the connection ended inside a frame");
      return {};
    }
    filled += got;
  }
}

Result<std::size_t> Connection::take_frames(ByteView bytes) {
  std::size_t used = 0;
  JobLine jobs;
  std::vector<threads::park_token*> woken;
  Result<void> well;
  {
    Lock lock{mutex_};
    try {
      well = take_all(bytes, used, jobs, woken);
    } catch (...) {  // who was chosen to be woken is, and a call that was taken is executed
      well = std::unexpected{threads::detail::escaped_exception()};
    }
    if (to_grant_ >= kWindowBytes / 4) {
      std::array<std::uint8_t, 4> payload;
      base::store_be<std::uint32_t>(payload, std::exchange(to_grant_, 0));
      put_frame({.kind = FrameKind::credit, .flags = kWhole}, payload);
    }
    for (auto* each : woken) each->unpark();
    // A caller that does not read its replies gets no more of them.
    if (well && short_.written().size() > kShortBytesMax)
      well = drained_.wait(
          lock, [&] { return why_closed_ || short_.written().size() <= kShortBytesMax / 2; },
          threads::within(options_.write_timeout));
  }
  if (dispatcher_ != nullptr) dispatcher_->submit(jobs);
  MUT_TRY(std::move(well));
  return used;
}

Result<void> Connection::take_all(ByteView bytes, std::size_t& used, JobLine& jobs,
                                  std::vector<threads::park_token*>& woken) {
  Result<void> well;
  if (part_ != nullptr) well = go_on_with_part(bytes, used, jobs, woken);
  while (well && bytes.size() - used >= kFrameHeadBytes) {
    auto const head = load_head(bytes.subspan(used));
    if (!head) {
      well = std::unexpected{head.error()};
      break;
    }
    auto const payload = bytes.subspan(used + kFrameHeadBytes);
    bool const part = (head->flags & kWhole) != kWhole;
    if (part && ((head->flags & kFirst) == 0 || payload.size() >= kLengthBytes)) {
      well = begin_part(*head, payload);
      used += kFrameHeadBytes + ((head->flags & kFirst) != 0 ? kLengthBytes : 0);
      if (well) well = go_on_with_part(bytes, used, jobs, woken);
      continue;
    }
    if (payload.size() < head->length) break;
    well = take(*head, payload.first(head->length), jobs, woken);
    used += kFrameHeadBytes + head->length;
  }
  return well;
}

Result<void> Connection::take(FrameHead head, ByteView payload, JobLine& jobs,
                              std::vector<threads::park_token*>& woken) {
  MUT_TRY(check_opening(head));
  if ((head.flags & kWhole) != kWhole)
    return fail(Fault::corrupt, "a frame of a long message without content");
  return take_message(head, payload, nullptr, jobs, woken);
}

Result<void> Connection::check_opening(FrameHead head) const {
  if (opened_up_ || head.kind == FrameKind::hello || head.kind == FrameKind::go_away) return {};
  return fail(Fault::corrupt, "the other side did not say hello");
}

/// A frame of a long message. What there is of it is taken at once: waiting for the rest would mean
/// to move it.
Result<void> Connection::begin_part(FrameHead head, ByteView payload) {
  MUT_TRY(check_opening(head));
  if (head.kind != FrameKind::call && head.kind != FrameKind::reply && head.kind != FrameKind::item)
    return fail(Fault::corrupt, "only calls, replies and items come in parts");
  auto const key = key_of(head);
  part_head_ = head;
  part_left_ = head.length;
  if ((head.flags & kFirst) != 0) {
    if (head.length < kLengthBytes)
      return fail(Fault::corrupt, "a long message does not say its length");
    part_left_ -= kLengthBytes;
    auto const total = base::load_be<std::uint32_t>(payload);
    if (total > kMessageBytesMax)
      return fail(Fault::exhausted, fmt::format("a message of {} bytes is too long", total),
                  fmt::format("at most {}; yield it in parts", kMessageBytesMax));
    if (incoming_.size() >= kIncomingMax)
      return fail(Fault::exhausted, "too many long messages at once");
    auto const [at, fresh] = incoming_.try_emplace(key);
    if (!fresh) return fail(Fault::corrupt, "a message begins inside itself");
    at->second.total = total;
  }
  auto const at = incoming_.find(key);
  if (at == incoming_.end()) return fail(Fault::corrupt, "a message without a beginning");
  auto& message = at->second;
  if (message.bytes.size() + part_left_ > message.total)
    return fail(Fault::corrupt, "a message is longer than it said");
  incoming_bytes_ += part_left_;
  if (incoming_bytes_ > kIncomingBytesMax)
    return fail(Fault::exhausted, "too many long messages at once");
  // What a message says of its length is a wish: room is made for what comes.
  auto const size = message.bytes.size() + part_left_;
  if (message.bytes.capacity() < size)
    make_room(message.bytes, std::min(message.total, std::max<std::size_t>(2 * size, 128 << 10)));
  part_ = &message;
  return {};
}

void Connection::make_room(Bytes& bytes, std::size_t size) {
  auto larger = buffers_->take(size);
  larger.assign(bytes.begin(), bytes.end());
  buffers_->give_back(std::exchange(bytes, std::move(larger)));
}

Result<void> Connection::go_on_with_part(ByteView bytes, std::size_t& used, JobLine& jobs,
                                         std::vector<threads::park_token*>& woken) {
  auto& message = *part_;
  auto const content = bytes.subspan(used, std::min(part_left_, bytes.size() - used));
  message.bytes.insert(message.bytes.end(), content.begin(), content.end());
  used += content.size();
  part_left_ -= content.size();
  to_grant_ += static_cast<std::uint32_t>(content.size());
  if (part_left_ > 0) return {};
  part_ = nullptr;
  if ((part_head_.flags & kLast) == 0) return {};
  if (message.bytes.size() != message.total)
    return fail(Fault::corrupt, "a message is shorter than it said");
  auto whole = std::move(message.bytes);
  incoming_bytes_ -= whole.size();
  incoming_.erase(key_of(part_head_));
  return take_message(part_head_, whole, &whole, jobs, woken);
}

Result<void> Connection::take_message(FrameHead head, ByteView whole, Bytes* owned, JobLine& jobs,
                                      std::vector<threads::park_token*>& woken) {
  bool const content =
      head.kind == FrameKind::call || head.kind == FrameKind::reply || head.kind == FrameKind::item;
  if (!content) return take_plain(head, whole, owned, jobs, woken);
  if ((head.flags & kChanged) != 0) {
    auto plain = MUT_TRY(options_.messages->incoming(whole));
    return take_plain(head, plain, plain.size() > kFrameBytesMax ? &plain : nullptr, jobs, woken);
  }
  if (options_.messages->wants(0))
    if (auto const name = options_.messages->required())
      return fail(Fault::refused, fmt::format("a message came without {}", *name),
                  "give both nodes the same message-level interceptors");
  return take_plain(head, whole, owned, jobs, woken);
}

/// As it was before interceptors changed it.
Result<void> Connection::take_plain(FrameHead head, ByteView whole, Bytes* owned, JobLine& jobs,
                                    std::vector<threads::park_token*>& woken) {
  switch (head.kind) {
    case FrameKind::hello: {
      if (opened_up_) return fail(Fault::corrupt, "the other side said hello twice");
      auto const hello = MUT_TRY(read_hello(whole));
      their_calls_max_ = hello.calls_max;
      their_reads_ = hello.reads;
      MUT_TRY(check_required());
      opened_up_ = true;
      hello_.notify_all();
      return {};
    }
    case FrameKind::call:
      return take_call(head.id, whole, owned, jobs);
    case FrameKind::reply:
      take_reply(head, whole, owned, woken);
      return {};
    case FrameKind::item:
      return take_item(head.id, whole, woken);
    case FrameKind::credit:
      if (whole.size() != 4) return fail(Fault::corrupt, "a credit is a number");
      take_credit(head.id, base::load_be<std::uint32_t>(whole), woken);
      return {};
    case FrameKind::cancel: {
      auto const place = head.id & kPlaceMask;
      if (place < jobs_.size() && jobs_[place] != nullptr && jobs_[place]->id == head.id)
        jobs_[place]->take_back();
      return {};
    }
    case FrameKind::ping:
      if (whole.size() > 64) return fail(Fault::corrupt, "a ping is short");
      if ((head.flags & kAnswer) == 0)
        put_frame({.kind = FrameKind::ping, .flags = kWhole | kAnswer, .id = head.id}, whole);
      return {};
    case FrameKind::go_away: {
      auto const why = read_failure(whole);
      told_why_ = true;
      return fail(why.fault, fmt::format("{} ends the connection: {}", options_.caller, why.what),
                  why.mend);
    }
  }
  MUT_UNREACHABLE();
}

Result<void> Connection::take_call(std::uint32_t id, ByteView message, Bytes* owned,
                                   JobLine& jobs) {
  auto const place = id & kPlaceMask;
  if (place >= options_.calls_max)
    return fail(Fault::exhausted, fmt::format("more than {} calls at once", options_.calls_max));
  if (place >= jobs_.size()) jobs_.resize(place + 1);
  if (jobs_[place] != nullptr) return fail(Fault::corrupt, "two calls have one number");
  if (dispatcher_ == nullptr) {
    wire::MsgpackWriter failure;
    write_failure(failure, not_executed(Fault::not_found, "nothing is offered here"));
    put_frame({.kind = FrameKind::reply, .flags = kWhole | kFailed, .id = id}, failure.written());
    return {};
  }
  if (job_bytes_ + message.size() > kJobBytesMax) {
    wire::MsgpackWriter failure;
    write_failure(failure, not_executed(Fault::exhausted, "too many long calls at once",
                                        "make fewer at once", Retry::later));
    put_frame({.kind = FrameKind::reply, .flags = kWhole | kFailed, .id = id}, failure.written());
    return {};
  }
  job_bytes_ += message.size();
  auto& job = dispatcher_->make_job();
  job.bytes = message.size();
  job.from = shared_from_this();
  job.id = id;
  job.arrived = threads::now();
  job.item_credit = kWindowBytes;
  if (owned != nullptr)
    job.message.adopt(std::move(*owned), buffers_);
  else
    job.message.assign(message);
  jobs_[place] = &job;
  jobs.add(job);
  return {};
}

void Connection::take_reply(FrameHead head, ByteView message, Bytes* owned,
                            std::vector<threads::park_token*>& woken) {
  auto const index = head.id & kPlaceMask;
  if (index >= places_.size() || !places_[index].taken || places_[index].id != head.id) return;
  auto* const waiting = places_[index].waiting;
  if (waiting == nullptr) {
    leave(head.id);
    return;
  }
  if (owned != nullptr)
    waiting->into->adopt(std::move(*owned), buffers_);
  else
    waiting->into->assign(message);
  leave(head.id);
  waiting->failed = (head.flags & kFailed) != 0;
  waiting->answered = true;
  if (waiting->token != nullptr) woken.push_back(std::exchange(waiting->token, nullptr));
}

Result<void> Connection::take_item(std::uint32_t id, ByteView item,
                                   std::vector<threads::park_token*>& woken) {
  auto const index = id & kPlaceMask;
  if (index >= places_.size() || !places_[index].taken || places_[index].id != id) return {};
  auto* const waiting = places_[index].waiting;
  if (waiting == nullptr) return {};
  if (!waiting->takes_items) return fail(Fault::corrupt, "items for a call that yields nothing");
  if (waiting->item_bytes > kWindowBytes)
    return fail(Fault::corrupt, "more items than were asked for");
  waiting->items.emplace_back(item.begin(), item.end());
  waiting->item_bytes += item.size() + kFrameHeadBytes;
  if (waiting->token != nullptr) woken.push_back(std::exchange(waiting->token, nullptr));
  return {};
}

void Connection::take_credit(std::uint32_t id, std::uint32_t bytes,
                             std::vector<threads::park_token*>& woken) {
  if (id == 0) {
    window_ = std::min<std::int64_t>(window_ + bytes, kMessageBytesMax);
    if (!long_.empty()) wake_writer();
    return;
  }
  auto const place = id & kPlaceMask;
  if (place >= jobs_.size() || jobs_[place] == nullptr || jobs_[place]->id != id) return;
  auto& job = *jobs_[place];
  job.item_credit = std::min<std::int64_t>(job.item_credit + bytes, kMessageBytesMax);
  if (job.item_credit > 0 && job.waits_for_credit != nullptr)
    woken.push_back(std::exchange(job.waits_for_credit, nullptr));
}

// ---- answering

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

// ---- calling

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
  if (options_.messages->wants(0))
    if (auto const ready = wait_for_hello(lock, call.deadline); !ready)
      return call.fail(Failure{ready.error(), Executed::no, Retry::never, {}, {}});
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
      auto const reply = wait_for(lock, waiting, id, call);
      return reply;
    }
    message->head = head;
    waiting.message = message.get();
    message->link = &waiting.message;
    put_long(std::move(message));
  }
  auto reply = wait_for(lock, waiting, id, call);
  if (let_go(lock, waiting, id) && reply.failed()) reply.failure().executed = Executed::no;
  return reply;
}

/// The caller goes, and with it what its call refers to. Whether nobody has heard of the call.
bool Connection::let_go(Lock& lock, Waiting& waiting, std::uint32_t id) {
  if (waiting.message == nullptr) [[likely]]
    return false;
  wait_for_write(lock, waiting.message);
  auto* const message = waiting.message;
  if (message == nullptr) return false;
  if (message->sent > 0 || waiting.answered) {
    message->take_over();
    message->link = nullptr;
    return false;
  }
  leave(id);
  long_bytes_ -= message->size;
  std::erase_if(long_, [&](auto const& each) { return each.get() == message; });
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
    }
    wake_writer();
  }
  hello_.notify_all();
  place_free_.notify_all();
  drained_.notify_all();
  stream_->close();
}

}  // namespace mutirao::middleware
