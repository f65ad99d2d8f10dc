#include <algorithm>

#include <fmt/format.h>

#include "mutirao/wire/http.h"

#include "http_syntax.h"

namespace mutirao::wire {
namespace {

/// Extension and trailer bytes of one whole body: nobody needs more, and each byte of content could
/// otherwise carry an endless tail.
constexpr std::size_t kOverheadMax = 16 << 10;
constexpr std::size_t kSizeDigitsMax = 16;

struct FramingFields {
  std::optional<std::string_view> content_length;
  std::optional<std::string_view> transfer_encoding;
};

Result<FramingFields> find_framing_fields(HttpFields const& fields) {
  FramingFields found;
  for (auto const& [name, value] : fields) {
    bool const length = syntax::equal_ignoring_case(name, "Content-Length");
    if (!length && !syntax::equal_ignoring_case(name, "Transfer-Encoding")) continue;
    auto& slot = length ? found.content_length : found.transfer_encoding;
    if (slot)
      return broken_http(
          fmt::format("more than one {}", length ? "Content-Length" : "Transfer-Encoding"));
    slot = value;
  }
  if (found.content_length && found.transfer_encoding)
    return broken_http("Content-Length beside Transfer-Encoding");
  return found;
}

/// What the fields alone say; empty when they say nothing.
Result<std::optional<HttpFraming>> framing_of(HttpFields const& fields, int minor_version) {
  auto const [content_length, transfer_encoding] = MUT_TRY(find_framing_fields(fields));
  if (transfer_encoding) {
    if (minor_version == 0) return broken_http("Transfer-Encoding in HTTP/1.0");
    if (!syntax::equal_ignoring_case(*transfer_encoding, "chunked"))
      return fail(Fault::unsupported, "http: a transfer coding that is not just chunked");
    return HttpFraming{.kind = HttpFraming::Kind::chunked};
  }
  if (!content_length) return std::nullopt;
  auto const length = syntax::parse_digits(*content_length);
  if (!length) return broken_http("a Content-Length that is no number below 2^63");
  return HttpFraming{.kind = HttpFraming::Kind::length, .length = *length};
}

int hex_digit(std::uint8_t byte) noexcept {
  return syntax::is_digit(byte) ? byte - '0' : (byte | 0x20) - 'a' + 10;
}

}  // namespace

Result<HttpFraming> http_request_framing(HttpRequestHead const& head) {
  return MUT_TRY(framing_of(head.fields, head.minor_version)).value_or(HttpFraming{});
}

Result<HttpFraming> http_response_framing(HttpResponseHead const& head, std::string_view method) {
  auto const framing = MUT_TRY(framing_of(head.fields, head.minor_version));
  if (method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304)
    return HttpFraming{};
  return framing.value_or(HttpFraming{.kind = HttpFraming::Kind::until_close});
}

Result<HttpChunkedDecoder::Step> HttpChunkedDecoder::feed(ByteView input) {
  std::size_t at = 0;
  while (at < input.size() && state_ != State::done) {
    if (state_ != State::content) {
      MUT_TRY(take(input[at++]));
      continue;
    }
    auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - at));
    left_ -= size;
    if (left_ == 0) state_ = State::content_cr;
    return Step{.consumed = at + size, .content = input.subspan(at, size), .finished = false};
  }
  return Step{.consumed = at, .content = {}, .finished = state_ == State::done};
}

Result<void> HttpChunkedDecoder::take(std::uint8_t byte) {
  switch (state_) {
    case State::size:
      return take_size_byte(byte);
    case State::extension:
      if (byte == '\r') {
        state_ = State::size_lf;
        return {};
      }
      if (!syntax::kValue[byte]) return broken_http("a control character in a chunk extension");
      return count_overhead();
    case State::size_lf:
      if (byte != '\n') return broken_http("a chunk size line that does not end in CR LF");
      state_ = left_ == 0 ? State::trailer : State::content;
      size_digits_ = 0;
      return {};
    case State::content_cr:
      if (byte != '\r') return broken_http("a chunk longer than its size");
      state_ = State::content_lf;
      return {};
    case State::content_lf:
      if (byte != '\n') return broken_http("a chunk that does not end in CR LF");
      state_ = State::size;
      return {};
    case State::content:
    case State::done:
      return {};
    default:
      return take_trailer_byte(byte);
  }
}

