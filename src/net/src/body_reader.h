#pragma once

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/wire/http.h"

#include "buffered_stream.h"

namespace mutirao::net {

/// The body of one message, whichever way its end is found. Never reads past that end.
class BodyReader {
 public:
  explicit BodyReader(wire::HttpFraming framing) noexcept
      : framing_{framing},
        finished_{framing.kind == wire::HttpFraming::Kind::none ||
                  (framing.kind == wire::HttpFraming::Kind::length && framing.length == 0)} {}

  /// At least one byte; 0 at the end. Fault::closed when the stream ends first.
  Result<std::size_t> read_some(BufferedStream& from, MutableBytes into, Deadline deadline);
  [[nodiscard]] bool finished() const noexcept { return finished_; }

 private:
  Result<std::size_t> read_chunked(BufferedStream& from, MutableBytes into, Deadline deadline);

  wire::HttpFraming framing_;
  wire::HttpChunkedDecoder chunked_;
  std::uint64_t read_ = 0;
  bool finished_;
};

}  // namespace mutirao::net
