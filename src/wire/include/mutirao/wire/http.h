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
/// (request smuggling). This parser repairs nothing: bare LF, obsolete folding, space before a
/// colon, control characters, a missing or repeated Host, repeated or conflicting Content-Length,
/// Content-Length beside Transfer-Encoding, unknown transfer codings and anything beyond the limits
/// are refused.
///
/// Faults: corrupt for broken syntax, exhausted for a limit, unsupported for other versions,
/// codings and schemes, invalid for what our own side asked to write.
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
  void add(std::string name, std::string value) {
    fields_.push_back({std::move(name), std::move(value)});
  }
  /// Replaces every field of that name.
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
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
  std::string method{};
  std::string target{};  ///< as on the wire, percent-encoded
  int minor_version = 1;
  HttpFields fields{};
};

struct HttpResponseHead {
  int status = 200;
  std::string reason{};
  int minor_version = 1;
  HttpFields fields{};
};

/// How the end of a body is found (RFC 9112 §6).
struct HttpFraming {
  enum class Kind : std::uint8_t { none, length, chunked, until_close } kind = Kind::none;
  std::uint64_t length = 0;
};

/// Bytes of the head at the start of `input`, its empty line included; empty while more is needed.
/// Fails when the limit is passed without an end, or a bare CR or LF shows up.
[[nodiscard]] Result<std::optional<std::size_t>> http_head_size(ByteView input,
                                                                HttpLimits const& limits = {});

/// `head` is exactly what http_head_size measured.
[[nodiscard]] Result<HttpRequestHead> parse_http_request(ByteView head,
                                                         HttpLimits const& limits = {});
[[nodiscard]] Result<HttpResponseHead> parse_http_response(ByteView head,
                                                           HttpLimits const& limits = {});
[[nodiscard]] Result<HttpFraming> http_request_framing(HttpRequestHead const& head);
[[nodiscard]] Result<HttpFraming> http_response_framing(HttpResponseHead const& head,
                                                        std::string_view method);

/// The usual phrase of a status: "Not Found"; empty for an unknown one.
[[nodiscard]] std::string_view http_reason(int status) noexcept;

/// Refuses names and values that would not survive the way (CR, LF, NUL): header injection stops
/// here.
[[nodiscard]] Result<std::string> write_http_request(HttpRequestHead const& head);
[[nodiscard]] Result<std::string> write_http_response(HttpResponseHead const& head);

/// The chunked coding (RFC 9112 §7.1), incrementally. Extensions are skipped, trailers dropped,
/// both within limits.
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
  enum class State : std::uint8_t {
    size,
    extension,
    size_lf,
    content,
    content_cr,
    content_lf,
    trailer,
    trailer_name,
    trailer_value,
    trailer_lf,
    end_lf,
    done
  };
  Result<void> take(std::uint8_t byte);
  Result<void> take_size_byte(std::uint8_t byte);
  Result<void> take_trailer_byte(std::uint8_t byte);
  Result<void> count_overhead();

  State state_ = State::size;
  std::uint64_t left_ = 0;       // of the chunk
  std::size_t size_digits_ = 0;  // of the size line so far
  std::size_t overhead_ = 0;     // extension and trailer bytes of the whole body
};

/// One run of content encoded as a chunk starts with this; CR LF follows the content. Never for an
/// empty run, which would be the end.
[[nodiscard]] std::string http_chunk_head(std::uint64_t size);
inline constexpr std::string_view kHttpLastChunk = "0\r\n\r\n";

/// "bytes=0-499", "bytes=500-", "bytes=-500" against a body of `size` bytes (RFC 9110 §14). One
/// range only: several, and what makes no sense, give the whole body, as the standard allows.
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
[[nodiscard]] std::optional<HttpContentRange> parse_http_content_range(
    std::string_view field) noexcept;

/// An absolute http or https URL, split and normalised: dot segments are removed, spaces and bytes
/// beyond ASCII percent-encoded (torrents hold such URLs), the fragment dropped. Refused are user
/// names, control characters, broken escapes, other schemes, and hosts that are neither a plain
/// name nor an address.
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

/// The path and the decoded query of a request target ("/p?q", "http://host/p?q" or "*"), in order,
/// repeated keys kept. In the query "+" is a space, as browsers send forms.
struct HttpTarget {
  std::string path;  ///< decoded; refuses NUL
  std::vector<std::pair<std::string, std::string>> query;
  [[nodiscard]] static Result<HttpTarget> parse(std::string_view target);
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const noexcept;
};

}  // namespace mutirao::wire
