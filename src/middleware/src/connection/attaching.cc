// What calls bring along: pieces that go after the call, as far as the servant has asked for them.
#include <algorithm>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/threads/thread.h"

#include "connection/parts.h"

namespace mutirao::middleware {

namespace {
constexpr std::size_t kPieceBytesMax = 128 << 10;
constexpr std::size_t kAllowedWhenCrowded = 32 << 10;  // when calls hold much already
}  // namespace

// --- The side of the caller --------------------------------------------------------------------

/// Waits for the reply while another thread sends what is attached: either may be first.
Reply Connection::attach_and_wait(Lock& lock, Waiting& waiting, std::uint32_t id, Call& call) {
  if (call.attachment == nullptr) [[likely]]
    return wait_for(lock, waiting, id, call);
  struct Attaching {
    Lock& lock;
    threads::thread thread;
    ~Attaching() {
      lock.unlock();
      thread.request_stop();
      static_cast<void>(thread.join());
      lock.lock();
    }
  };
  try {
    Attaching const attaching{
        lock, threads::thread{"attachment", [&] { attach(waiting, id, *call.attachment); }}};
    return wait_for(lock, waiting, id, call);
  } catch (...) {  // the thread could not be made, or the reply not be waited for
    forsake(waiting, id);
    static_cast<void>(let_go(lock, waiting, id));
    throw;
  }
}

void Connection::attach(Waiting& waiting, std::uint32_t id, ByteSource& source) {
  FrameHead const head{.kind = FrameKind::attached, .flags = 0, .id = id};
  try {
    // Nothing is taken of the source before somebody wants it: the call may be tried elsewhere.
    while (wait_to_attach(waiting) > 0) {
      auto const piece = source.next();
      if (!piece) {
        wire::MsgpackWriter failure;
        write_failure(failure, piece.error());
        static_cast<void>(put_attached(waiting, head, failure.written(), kFailed));
        return;
      }
      if (piece->empty()) {
        static_cast<void>(put_attached(waiting, head, {}, 0));
        return;
      }
      for (auto left = *piece; !left.empty();) {
        auto const wanted = wait_to_attach(waiting);
        auto const part = left.first(std::min({left.size(), kPieceBytesMax, wanted}));
        if (part.empty() || !put_attached(waiting, head, part, 0)) return;
        left = left.subspan(part.size());
      }
    }
  } catch (...) {  // the servant waits for more
    close(threads::detail::escaped_exception());
  }
}

/// How much the other side wants; 0: nothing, and it never will.
std::size_t Connection::wait_to_attach(Waiting& waiting) {
  Lock lock{mutex_};
  while (waiting.attachment_credit <= 0) {
    if (why_closed_ || waiting.answered) return 0;
    threads::park_token token;
    waiting.attaching = &token;
    lock.unlock();
    auto const reason = token.park(Deadline::never());
    lock.lock();
    if (reason == threads::wake_reason::woken) continue;
    if (std::exchange(waiting.attaching, nullptr) == nullptr) {
      lock.unlock();
      token.until_woken();
      lock.lock();
    }
    return 0;
  }
  return static_cast<std::size_t>(waiting.attachment_credit);
}

/// Returns when nothing refers to `piece` any more; whether it has gone. What is longer than a
/// frame would be overtaken by what comes after it, so that is waited for.
bool Connection::put_attached(Waiting& waiting, FrameHead head, ByteView piece,
                              std::uint8_t flags) {
  auto const other = changed(piece);
  head.flags = static_cast<std::uint8_t>(flags | (other ? kChanged : 0));
  Lock lock{mutex_};
  if (why_closed_ || waiting.answered) return false;
  if ((flags & kFailed) == 0) waiting.attachment_credit -= static_cast<std::int64_t>(piece.size());
  if (other) piece = *other;
  if (piece.size() <= kFrameBytesMax) {
    head.flags |= kWhole;
    put_frame(head, piece);
    return true;
  }
  auto message = std::make_unique<Outgoing>();
  message->head = head;
  message->set_parts({piece});
  auto* under_way = message.get();
  message->link = &under_way;
  put_long(std::move(message));
  while (under_way != nullptr) {
    threads::park_token token;
    under_way->done = &token;
    lock.unlock();
    auto const reason = token.park(Deadline::never());
    lock.lock();
    if (reason == threads::wake_reason::woken) continue;
    if (under_way != nullptr && under_way->done == &token) {
      under_way->done = nullptr;
    } else {
      lock.unlock();
      token.until_woken();
      lock.lock();
    }
    static_cast<void>(withdraw(lock, under_way));
    return false;
  }
  return true;
}

// --- The side of the object --------------------------------------------------------------------

Outcome<ByteView> Connection::next_attached(Job& job) {
  Lock lock{mutex_};
  if (job.attached == nullptr) job.attached = std::make_unique<Attached>();
  auto& attached = *job.attached;
  buffers_->give_back(std::exchange(attached.taken, {}));
  for (;;) {
    if (!attached.pieces.empty()) {
      attached.taken = std::move(attached.pieces.front());
      attached.pieces.pop_front();
      allow_attached(job, attached.taken.size());
      return ByteView{attached.taken};
    }
    if (attached.failure) return std::unexpected{*attached.failure};
    if (attached.whole) return ByteView{};
    if (why_closed_) return std::unexpected{failed(*why_closed_, Executed::maybe)};
    allow_attached(job, 0);
    threads::park_token token;
    attached.waits = &token;
    lock.unlock();
    auto const reason = token.park(Deadline::never());
    lock.lock();
    if (reason == threads::wake_reason::woken) continue;
    if (std::exchange(attached.waits, nullptr) == nullptr) {
      lock.unlock();
      token.until_woken();
      lock.lock();
    }
    if (why_closed_) return std::unexpected{failed(*why_closed_, Executed::maybe)};
    return std::unexpected{
        failed(reason == threads::wake_reason::stopped
                   ? Error{Fault::cancelled, "the caller took the call back", {}}
                   : Error{Fault::timed_out, "what is attached did not come in time", {}},
               Executed::maybe)};
  }
}

/// Lets the caller send more, when `bytes` more have been taken: at first a window, and then by
/// halves of it.
void Connection::allow_attached(Job& job, std::size_t bytes) {
  auto& attached = *job.attached;
  if (attached.whole) return;
  if (attached.window == 0) {
    attached.window = job_bytes_ + kWindowBytes > kJobBytesMax ? kAllowedWhenCrowded : kWindowBytes;
    job.bytes += attached.window;
    job_bytes_ += attached.window;
    attached.taken_bytes = attached.window;
  }
  attached.taken_bytes += bytes;
  if (attached.taken_bytes < attached.window / 2) return;
  auto const more = std::exchange(attached.taken_bytes, 0);
  attached.allowed += more;
  std::array<std::uint8_t, 4> payload;
  base::store_be<std::uint32_t>(payload, static_cast<std::uint32_t>(more));
  put_frame({.kind = FrameKind::credit, .flags = kWhole | kOfAttached, .id = job.id}, payload);
}

}  // namespace mutirao::middleware