Result<void> HttpChunkedDecoder::take_size_byte(std::uint8_t byte) {
  if (syntax::is_hex(byte)) {
    if (++size_digits_ > kSizeDigitsMax || left_ >> 59 != 0)
      return broken_http("a chunk size of 2^63 or more");
    left_ = left_ << 4 | static_cast<std::uint64_t>(hex_digit(byte));
    return {};
  }
  if (size_digits_ == 0) return broken_http("a chunk without a size");
  if (byte != '\r' && byte != ';') return broken_http("a chunk size with something else in it");
  state_ = byte == '\r' ? State::size_lf : State::extension;
  return {};
}

Result<void> HttpChunkedDecoder::take_trailer_byte(std::uint8_t byte) {
  if (state_ == State::trailer && byte == '\r') {
    state_ = State::end_lf;
    return {};
  }
  if (state_ == State::end_lf || state_ == State::trailer_lf) {
    if (byte != '\n') return broken_http("a trailer line that does not end in CR LF");
    state_ = state_ == State::end_lf ? State::done : State::trailer;
    return {};
  }
  MUT_TRY(count_overhead());
  if (state_ == State::trailer_value) {
    if (byte == '\r') {
      state_ = State::trailer_lf;
      return {};
    }
    if (!syntax::kValue[byte]) return broken_http("a control character in a trailer");
    return {};
  }
  if (state_ == State::trailer_name && byte == ':') {
    state_ = State::trailer_value;
    return {};
  }
  if (!syntax::kToken[byte]) return broken_http("a trailer name with a forbidden byte");
  state_ = State::trailer_name;
  return {};
}

Result<void> HttpChunkedDecoder::count_overhead() {
  if (++overhead_ > kOverheadMax)
    return fail(
        Fault::exhausted,
        fmt::format("http: more than {} bytes of chunk extensions and trailers", kOverheadMax));
  return {};
}

std::string http_chunk_head(std::uint64_t size) { return fmt::format("{:x}\r\n", size); }

HttpRangeAnswer parse_http_range(std::string_view field, std::uint64_t size) noexcept {
  using Kind = HttpRangeAnswer::Kind;
  HttpRangeAnswer const whole{};
  auto const equals = field.find('=');
  if (equals == std::string_view::npos ||
      !syntax::equal_ignoring_case(field.substr(0, equals), "bytes"))
    return whole;
  auto const text = syntax::trim(field.substr(equals + 1));
  auto const dash = text.find('-');
  if (dash == std::string_view::npos) return whole;
  auto const first_text = text.substr(0, dash);
  auto const last_text = text.substr(dash + 1);
  auto const only_digits = [](std::string_view digits) {
    return std::ranges::all_of(
        digits, [](char c) { return syntax::is_digit(static_cast<std::uint8_t>(c)); });
  };
  if (!only_digits(first_text) || !only_digits(last_text)) return whole;
  // A position beyond 2^63 is beyond any body: it is cut to the end like every other that is.
  auto const last =
      last_text.empty() ? UINT64_MAX : syntax::parse_digits(last_text).value_or(UINT64_MAX);
  if (first_text.empty()) {
    if (last_text.empty()) return whole;
    if (last == 0) return {.kind = Kind::unsatisfiable};
    auto const length = std::min(last, size);
    if (length == 0) return whole;
    return {.kind = Kind::part, .range = {.offset = size - length, .length = length}};
  }
  auto const first = syntax::parse_digits(first_text).value_or(UINT64_MAX);
  if (last < first) return whole;
  if (first >= size) return {.kind = Kind::unsatisfiable};
  return {.kind = Kind::part,
          .range = {.offset = first, .length = std::min(last, size - 1) - first + 1}};
}

std::optional<HttpContentRange> parse_http_content_range(std::string_view field) noexcept {
  auto const space = field.find(' ');
  if (space == std::string_view::npos ||
      !syntax::equal_ignoring_case(field.substr(0, space), "bytes"))
    return std::nullopt;
  auto const text = syntax::trim(field.substr(space));
  auto const dash = text.find('-');
  auto const slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash)
    return std::nullopt;
  auto const first = syntax::parse_digits(text.substr(0, dash));
  auto const last = syntax::parse_digits(text.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return std::nullopt;
  HttpContentRange range{.range = {.offset = *first, .length = *last - *first + 1},
                         .size = std::nullopt};
  if (text.substr(slash + 1) == "*") return range;
  range.size = syntax::parse_digits(text.substr(slash + 1));
  if (!range.size || *last >= *range.size) return std::nullopt;
  return range;
}

}  // namespace mutirao::wire
