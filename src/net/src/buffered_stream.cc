#include "buffered_stream.h"

#include <algorithm>
#include <cstring>

#include "mutirao/base/check.h"

namespace mutirao::net {
namespace {

constexpr std::size_t kBufferBytes = 16 << 10;

/// A head that arrives byte by byte must not be scanned from its start for each of them: after the
/// first few arrivals only one that may hold the empty line is looked at.
constexpr int kScansAlways = 16;

bool may_end_head(ByteView buffered, std::size_t fresh) {
  auto const text = base::text_of(buffered);
  return text.substr(text.size() - std::min(text.size(), fresh + 2)).contains("\n\r\n");
}

}  // namespace

BufferedStream::BufferedStream(std::unique_ptr<world::Stream> stream, ByteView read_ahead)
    : stream_{std::move(stream)},
      buffer_(std::max(kBufferBytes, read_ahead.size())),
      end_{read_ahead.size()} {
  std::ranges::copy(read_ahead, buffer_.begin());
}

void BufferedStream::consume(std::size_t bytes) noexcept {
  MUT_ASSERT(bytes <= end_ - begin_);
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

Result<std::size_t> BufferedStream::fill(Deadline deadline) {
  if (end_ == buffer_.size() && begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  auto const count = MUT_TRY(stream_->read_some(MutableBytes{buffer_}.subspan(end_), deadline));
  end_ += count;
  return count;
}

Result<std::size_t> BufferedStream::read_some(MutableBytes into, Deadline deadline) {
  if (begin_ == end_) return stream_->read_some(into, deadline);
  auto const count = std::min(into.size(), end_ - begin_);
  std::memcpy(into.data(), buffer_.data() + begin_, count);
  consume(count);
  return count;
}

Result<std::optional<std::size_t>> BufferedStream::read_head(wire::HttpLimits const& limits,
                                                             Deadline deadline) {
  std::size_t fresh = buffered().size();
  for (int scans = 0;;) {
    bool const full = buffered().size() >= limits.head_bytes_max;
    if (fresh > 0 && (full || scans < kScansAlways || may_end_head(buffered(), fresh))) {
      ++scans;
      if (auto const size = MUT_TRY(wire::http_head_size(buffered(), limits))) return size;
    }
    fresh = MUT_TRY(fill(deadline));
    if (fresh > 0) continue;
    if (buffered().empty()) return std::nullopt;
    return fail(Fault::closed, "the other side ended the connection in the middle of a head");
  }
}

bool BufferedStream::ended(TimePoint now) {
  if (end_ - begin_ >= kBufferBytes) return false;  // it is still sending
  auto const filled = fill(Deadline::at(now));
  return filled
             ? *filled == 0
             : filled.error().fault != Fault::timed_out && filled.error().fault != Fault::cancelled;
}

}  // namespace mutirao::net
