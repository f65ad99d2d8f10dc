#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "mutirao/wire/http.h"

#include "http_syntax.h"

namespace mutirao::wire {
namespace {

using base::text_of;

/// Text from outside on its way to a person: short, and without control characters.
std::string shown(std::string_view text) {
  std::string out{text.substr(0, 40)};
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  return out;
}

/// Cuts the next line off `rest`. http_head_size has seen that each one ends in CR LF.
std::string_view take_line(std::string_view& rest) {
  auto const end = rest.find("\r\n");
  auto const line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  return line;
}

/// 1 for "HTTP/1.1".
Result<int> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return 1;
  if (text == "HTTP/1.0") return 0;
  if (text.size() == 8 && text.starts_with("HTTP/") &&
      syntax::is_digit(static_cast<std::uint8_t>(text[5])) && text[6] == '.' &&
      syntax::is_digit(static_cast<std::uint8_t>(text[7])))
    return fail(Fault::unsupported, fmt::format("http: version {}", text), "speak HTTP/1.1");
  return broken_http(fmt::format("no HTTP version: \"{}\"", shown(text)));
}

Result<void> parse_field(std::string_view line, HttpFields& fields) {
  if (line.front() == ' ' || line.front() == '\t') return broken_http("a folded field line");
  auto const colon = line.find(':');
  if (colon == std::string_view::npos)
    return broken_http(fmt::format("a field line without colon: \"{}\"", shown(line)));
  auto const name = line.substr(0, colon);
  if (!syntax::is_token(name))
    return broken_http(fmt::format("a field name with a forbidden byte: \"{}\"", shown(name)));
  auto const value = syntax::trim(line.substr(colon + 1));
  if (!syntax::all_of(value, syntax::kValue))
    return broken_http(fmt::format("a control character in field {}", shown(name)));
  fields.add(std::string{name}, std::string{value});
  return {};
}

Result<void> parse_fields(std::string_view rest, HttpFields& fields, HttpLimits const& limits) {
  while (true) {
    auto const line = take_line(rest);
    if (line.empty()) break;
    if (fields.size() >= limits.fields_max)
      return fail(Fault::exhausted, fmt::format("http: more than {} fields", limits.fields_max));
    MUT_TRY(parse_field(line, fields));
  }
  if (!rest.empty()) return broken_http("bytes after the end of the head");
  return {};
}

/// RFC 9112 §3.2: the servers on the way must agree on whom the request is for.
Result<void> check_host(HttpRequestHead const& head) {
  auto const hosts = std::ranges::count_if(head.fields, [](auto const& field) {
    return syntax::equal_ignoring_case(field.name, "Host");
  });
  if (hosts > 1) return broken_http("more than one Host");
  if (hosts == 0 && head.minor_version > 0) return broken_http("no Host");
  return {};
}

/// `head` as lines, when it is what http_head_size measures.
Result<std::string_view> checked_text(ByteView head, HttpLimits const& limits) {
  auto const size = MUT_TRY(http_head_size(head, limits));
  if (size != head.size()) return broken_http("not exactly one head");
  return text_of(head);
}

Result<void> check_fields(HttpFields const& fields) {
  for (auto const& [name, value] : fields) {
    if (!syntax::is_token(name))
      return fail(Fault::invalid,
                  fmt::format("http: can't send a field named \"{}\"", shown(name)));
    if (!syntax::all_of(value, syntax::kValue))
      return fail(Fault::invalid,
                  fmt::format("http: can't send a control character in field {}", name));
  }
  return {};
}

void append_fields(std::string& out, HttpFields const& fields) {
  for (auto const& [name, value] : fields) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  out += "\r\n";
}

}  // namespace

void HttpFields::remove(std::string_view name) {
  std::erase_if(fields_,
                [&](Field const& field) { return syntax::equal_ignoring_case(field.name, name); });
}

void HttpFields::set(std::string_view name, std::string value) {
  remove(name);
  add(std::string{name}, std::move(value));
}

std::optional<std::string_view> HttpFields::find(std::string_view name) const noexcept {
  for (auto const& field : fields_)
    if (syntax::equal_ignoring_case(field.name, name)) return field.value;
  return std::nullopt;
}

