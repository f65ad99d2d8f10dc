// A response head, its framing, and a chunked body: the body must come out the same whether the
// bytes arrive at once or one by one.
#include <algorithm>
#include <cstdint>
#include <string>

#include "mutirao/base/check.h"
#include "mutirao/wire/http.h"

namespace {

using namespace mutirao;

struct Decoded {
  std::string body;
  bool failed = false;
  bool finished = false;
  std::size_t consumed = 0;
  friend bool operator==(Decoded const&, Decoded const&) = default;
};

Decoded decode(ByteView input, std::size_t run) {
  Decoded decoded;
  wire::HttpChunkedDecoder decoder;
  while (decoded.consumed < input.size() && !decoded.finished) {
    auto part = input.subspan(decoded.consumed);
    part = part.first(std::min(run, part.size()));
    auto const step = decoder.feed(part);
    if (!step) {
      decoded.failed = true;
      decoded.consumed = 0;  // where exactly it stops depends on the runs
      return decoded;
    }
    MUT_ASSERT(step->consumed > 0 && step->consumed <= part.size());
    decoded.consumed += step->consumed;
    decoded.body += base::text_of(step->content);
    decoded.finished = step->finished;
  }
  return decoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const input{data, size};
  auto const measured = wire::http_head_size(input);
  if (!measured || !*measured) return 0;
  auto const head = wire::parse_http_response(input.first(**measured));
  if (!head) return 0;
  if (auto const range = head->fields.find("Content-Range")) {
    if (auto const content = wire::parse_http_content_range(*range)) {
      MUT_ASSERT(content->range.length > 0);
      if (content->size)
        MUT_ASSERT(content->range.offset + content->range.length <= *content->size);
    }
  }
  MUT_ASSERT(wire::write_http_response(*head));
  auto const framing = wire::http_response_framing(*head, "GET");
  if (framing && framing->kind == wire::HttpFraming::Kind::chunked) {
    auto const body = input.subspan(**measured);
    auto const at_once = decode(body, SIZE_MAX);
    MUT_ASSERT(at_once == decode(body, 1));
    MUT_ASSERT(at_once == decode(body, 7));
  }
  return 0;
}
