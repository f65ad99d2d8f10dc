#pragma once

#include <memory>
#include <optional>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/wire/http.h"
#include "mutirao/world/network.h"

namespace mutirao::net {

/// A stream with what was read ahead of need, so that a head takes as few reads as it can. The
/// buffer lies on the heap: stacks of user threads are small. One reading thread at a time.
class BufferedStream {
 public:
  explicit BufferedStream(std::unique_ptr<world::Stream> stream, ByteView read_ahead = {});

  [[nodiscard]] ByteView buffered() const noexcept {
    return ByteView{buffer_}.subspan(begin_, end_ - begin_);
  }
  void consume(std::size_t bytes) noexcept;

  /// Reads more behind what is buffered and returns how much; 0 at the end of the stream.
  Result<std::size_t> fill(Deadline deadline);
  /// What is buffered first, then right from the stream; 0 at its end.
  Result<std::size_t> read_some(MutableBytes into, Deadline deadline);
  /// The size of the head at the start of buffered(); empty when the stream ended before its first
  /// byte, and Fault::closed when it ended inside.
  Result<std::optional<std::size_t>> read_head(wire::HttpLimits const& limits, Deadline deadline);

  /// Whether the other side has ended the stream, as far as can be told without waiting. `now` is
  /// the present. What arrives is kept.
  [[nodiscard]] bool ended(TimePoint now);

  [[nodiscard]] world::Stream& stream() noexcept { return *stream_; }

 private:
  std::unique_ptr<world::Stream> stream_;
  Bytes buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace mutirao::net