bool HttpFields::contains_token(std::string_view name, std::string_view token) const noexcept {
  for (auto const& field : fields_) {
    if (!syntax::equal_ignoring_case(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      auto const comma = std::min(rest.find(','), rest.size());
      if (syntax::equal_ignoring_case(syntax::trim(rest.substr(0, comma)), token)) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}

Result<std::optional<std::size_t>> http_head_size(ByteView input, HttpLimits const& limits) {
  auto const all = text_of(input);
  auto const text = all.substr(0, limits.head_bytes_max);
  for (std::size_t start = 0; start < text.size();) {
    auto const lf = text.find('\n', start);
    auto const line = text.substr(start, lf == std::string_view::npos ? lf : lf + 1 - start);
    // A CR may only be the byte before the LF, or the last one that has arrived.
    auto const cr = line.find('\r');
    if (lf == std::string_view::npos) {
      if (cr != std::string_view::npos && cr + 1 < line.size())
        return broken_http("a bare CR in the head");
      break;
    }
    if (cr == std::string_view::npos) return broken_http("a bare LF in the head");
    if (cr + 2 != line.size()) return broken_http("a bare CR in the head");
    start = lf + 1;
    if (line.size() > 2) continue;
    if (start == 2) return broken_http("an empty line where the head should start");
    return std::optional{start};
  }
  if (all.size() >= limits.head_bytes_max)
    return fail(Fault::exhausted,
                fmt::format("http: a head of more than {} bytes", limits.head_bytes_max));
  return std::optional<std::size_t>{};
}

Result<HttpRequestHead> parse_http_request(ByteView bytes, HttpLimits const& limits) {
  auto rest = MUT_TRY(checked_text(bytes, limits));
  auto const line = take_line(rest);
  auto const first = line.find(' ');
  auto const last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return broken_http(fmt::format("no request line: \"{}\"", shown(line)));
  auto const method = line.substr(0, first);
  auto const target = line.substr(first + 1, last - first - 1);
  if (!syntax::is_token(method))
    return broken_http(fmt::format("no method: \"{}\"", shown(method)));
  if (target.empty() || !syntax::all_of(target, syntax::kTarget))
    return broken_http(
        fmt::format("a request target with a forbidden byte: \"{}\"", shown(target)));
  if (target.size() > limits.target_bytes_max)
    return fail(Fault::exhausted, fmt::format("http: a request target of more than {} bytes",
                                              limits.target_bytes_max));
  HttpRequestHead head;
  head.minor_version = MUT_TRY(parse_version(line.substr(last + 1)));
  head.method = method;
  head.target = target;
  MUT_TRY(parse_fields(rest, head.fields, limits));
  MUT_TRY(check_host(head));
  return head;
}

Result<HttpResponseHead> parse_http_response(ByteView bytes, HttpLimits const& limits) {
  auto rest = MUT_TRY(checked_text(bytes, limits));
  auto const line = take_line(rest);
  if (line.size() < 12 || line[8] != ' ')
    return broken_http(fmt::format("no status line: \"{}\"", shown(line)));
  HttpResponseHead head;
  head.minor_version = MUT_TRY(parse_version(line.substr(0, 8)));
  auto const status = syntax::parse_digits(line.substr(9, 3));
  if (!status || *status < 100 || *status > 599)
    return broken_http(fmt::format("no status: \"{}\"", shown(line)));
  head.status = static_cast<int>(*status);
  // Servers in use leave out the space before an empty reason; nothing can be mistaken by it.
  if (line.size() > 12 && line[12] != ' ')
    return broken_http(fmt::format("no status line: \"{}\"", shown(line)));
  auto const reason = line.substr(std::min<std::size_t>(line.size(), 13));
  if (!syntax::all_of(reason, syntax::kValue))
    return broken_http("a control character in the reason");
  head.reason = reason;
  MUT_TRY(parse_fields(rest, head.fields, limits));
  return head;
}

Result<std::string> write_http_request(HttpRequestHead const& head) {
  if (!syntax::is_token(head.method))
    return fail(Fault::invalid, fmt::format("http: no method: \"{}\"", shown(head.method)));
  if (head.target.empty() || !syntax::all_of(head.target, syntax::kTarget))
    return fail(Fault::invalid, fmt::format("http: can't ask for \"{}\"", shown(head.target)),
                "percent-encode the target");
  MUT_TRY(check_fields(head.fields));
  auto out = fmt::format("{} {} HTTP/1.{}\r\n", head.method, head.target, head.minor_version);
  append_fields(out, head.fields);
  return out;
}

Result<std::string> write_http_response(HttpResponseHead const& head) {
  if (head.status < 100 || head.status > 599)
    return fail(Fault::invalid, fmt::format("http: no status: {}", head.status));
  if (!syntax::all_of(head.reason, syntax::kValue))
    return fail(Fault::invalid, "http: can't send a control character in the reason");
  MUT_TRY(check_fields(head.fields));
  auto out = fmt::format("HTTP/1.{} {} {}\r\n", head.minor_version, head.status, head.reason);
  append_fields(out, head.fields);
  return out;
}

std::string_view http_reason(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return {};
  }
}

}  // namespace mutirao::wire
