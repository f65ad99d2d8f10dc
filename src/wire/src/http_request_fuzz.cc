// Head, framing and target of any bytes: whatever is accepted must be written back to the same
// head, for a proxy in between must not read it in another way.
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/wire/http.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace mutirao;
  ByteView const input{data, size};
  auto const measured = wire::http_head_size(input);
  if (!measured || !*measured) return 0;
  MUT_ASSERT(**measured <= size && **measured <= wire::HttpLimits{}.head_bytes_max);
  auto const head = wire::parse_http_request(input.first(**measured));
  if (!head) return 0;
  auto const framing = wire::http_request_framing(*head);
  (void)wire::HttpTarget::parse(head->target);
  if (auto const range = head->fields.find("Range")) {
    auto const answer = wire::parse_http_range(*range, size);
    if (answer.kind == wire::HttpRangeAnswer::Kind::part)
      MUT_ASSERT(answer.range.length > 0 && answer.range.offset + answer.range.length <= size);
  }
  auto const written = wire::write_http_request(*head);
  MUT_ASSERT(written);
  wire::HttpLimits const roomy{.head_bytes_max =
                                   written->size() + 1};  // "a:b" is written as "a: b"
  auto const again = wire::parse_http_request(base::view_of(*written), roomy);
  MUT_ASSERT(again && again->method == head->method && again->target == head->target);
  MUT_ASSERT(again->fields.size() == head->fields.size());
  auto const framing_again = wire::http_request_framing(*again);
  MUT_ASSERT(framing.has_value() == framing_again.has_value());
  if (framing)
    MUT_ASSERT(framing->kind == framing_again->kind && framing->length == framing_again->length);
  return 0;
}
