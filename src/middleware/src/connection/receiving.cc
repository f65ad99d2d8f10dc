// What comes in, from bytes to calls, replies and items.
#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "connection/parts.h"

namespace mutirao::middleware {

namespace {
constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kIncomingBytesMax = 64 << 20;  // of long messages that are not whole yet
// Who fills its frames begins no more than that before it reaches the limit above.
constexpr std::size_t kIncomingMax = kIncomingBytesMax / kFrameBytesMax;
constexpr std::size_t kShortBytesMax = 4 << 20;  // short ones that nobody takes: no more calls

/// What interceptors may change, and what may be long.
bool carries_content(FrameKind kind) noexcept {
  return kind == FrameKind::call || kind == FrameKind::reply || kind == FrameKind::item ||
         kind == FrameKind::attached;
}

std::uint64_t key_of(FrameHead head) noexcept {
  return std::uint64_t{std::to_underlying(head.kind)} << 32 | head.id;
}
}  // namespace

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
  if (!carries_content(head.kind))
    return fail(Fault::corrupt, "only calls, replies, items and attachments come in parts");
  auto const key = key_of(head);
  part_head_ = head;
  part_left_ = head.length;
  if ((head.flags & kFirst) != 0) {
    if (head.length < kLengthBytes)
      return fail(Fault::corrupt, "a long message does not say its length");
    part_left_ -= kLengthBytes;
    auto const total = base::load_be<std::uint32_t>(payload);
    auto const growth = (head.flags & kChanged) != 0 ? kGrowthBytesMax : 0;
    if (total > kMessageBytesMax + growth)
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
  if (!carries_content(head.kind)) return take_plain(head, whole, owned, jobs, woken);
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
      take_credit(head, base::load_be<std::uint32_t>(whole), woken);
      return {};
    case FrameKind::attached:
      return take_attached(head, whole, owned, woken);
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

Result<void> Connection::take_attached(FrameHead head, ByteView piece, Bytes* owned,
                                       std::vector<threads::park_token*>& woken) {
  auto const place = head.id & kPlaceMask;
  // It may have been answered while they were on their way.
  if (place >= jobs_.size() || jobs_[place] == nullptr || jobs_[place]->id != head.id) return {};
  auto* const attached = jobs_[place]->attached.get();
  bool const no_more = (head.flags & kFailed) != 0;
  if (attached == nullptr || attached->whole || (!no_more && piece.size() > attached->allowed))
    return fail(Fault::corrupt, "more is attached than was asked for");
  if (no_more) {
    attached->failure = read_failure(piece);
    attached->whole = true;
  } else if (piece.empty()) {
    attached->whole = true;
  } else {
    attached->allowed -= piece.size();
    auto& pieces = attached->pieces;
    if (owned != nullptr)
      pieces.push_back(std::move(*owned));
    else if (!pieces.empty() && pieces.back().size() + piece.size() <= kFrameBytesMax)
      pieces.back().insert(pieces.back().end(), piece.begin(), piece.end());
    else
      pieces.emplace_back(piece.begin(), piece.end());
  }
  if (attached->waits != nullptr) woken.push_back(std::exchange(attached->waits, nullptr));
  return {};
}

void Connection::take_credit(FrameHead head, std::uint32_t bytes,
                             std::vector<threads::park_token*>& woken) {
  if ((head.flags & kOfAttached) != 0) return take_attachment_credit(head.id, bytes, woken);
  if (head.id != 0) return take_item_credit(head.id, bytes, woken);
  window_ = std::min<std::int64_t>(window_ + bytes, kMessageBytesMax);
  if (!long_.empty()) wake_writer();
}

void Connection::take_attachment_credit(std::uint32_t id, std::uint32_t bytes,
                                        std::vector<threads::park_token*>& woken) {
  auto const index = id & kPlaceMask;
  if (index >= places_.size() || !places_[index].taken || places_[index].id != id) return;
  auto* const waiting = places_[index].waiting;
  if (waiting == nullptr) return;
  waiting->attachment_credit =
      std::min<std::int64_t>(waiting->attachment_credit + bytes, kMessageBytesMax);
  if (waiting->attaching != nullptr) woken.push_back(std::exchange(waiting->attaching, nullptr));
}

void Connection::take_item_credit(std::uint32_t id, std::uint32_t bytes,
                                  std::vector<threads::park_token*>& woken) {
  auto const place = id & kPlaceMask;
  if (place >= jobs_.size() || jobs_[place] == nullptr || jobs_[place]->id != id) return;
  auto& job = *jobs_[place];
  job.item_credit = std::min<std::int64_t>(job.item_credit + bytes, kMessageBytesMax);
  if (job.item_credit > 0 && job.waits_for_credit != nullptr)
    woken.push_back(std::exchange(job.waits_for_credit, nullptr));
}

}  // namespace mutirao::middleware
