// Whatever the reader takes as one value, the scanner finds the end of, in pieces of any size; and
// what the scanner calls whole and the reader does not, is wrong text and nothing else.
#include <algorithm>
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/wire/msgpack.h"

#include "gateways/message_scanner.h"

namespace {
using namespace mutirao;

struct Scanned {
  std::size_t bytes = 0;
  bool done = false;
  bool failed = false;
  friend bool operator==(Scanned const&, Scanned const&) = default;
};

Scanned scan(ByteView input, std::size_t piece) {
  middleware::MessageScanner scanner{1 << 20};
  Scanned scanned;
  while (scanned.bytes < input.size() && !scanner.done()) {
    auto const part =
        input.subspan(scanned.bytes).first(std::min(piece, input.size() - scanned.bytes));
    auto const taken = scanner.feed(part);
    if (!taken) return {.failed = true};
    MUT_ASSERT(*taken > 0 && *taken <= part.size());
    scanned.bytes += *taken;
  }
  scanned.done = scanner.done();
  return scanned;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const input{data, size};
  auto const whole = scan(input, SIZE_MAX);
  MUT_ASSERT(whole == scan(input, 1));
  MUT_ASSERT(whole == scan(input, 3));
  wire::MsgpackReader reader{input};
  auto const value = reader.skip();
  if (!reader.failed() && size > 0) MUT_ASSERT(whole.done && whole.bytes == value.size());
  return 0;
}
