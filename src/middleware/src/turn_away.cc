#include "turn_away.h"

#include <array>

#include <fmt/format.h>

#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/json_values.h"
#include "mutirao/threads/this_thread.h"

#include "connection/protocol.h"

namespace mutirao::middleware {

namespace {
constexpr Duration kTurnAwayMax = std::chrono::seconds{2};

Bytes go_away_frame(Failure const& failure) {
  wire::MsgpackWriter payload;
  write_failure(payload, failure);
  auto const content = payload.written();
  Bytes frame(kFrameHeadBytes);
  store_head(frame, {.length = static_cast<std::uint32_t>(content.size()),
                     .kind = FrameKind::go_away,
                     .flags = kWhole});
  frame.insert(frame.end(), content.begin(), content.end());
  return frame;
}

Bytes http_answer(Error const& why) {
  auto const body = fmt::format(R"({{"error":{{"fault":"{}","what":{},"mend":{}}}}})",
                                to_string(why.fault), json_of(why.what), json_of(why.mend));
  auto const text = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
      "Retry-After: 1\r\nConnection: close\r\n\r\n{}",
      body.size(), body);
  return {text.begin(), text.end()};
}

/// A method of HTTP (RFC 9110 9.1) begins with a capital letter.
bool speaks_http(std::uint8_t first) noexcept { return first >= 'A' && first <= 'Z'; }
}  // namespace

void turn_away(world::Stream& stream, Error const& why) {
  std::array<std::uint8_t, 512> heard;
  auto const count = stream.read_some(heard, threads::within(kTurnAwayMax));
  if (count && *count > 0) turn_away(stream, ByteView{heard}.first(*count), why);
}

void turn_away(world::Stream& stream, ByteView read_ahead, Error const& why) {
  auto const deadline = threads::within(kTurnAwayMax);
  Bytes answer;
  if (read_ahead[0] == kPreface[0])
    answer = go_away_frame(not_executed(why.fault, why.what, why.mend, Retry::elsewhere));
  else if (speaks_http(read_ahead[0]))
    answer = http_answer(why);
  if (answer.empty() || !stream.write_all(answer, deadline)) return;
  stream.finish_writing();
  // A stream that is closed with something unread takes back what was written.
  std::array<std::uint8_t, 512> rest;
  for (auto left = stream.read_some(rest, deadline); left && *left > 0;)
    left = stream.read_some(rest, deadline);
}

}  // namespace mutirao::middleware
