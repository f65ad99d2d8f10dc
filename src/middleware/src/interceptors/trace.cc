#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/this_thread.h"

#include "call_context.h"

namespace mutirao::middleware {

namespace {
constexpr std::string_view kTraceVersion = "00";
constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kReasonBytesMax = 256;

/// A permutation that scatters (splitmix64, Steele, Lea and Flood 2014).
std::uint64_t scattered(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
}  // namespace

Trace::Trace(world::World& world, std::size_t spans_kept)
    : seed_{world.entropy().next()}, kept_{spans_kept} {
  ring_.reserve(kept_);
}

std::uint64_t Trace::new_id() noexcept {
  auto const id = scattered(seed_ + counter_.fetch_add(1, std::memory_order_relaxed));
  return id != 0 ? id : 1;
}

Reply Trace::intercept(Call& call, Next next) {
  auto const outer = call_context();
  auto const& from = call.incoming || !outer.trace.present() ? call.trace : outer.trace;
  TraceContext own = from;
  auto const parent = from.span;
  if (!from.present()) {
    base::store_be<std::uint64_t>(own.trace, new_id());
    base::store_be<std::uint64_t>(MutableBytes{own.trace}.subspan(8), new_id());
    own.sampled = true;
  }
  own.span = new_id();
  call.trace = own;
  auto const started = threads::now();
  if (!call.incoming) {
    auto const reply = next(call);
    remember(call, own, parent, started, reply);
    return reply;
  }
  InContext const inside{{.deadline = outer.deadline, .trace = own}};
  auto const reply = next(call);
  remember(call, own, parent, started, reply);
  return reply;
}

void Trace::remember(Call const& call, TraceContext const& own, std::uint64_t parent,
                     TimePoint started, Reply reply) {
  if (kept_ == 0) return;
  auto const took = threads::now() - started;
  std::lock_guard const lock{mutex_};
  if (ring_.size() < kept_) ring_.emplace_back();
  auto& span = ring_[next_];
  next_ = (next_ + 1) % kept_;
  span.trace = own.trace;
  span.id = own.span;
  span.parent = parent;
  span.incoming = call.incoming;
  // Into the room of the one that was here; a stranger's names may be as long as a message.
  span.object.assign(call.target->object, 0, kNameBytesMax);
  span.method.assign(call.method_name.substr(0, kNameBytesMax));
  span.started = started;
  span.took = took;
  span.failure.clear();
  if (reply.failed()) span.failure.assign(reply.failure().what, 0, kReasonBytesMax);
}

std::vector<Trace::Span> Trace::spans() const {
  std::lock_guard const lock{mutex_};
  std::vector<Span> all;
  all.reserve(ring_.size());
  auto const first = ring_.size() < kept_ ? 0 : next_;
  for (std::size_t i = 0; i < ring_.size(); ++i) all.push_back(ring_[(first + i) % ring_.size()]);
  return all;
}

std::string to_traceparent(TraceContext const& trace) {
  return fmt::format("{}-{}-{:016x}-{:02x}", kTraceVersion, base::to_hex(trace.trace), trace.span,
                     trace.sampled ? 1 : 0);
}

std::optional<TraceContext> trace_from(std::string_view text) {
  if (text.size() != 55 || !text.starts_with("00-") || text[35] != '-' || text[52] != '-')
    return std::nullopt;
  auto const trace = base::from_hex(text.substr(3, 32));
  auto const span = base::from_hex(text.substr(36, 16));
  auto const flags = base::from_hex(text.substr(53, 2));
  if (!trace || !span || !flags) return std::nullopt;
  TraceContext context;
  std::ranges::copy(*trace, context.trace.begin());
  context.span = base::load_be<std::uint64_t>(*span);
  context.sampled = ((*flags)[0] & 1) != 0;
  bool const none = std::ranges::all_of(context.trace, [](auto byte) { return byte == 0; });
  if (none || !context.present()) return std::nullopt;
  return context;
}

}  // namespace mutirao::middleware
