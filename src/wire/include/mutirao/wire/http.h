#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

/// HTTP/1.1 messages (RFC 9110, RFC 9112).
///
/// Two programs that repair the same broken message differently can be played against each other
/// (request smuggling). This parser repairs nothing: bare LF, obsolete folding, space before a colon,
/// control characters, repeated or conflicting Content-Length, Content-Length beside
/// Transfer-Encoding, unknown transfer codings and anything beyond the limits are refused.
namespace mutirao::wire {

struct HttpLimits {
  std::size_t head_bytes_max = 32 << 10;
  std::size_t fields_max = 128;
  std::size_t target_bytes_max = 8 << 10;
};

/// Field names compare without case; order and repetition are kept.
class HttpFields {
 public:
  struct Field {
    std::string name;
    std::string value;
  };
  void add(std::string name, std::string value) { fields_.push_back({std::move(name), std::move(value)}); }
  /// Replaces every field of that name.
  void set(std::string_view name, std::string value);
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  /// True when a comma-separated field such as Connection contains the token, without case.
  [[nodiscard]] bool contains_token(std::string_view name, std::string_view token) const noexcept;
  [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] auto end() const noexcept { return fields_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }

 private:
  std::vector<Field> fields_;
};

struct HttpRequestHead {
  std::string method;
  std::string target;  ///< as on the wire, percent-encoded
  int minor_version = 1;
  HttpFields fields;
};

struct HttpResponseHead {
  int status = 200;
  std::string reason;
  int minor_version = 1;
  HttpFields fields;
};

/// How the end of a body is found (RFC 9112 §6).
struct HttpFraming {
  enum class Kind : std::uint8_t { none, length, chunked, until_close } kind = Kind::none;
  std::uint64_t length = 0;
};

/// Bytes of the head at the start of `input`, its empty line included; empty while more is needed.
/// Fails when the limit is passed without an end, or a bare CR or LF shows up.
[[nodiscard]] Result<std::optional<std::size_t>> http_head_size(ByteView input, HttpLimits const& limits = {});

/// `head` is exactly what http_head_size measured.
[[nodiscard]] Result<HttpRequestHead> parse_http_request(ByteView head, HttpLimits const& limits = {});
[[nodiscard]] Result<HttpResponseHead> parse_http_response(ByteView head, HttpLimits const& limits = {});
[[nodiscard]] Result<HttpFraming> http_request_framing(HttpRequestHead const& head);
[[nodiscard]] Result<HttpFraming> http_response_framing(HttpResponseHead const& head, std::string_view method);

/// Refuses names and values that would not survive the way (CR, LF, NUL): header injection stops here.
[[nodiscard]] Result<std::string> write_http_request(HttpRequestHead const& head);
[[nodiscard]] Result<std::string> write_http_response(HttpResponseHead const& head);

/// The chunked coding (RFC 9112 §7.1), incrementally. Extensions are skipped, trailers dropped, both
/// within limits.
class HttpChunkedDecoder {
 public:
  struct Step {
    std::size_t consumed;  ///< bytes of the input that are used up
    ByteView content;      ///< a run of body bytes inside that input; may be empty
    bool finished;         ///< the last chunk and its trailers were consumed
  };
  /// Consumes up to one run of content. Call again with the rest while consumed > 0.
  [[nodiscard]] Result<Step> feed(ByteView input);

 private:
  enum class State : std::uint8_t { size, extension, size_lf, content, content_cr, content_lf, trailer, trailer_line, trailer_lf, end_lf, done } state_ = State::size;
  std::uint64_t left_ = 0;
  std::size_t line_bytes_ = 0;
  bool any_digit_ = false;
};

/// "bytes=0-499", "bytes=500-", "bytes=-500" against a body of `size` bytes (RFC 9110 §14). One range
/// only: several give an empty optional, so that the whole body is sent, as the standard allows.
struct HttpRange {
  std::uint64_t offset;
  std::uint64_t length;
};
struct HttpRangeAnswer {
  enum class Kind : std::uint8_t { whole, part, unsatisfiable } kind = Kind::whole;
  HttpRange range{};
};
[[nodiscard]] HttpRangeAnswer parse_http_range(std::string_view field, std::uint64_t size) noexcept;

/// "bytes 0-499/1234" of a 206 answer.
struct HttpContentRange {
  HttpRange range;
  std::optional<std::uint64_t> size;
};
[[nodiscard]] std::optional<HttpContentRange> parse_http_content_range(std::string_view field) noexcept;

/// An absolute http or https URL, split; user names in URLs are refused.
struct Url {
  std::string scheme;  ///< lower case
  std::string host;    ///< without brackets, lower case
  std::uint16_t port = 0;
  std::string target;  ///< path and query, percent-encoded, at least "/"
  [[nodiscard]] static Result<Url> parse(std::string_view text);
  /// A Location or relative reference seen from this URL (RFC 3986 §5).
  [[nodiscard]] Result<Url> resolve(std::string_view reference) const;
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(Url const&, Url const&) = default;
};

/// The path and the decoded query of a request target, in order, repeated keys kept.
struct HttpTarget {
  std::string path;  ///< decoded; refuses NUL
  std::vector<std::pair<std::string, std::string>> query;
  [[nodiscard]] static Result<HttpTarget> parse(std::string_view target);
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const noexcept;
};

}  // namespace mutirao::wire
