#include "gateways/message_scanner.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/units.h"

namespace mutirao::middleware {

// github.com/msgpack/msgpack/blob/master/spec.md, "Formats".

std::size_t MessageScanner::head_bytes() const noexcept {
  switch (head_[0]) {
    case 0xc4:
    case 0xc7:
    case 0xd9:
      return 2;
    case 0xc5:
    case 0xc8:
    case 0xda:
    case 0xdc:
    case 0xde:
      return 3;
    case 0xc6:
    case 0xc9:
    case 0xdb:
    case 0xdd:
    case 0xdf:
      return 5;
    default:
      return 1;
  }
}

MessageScanner::Head MessageScanner::head() const noexcept {
  auto const type = head_[0];
  std::uint64_t length = 0;
  for (std::size_t i = 1; i < head_have_; ++i) length = length << 8 | head_[i];
  if (type < 0x80 || type >= 0xe0) return {};
  if (type < 0x90) return {.values = 2 * (type & 0x0fu), .container = true};
  if (type < 0xa0) return {.values = type & 0x0fu, .container = true};
  if (type < 0xc0) return {.payload = type & 0x1fu};
  if (type <= 0xc3) return {};                                         // nil, booleans
  if (type <= 0xc6) return {.payload = length};                        // bytes
  if (type <= 0xc9) return {.payload = length + 1};                    // extensions
  if (type <= 0xcb) return {.payload = type == 0xca ? 4u : 8u};        // numbers
  if (type <= 0xd3) return {.payload = std::size_t{1} << (type & 3)};  // integers
  if (type <= 0xd8) return {.payload = 1 + (std::size_t{1} << (type - 0xd4))};
  if (type <= 0xdb) return {.payload = length};  // strings
  if (type <= 0xdd) return {.values = length, .container = true};
  return {.values = 2 * length, .container = true};
}

void MessageScanner::end_value() noexcept {
  head_have_ = 0;
  while (depth_ > 0) {
    if (--open_[depth_ - 1] > 0) return;
    --depth_;
  }
  done_ = true;
}

Result<void> MessageScanner::take_head() {
  if (head_[0] == 0xc1) return fail(Fault::corrupt, "a byte that means nothing");
  auto const read = head();
  if (depth_ > 0) --announced_;
  announced_ += read.values;
  if (bytes_ + read.payload > bytes_max_ || bytes_ + announced_ > bytes_max_)
    return fail(Fault::exhausted,
                fmt::format("a message announces more than {}", base::format_bytes(bytes_max_)));
  if (read.values > 0) {
    if (depth_ == kDepthMax)
      return fail(Fault::exhausted, fmt::format("a value lies deeper than {} others", kDepthMax));
    open_[depth_++] = read.values;
    head_have_ = 0;
  } else if (read.payload > 0) {
    payload_ = read.payload;
  } else {
    end_value();
  }
  return {};
}

Result<std::size_t> MessageScanner::feed(ByteView input) {
  std::size_t at = 0;
  while (at < input.size() && !done_) {
    if (payload_ > 0) {
      auto const passed = std::min(payload_, input.size() - at);
      at += passed;
      bytes_ += passed;
      payload_ -= passed;
      if (payload_ == 0) end_value();
      continue;
    }
    head_[head_have_++] = input[at++];
    ++bytes_;
    if (head_have_ == head_bytes()) MUT_TRY(take_head());
  }
  return at;
}

}  // namespace mutirao::middleware
