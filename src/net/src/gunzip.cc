#include "gunzip.h"

#include <algorithm>
#include <zlib.h>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/base/units.h"

namespace mutirao::net {
namespace {
constexpr std::size_t kStepBytes = 64 << 10;
constexpr int kGzipOnly = 15 + 16;  // the largest window, and gzip's frame instead of zlib's
}  // namespace

struct Gunzip::State {
  z_stream stream{};
  std::uint64_t output_max;
  std::uint64_t written = 0;
  bool member_open = false;
};

Gunzip::Gunzip(std::uint64_t output_max) : state_{std::make_unique<State>()} {
  state_->output_max = std::min(output_max, std::uint64_t{1} << 62);
  auto const ready = inflateInit2(&state_->stream, kGzipOnly);
  MUT_ASSERT(ready == Z_OK);
}

Gunzip::~Gunzip() { inflateEnd(&state_->stream); }

Result<void> Gunzip::feed(ByteView input, std::string& out) {
  auto& [stream, output_max, written, member_open] = *state_;
  stream.next_in = const_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  while (stream.avail_in > 0 || (member_open && stream.avail_out == 0)) {
    auto const size = out.size();
    // One byte more than allowed tells a body of exactly the limit from a longer one.
    auto const room =
        static_cast<std::size_t>(std::min<std::uint64_t>(kStepBytes, output_max - written + 1));
    out.resize(size + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + size);
    stream.avail_out = static_cast<uInt>(room);
    member_open = true;
    auto const result = inflate(&stream, Z_NO_FLUSH);
    out.resize(size + room - stream.avail_out);
    written += room - stream.avail_out;
    if (written > output_max)
      return fail(Fault::exhausted,
                  fmt::format("the gzip body is more than {} when decompressed",
                              base::format_bytes(output_max)),
                  "ask for a smaller part, or raise the limit if you trust the server");
    if (result == Z_STREAM_END) {
      member_open = false;
      inflateReset(&stream);  // another member may follow (RFC 1952 §2.2)
    } else if (result == Z_BUF_ERROR) {
      break;  // wants more input
    } else if (result != Z_OK) {
      return fail(Fault::corrupt, fmt::format("the gzip body is broken: {}",
                                              stream.msg != nullptr ? stream.msg : "no gzip"));
    }
  }
  return {};
}

Result<void> Gunzip::finish() {
  if (state_->member_open) return fail(Fault::corrupt, "the gzip body ends in the middle");
  return {};
}

}  // namespace mutirao::net
