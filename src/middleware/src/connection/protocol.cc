#include "connection/protocol.h"

#include <fmt/format.h>

#include "mutirao/middleware/codec.h"

namespace mutirao::middleware {

namespace {
// What else there is to say of a call. Unknown ones are skipped.
enum class About : std::uint8_t {
  time_left = 1,  // microseconds
  trace = 2,      // 16 bytes of trace, 8 of the span, 1 of flags
  key = 3,        // 16 bytes
  capability = 4,
  epoch = 5,
  fields = 6,  // text to text
  wants_items = 7,
  brings = 8,
};
constexpr std::size_t kTraceBytes = 16 + 8 + 1;
constexpr std::size_t kKeyBytes = 16;
constexpr std::int64_t kTimeLeftMax_us = std::int64_t{86'400} * 1'000'000 * 365;

enum class HelloKey : std::uint8_t { node = 1, calls_max = 2, reads = 3 };

void write_about(wire::MsgpackWriter& out, About about) { out.integer(std::to_underlying(about)); }

void write_trace(wire::MsgpackWriter& out, TraceContext const& trace) {
  std::array<std::uint8_t, kTraceBytes> bytes;
  std::ranges::copy(trace.trace, bytes.begin());
  base::store_be<std::uint64_t>(MutableBytes{bytes}.subspan(16), trace.span);
  bytes[24] = trace.sampled ? 1 : 0;
  out.bytes(bytes);
}

TraceContext read_trace(ByteView bytes) {
  TraceContext trace;
  if (bytes.size() != kTraceBytes) return trace;
  std::ranges::copy(bytes.first(16), trace.trace.begin());
  trace.span = base::load_be<std::uint64_t>(bytes.subspan(16));
  trace.sampled = (bytes[24] & 1) != 0;
  return trace;
}

void write_key(wire::MsgpackWriter& out, IdempotencyKey key) {
  std::array<std::uint8_t, kKeyBytes> bytes;
  base::store_be<std::uint64_t>(bytes, key.high);
  base::store_be<std::uint64_t>(MutableBytes{bytes}.subspan(8), key.low);
  out.bytes(bytes);
}

IdempotencyKey read_key(ByteView bytes) {
  if (bytes.size() != kKeyBytes) return {};
  return {base::load_be<std::uint64_t>(bytes), base::load_be<std::uint64_t>(bytes.subspan(8))};
}

void read_fields(Decoder& from, CallMessage& call) {
  auto const count = from.in.map();
  if (count > CallMessage::kFieldsMax) {
    from.refuse("too many fields");
    return;
  }
  for (std::size_t i = 0; i < count && !from.failed(); ++i) {
    auto name = read<std::string>(from);
    call.fields.emplace_back(std::move(name), read<std::string>(from));
  }
}

void read_about(Decoder& from, CallMessage& call) {
  auto const count = from.in.map();
  for (std::size_t i = 0; i < count && !from.failed(); ++i) {
    switch (static_cast<About>(from.in.integer<std::uint8_t>())) {
      case About::time_left: {
        auto const left = from.in.integer<std::int64_t>();
        call.time_left =
            std::chrono::microseconds{std::clamp<std::int64_t>(left, 0, kTimeLeftMax_us)};
        break;
      }
      case About::trace:
        call.trace = read_trace(from.in.bytes());
        break;
      case About::key:
        call.key = read_key(from.in.bytes());
        break;
      case About::capability:
        call.capability = read<std::string_view>(from);
        break;
      case About::epoch:
        call.epoch = from.in.integer<std::uint64_t>();
        break;
      case About::fields:
        read_fields(from, call);
        break;
      case About::wants_items:
        call.wants_items = from.in.boolean();
        break;
      case About::brings:
        call.brings = from.in.boolean();
        break;
      default:
        from.in.skip();
    }
  }
}
}  // namespace

void store_head(MutableBytes at, FrameHead head) noexcept {
  base::store_be<std::uint32_t>(at, head.length << 8 | std::to_underlying(head.kind) | head.flags);
  base::store_be<std::uint32_t>(at.subspan(4), head.id);
}

Result<FrameHead> load_head(ByteView bytes) {
  auto const word = base::load_be<std::uint32_t>(bytes);
  FrameHead const head{.length = word >> 8,
                       .kind = static_cast<FrameKind>(word & 0x0f),
                       .flags = static_cast<std::uint8_t>(word & 0xf0),
                       .id = base::load_be<std::uint32_t>(bytes.subspan(4))};
  if (head.length > kFrameBytesMax || std::to_underlying(head.kind) >= kFrameKinds) [[unlikely]]
    return fail(Fault::corrupt, "what the other side says is no frame",
                "is it a Mutirão node, and of this version?");
  return head;
}

void write_hello(wire::MsgpackWriter& out, Hello const& hello) {
  out.map(3);
  out.integer(std::to_underlying(HelloKey::node)).string(hello.node);
  out.integer(std::to_underlying(HelloKey::calls_max)).integer(hello.calls_max);
  out.integer(std::to_underlying(HelloKey::reads));
  write(out, hello.reads);
}

Result<Hello> read_hello(ByteView payload) {
  Decoder from{payload};
  Hello hello;
  auto const count = from.in.map();
  for (std::size_t i = 0; i < count && !from.failed(); ++i) {
    switch (static_cast<HelloKey>(from.in.integer<std::uint8_t>())) {
      case HelloKey::node:
        hello.node = read<std::string>(from);
        break;
      case HelloKey::calls_max:
        hello.calls_max = std::clamp<std::uint32_t>(from.in.integer<std::uint32_t>(), 1, kCallsMax);
        break;
      case HelloKey::reads:
        hello.reads = read<std::vector<std::string>>(from);
        if (hello.reads.size() > Hello::kReadsMax) from.refuse("too many names in a hello");
        break;
      default:
        from.in.skip();
    }
  }
  MUT_TRY(from.finish());
  return hello;
}

void write_call(wire::MsgpackWriter& out, Call const& call, TimePoint now) {
  auto const& target = *call.target;
  bool const limited = !call.deadline.is_never();
  bool const traced = call.trace.present();
  bool const keyed = call.key.present();
  std::size_t const about = static_cast<std::size_t>(limited) + traced + keyed +
                            !target.capability.empty() + (target.epoch != 0) +
                            !call.fields.empty() + (call.items != nullptr) +
                            (call.attachment != nullptr);
  out.array(about == 0 ? 3 : 4);
  out.string(target.object).string(call.method_name);
  call.arguments.write(out);
  if (about == 0) return;
  out.map(about);
  if (limited) {
    write_about(out, About::time_left);
    auto const left = std::chrono::floor<std::chrono::microseconds>(call.deadline.when() - now);
    out.integer(std::max<std::int64_t>(left.count(), 0));
  }
  if (traced) {
    write_about(out, About::trace);
    write_trace(out, call.trace);
  }
  if (keyed) {
    write_about(out, About::key);
    write_key(out, call.key);
  }
  if (!target.capability.empty()) {
    write_about(out, About::capability);
    write(out, target.capability);
  }
  if (target.epoch != 0) {
    write_about(out, About::epoch);
    out.integer(target.epoch);
  }
  if (call.items != nullptr) {
    write_about(out, About::wants_items);
    out.boolean(true);
  }
  if (call.attachment != nullptr) {
    write_about(out, About::brings);
    out.boolean(true);
  }
  if (!call.fields.empty()) {
    write_about(out, About::fields);
    out.map(call.fields.size());
    for (auto const& [name, value] : call.fields) {
      write(out, name);
      write(out, value);
    }
  }
}

Result<CallMessage> read_call(ByteView message) {
  Decoder from{message};
  CallMessage call;
  auto const parts = from.in.array();
  if (parts < 3) from.refuse("a call is [object, method, arguments]");
  call.object = from.in.string();
  call.method = from.in.string();
  if (from.in.peek() != wire::MsgpackKind::array) from.refuse("the arguments are no array");
  call.arguments = from.in.skip();
  if (parts > 3) read_about(from, call);
  for (std::size_t i = 4; i < parts && !from.failed(); ++i) from.in.skip();
  MUT_TRY(from.finish());
  return call;
}

void write_failure(wire::MsgpackWriter& out, Failure const& failure) {
  out.array(7);
  write(out, failure.fault);
  write(out, failure.executed);
  write(out, failure.retry);
  out.integer(std::chrono::floor<std::chrono::microseconds>(failure.retry_after).count());
  write(out, failure.origin);
  write(out, failure.what);
  write(out, failure.mend);
}

Failure read_failure(ByteView message) {
  Decoder from{message};
  Failure failure;
  auto const parts = from.in.array();
  auto const fault = from.in.integer<std::uint8_t>();
  auto const executed = from.in.integer<std::uint8_t>();
  auto const retry = from.in.integer<std::uint8_t>();
  auto const after = from.in.integer<std::int64_t>();
  failure.origin = read<std::string>(from);
  failure.what = read<std::string>(from);
  failure.mend = read<std::string>(from);
  for (std::size_t i = 7; i < parts && !from.failed(); ++i) from.in.skip();
  if (parts < 7 || !from.finish() || fault > std::to_underlying(Fault::io) ||
      executed > std::to_underlying(Executed::yes) || retry > std::to_underlying(Retry::later))
    return {Error{Fault::corrupt, "the other side failed the call, and why can't be read", {}},
            Executed::maybe,
            Retry::never,
            {},
            {}};
  failure.fault = static_cast<Fault>(fault);
  failure.executed = static_cast<Executed>(executed);
  failure.retry = static_cast<Retry>(retry);
  failure.retry_after =
      std::chrono::microseconds{std::clamp<std::int64_t>(after, 0, kTimeLeftMax_us)};
  return failure;
}

}  // namespace mutirao::middleware
