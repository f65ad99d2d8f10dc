#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/middleware/call.h"
#include "mutirao/wire/msgpack.h"

/// What two nodes say to each other: bytes to meaning and back, no I/O.
///
/// A connection begins with kPreface from the one who opened it, then both send frames: a head of
/// eight bytes and at most kFrameBytesMax behind it. A message of more than that is many frames,
/// and frames of other messages go between them.
///
///   0       3     4          8
///   | length | kind | call id  | payload ...
namespace mutirao::middleware {

inline constexpr std::array<std::uint8_t, 4> kPreface{0xf1, 'M', 'T', '1'};
inline constexpr std::size_t kFrameBytesMax = 16 << 10;
inline constexpr std::size_t kFrameHeadBytes = 8;
inline constexpr std::size_t kMessageBytesMax = 16 << 20;
/// Calls of one side under way at once. The low bits of an id are a place among them.
inline constexpr std::uint32_t kCallsMax = 4096;
/// Payload of long messages that may be on its way before the other side has asked for more.
inline constexpr std::uint32_t kWindowBytes = 512 << 10;

enum class FrameKind : std::uint8_t {
  hello,    ///< who we are and what we can do: the first frame of each side
  call,     ///< a call: [object, method, arguments, what else there is to say]
  reply,    ///< its answer: a value, or with kFailed a failure; exactly one for each call
  item,     ///< one value of those that a call yields
  credit,   ///< payload: u32 more bytes may come; of items with an id, of long messages with 0
  cancel,   ///< the caller does not want the answer any more; there is a reply still
  ping,     ///< to be sent back, with kAnswer
  go_away,  ///< the connection ends, and why
  /// A piece of what a call brings along, after there is credit for it; an empty one is the end,
  /// and one with kFailed says why there is no more.
  attached,
};
inline constexpr std::uint8_t kFrameKinds = 9;

// Flags in the high half of the kind's byte.
inline constexpr std::uint8_t kLast = 0x10;        ///< no frame of this message follows
inline constexpr std::uint8_t kFirst = 0x20;       ///< none came before
inline constexpr std::uint8_t kFailed = 0x40;      ///< of a reply, or of what is attached
inline constexpr std::uint8_t kAnswer = 0x40;      ///< of a ping
inline constexpr std::uint8_t kOfAttached = 0x40;  ///< of a credit: to the caller, for such pieces
inline constexpr std::uint8_t kChanged = 0x80;  ///< of calls, replies and items: see MessageChain
inline constexpr std::uint8_t kWhole = kFirst | kLast;

struct FrameHead {
  std::uint32_t length = 0;
  FrameKind kind = FrameKind::hello;
  std::uint8_t flags = 0;
  std::uint32_t id = 0;
};

void store_head(MutableBytes at, FrameHead head) noexcept;
/// `bytes` holds a head at least. Fails on a kind or a length that does not exist.
[[nodiscard]] Result<FrameHead> load_head(ByteView bytes);

struct Hello {
  std::string node;
  std::uint32_t calls_max = kCallsMax;
  std::vector<std::string> reads{};  ///< what message-level interceptors may do to what comes here
  static constexpr std::size_t kReadsMax = 16;
};
void write_hello(wire::MsgpackWriter& out, Hello const& hello);
[[nodiscard]] Result<Hello> read_hello(ByteView payload);

/// A call as it arrives. Views point into the message.
struct CallMessage {
  std::string_view object;
  std::string_view method;
  ByteView arguments;  ///< an array, checked whole
  std::optional<Duration> time_left;
  TraceContext trace;
  IdempotencyKey key;
  std::string_view capability;
  std::uint64_t epoch = 0;
  bool wants_items = false;  ///< the caller takes what a method yields
  bool brings = false;       ///< bytes will be attached
  std::vector<std::pair<std::string, std::string>> fields;

  static constexpr std::size_t kFieldsMax = 64;
};
void write_call(wire::MsgpackWriter& out, Call const& call, TimePoint now);
[[nodiscard]] Result<CallMessage> read_call(ByteView message);

void write_failure(wire::MsgpackWriter& out, Failure const& failure);
/// A failure that can't be read is one as well.
[[nodiscard]] Failure read_failure(ByteView message);

}  // namespace mutirao::middleware
