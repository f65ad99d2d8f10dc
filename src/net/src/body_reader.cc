#include "body_reader.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace mutirao::net {

using Kind = wire::HttpFraming::Kind;

Result<std::size_t> BodyReader::read_some(BufferedStream& from, MutableBytes into,
                                          Deadline deadline) {
  if (finished_ || into.empty()) return 0;
  if (framing_.kind == Kind::chunked) return read_chunked(from, into, deadline);
  if (framing_.kind == Kind::length)
    into = into.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), framing_.length - read_)));
  auto const count = MUT_TRY(from.read_some(into, deadline));
  read_ += count;
  if (framing_.kind == Kind::until_close) {
    finished_ = count == 0;
    return count;
  }
  if (count == 0)
    return fail(Fault::closed, fmt::format("the connection ended after {} of {} body bytes", read_,
                                           framing_.length));
  finished_ = read_ == framing_.length;
  return count;
}

Result<std::size_t> BodyReader::read_chunked(BufferedStream& from, MutableBytes into,
                                             Deadline deadline) {
  while (true) {
    auto const available = from.buffered();
    auto const step =
        MUT_TRY(chunked_.feed(available.first(std::min(available.size(), into.size()))));
    if (!step.content.empty()) std::memcpy(into.data(), step.content.data(), step.content.size());
    from.consume(step.consumed);
    read_ += step.content.size();
    finished_ = step.finished;
    if (finished_ || !step.content.empty()) return step.content.size();
    if (from.buffered().empty() && MUT_TRY(from.fill(deadline)) == 0)
      return fail(
          Fault::closed,
          fmt::format("the connection ended after {} body bytes, before the last chunk", read_));
  }
}

}  // namespace mutirao::net
