#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "mutirao/wire/http.h"

#include "http_syntax.h"

namespace mutirao::wire {
namespace {

constexpr std::size_t kUrlBytesMax = 8 << 10;
constexpr std::size_t kHostBytesMax = 253;  // RFC 1035 §2.3.4, as text

/// What may stand in a path or query as it is (RFC 3986 §3.3, §3.4), "%" and "[]" included.
constexpr syntax::Table kPathOrQuery = syntax::make_table([](unsigned byte) {
  return byte < 128 && (syntax::is_digit(byte) || syntax::is_alpha(byte) ||
                        std::string_view{"-._~!$&'()*+,;=:@/?%[]"}.find(static_cast<char>(byte)) !=
                            std::string_view::npos);
});

std::unexpected<Error> broken(std::string_view text, std::string_view why, std::string mend = {}) {
  std::string shown{text.substr(0, 100)};
  std::ranges::replace_if(
      shown, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return fail(Fault::invalid, fmt::format("URL \"{}\": {}", shown, why), std::move(mend));
}

std::string lower_case(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), syntax::lower);
  return out;
}

/// RFC 3986 §5.2.4, on a path that starts with "/".
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    auto const next = std::min(path.find('/', 1), path.size());
    auto const segment = path.substr(0, next);
    bool const last = next == path.size();
    path.remove_prefix(next);
    if (segment == "/.") {
      if (last) out += '/';
    } else if (segment == "/..") {
      auto const parent = out.rfind('/');
      out.resize(parent == std::string::npos ? 0 : parent);
      if (last) out += '/';
    } else {
      out += segment;
    }
  }
  return out.empty() ? "/" : out;
}

/// A path and query as it goes on the wire.
Result<std::string> normal_target(std::string_view text, std::string_view url) {
  auto const query = std::min(text.find('?'), text.size());
  auto raw = text.starts_with('/') ? remove_dot_segments(text.substr(0, query)) : std::string{"/"};
  raw += text.substr(query);
  std::string out;
  out.reserve(raw.size());
  for (std::size_t at = 0; at < raw.size(); ++at) {
    auto const byte = static_cast<std::uint8_t>(raw[at]);
    if (byte < 0x20 || byte == 0x7f) return broken(url, "a control character", "percent-encode it");
    if (byte == '%' &&
        (at + 2 >= raw.size() || !syntax::is_hex(static_cast<std::uint8_t>(raw[at + 1])) ||
         !syntax::is_hex(static_cast<std::uint8_t>(raw[at + 2]))))
      return broken(url, "a broken percent escape", "write % itself as %25");
    if (kPathOrQuery[byte]) {
      out += raw[at];
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  if (out.size() > kUrlBytesMax)
    return broken(url, fmt::format("longer than {} bytes", kUrlBytesMax));
  return out;
}

Result<std::uint16_t> parse_port(std::string_view text, std::uint16_t usual, std::string_view url) {
  if (text.empty()) return usual;
  std::uint16_t port = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0)
    return broken(url, fmt::format("no port: \"{}\"", text.substr(0, 20)),
                  "a port is a number from 1 to 65535");
  return port;
}

bool is_plain_host(std::string_view host) {
  return std::ranges::all_of(host, [](char c) {
    auto const byte = static_cast<std::uint8_t>(c);
    return syntax::is_digit(byte) || (byte < 128 && syntax::is_alpha(byte)) || c == '-' ||
           c == '.' || c == '_';
  });
}

bool is_v6_text(std::string_view host) {
  return host.contains(':') && std::ranges::all_of(host, [](char c) {
           return syntax::is_hex(static_cast<std::uint8_t>(c)) || c == ':' || c == '.';
         });
}

Result<void> parse_authority(std::string_view authority, std::string_view text, Url& url) {
  if (authority.contains('@'))
    return broken(text, "a user name in it", "give the address without user and password");
  std::string_view host = authority;
  std::string_view port;
  if (authority.starts_with('[')) {
    auto const close = authority.find(']');
    if (close == std::string_view::npos) return broken(text, "an address without closing bracket");
    host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (!is_v6_text(host)) return broken(text, "no IPv6 address in the brackets");
    if (!port.empty() && port.front() != ':')
      return broken(text, "something between address and port");
  } else {
    auto const colon = std::min(authority.find(':'), authority.size());
    host = authority.substr(0, colon);
    port = authority.substr(colon);
    if (!is_plain_host(host))
      return broken(text, "a host name with a forbidden character",
                    "write international names in their xn-- form");
  }
  if (host.empty()) return broken(text, "no host");
  if (host.size() > kHostBytesMax)
    return broken(text, fmt::format("a host name of more than {} bytes", kHostBytesMax));
  url.host = lower_case(host);
  url.port = MUT_TRY(
      parse_port(port.empty() ? port : port.substr(1), url.scheme == "https" ? 443 : 80, text));
  return {};
}

/// The scheme that an absolute reference starts with.
std::optional<std::string_view> scheme_of(std::string_view text) {
  auto const end = text.find_first_of(":/?#");
  if (end == std::string_view::npos || end == 0 || text[end] != ':') return std::nullopt;
  auto const scheme = text.substr(0, end);
  if (!syntax::is_alpha(static_cast<std::uint8_t>(scheme[0])) ||
      static_cast<std::uint8_t>(scheme[0]) >= 128)
    return std::nullopt;
  for (char const c : scheme) {
    auto const byte = static_cast<std::uint8_t>(c);
    if (byte >= 128 ||
        !(syntax::is_alpha(byte) || syntax::is_digit(byte) || c == '+' || c == '-' || c == '.'))
      return std::nullopt;
  }
  return scheme;
}

std::string_view without_fragment(std::string_view text) { return text.substr(0, text.find('#')); }

/// application/x-www-form-urlencoded, which is what browsers make of a form.
std::optional<std::string> decode_form(std::string_view text) {
  std::string spaced{text};
  std::ranges::replace(spaced, '+', ' ');
  return base::percent_decode(spaced);
}

}  // namespace

Result<Url> Url::parse(std::string_view whole) {
  if (whole.size() > kUrlBytesMax)
    return broken(whole, fmt::format("longer than {} bytes", kUrlBytesMax));
  auto const text = without_fragment(whole);
  auto const scheme = scheme_of(text);
  if (!scheme) return broken(whole, "no scheme", "start it with http:// or https://");
  Url url;
  url.scheme = lower_case(*scheme);
  if (url.scheme != "http" && url.scheme != "https")
    return fail(Fault::unsupported, fmt::format("URL scheme \"{}\"", url.scheme.substr(0, 20)),
                "use http or https");
  auto rest = text.substr(scheme->size() + 1);
  if (!rest.starts_with("//")) return broken(whole, "no // after the scheme");
  rest.remove_prefix(2);
  auto const end = std::min(rest.find_first_of("/?"), rest.size());
  MUT_TRY(parse_authority(rest.substr(0, end), whole, url));
  url.target = MUT_TRY(normal_target(rest.substr(end), whole));
  return url;
}

Result<Url> Url::resolve(std::string_view whole) const {
  if (whole.size() > kUrlBytesMax)
    return broken(whole, fmt::format("longer than {} bytes", kUrlBytesMax));
  if (scheme_of(whole)) return parse(whole);
  auto const reference = without_fragment(whole);
  if (reference.starts_with("//")) return parse(fmt::format("{}:{}", scheme, reference));
  Url url = *this;
  if (reference.empty()) return url;
  auto const path = std::string_view{target}.substr(0, target.find('?'));
  if (reference.starts_with('/')) {
    url.target = MUT_TRY(normal_target(reference, whole));
  } else if (reference.starts_with('?')) {
    url.target = MUT_TRY(normal_target(fmt::format("{}{}", path, reference), whole));
  } else {
    auto const folder = path.substr(0, path.rfind('/') + 1);
    url.target = MUT_TRY(normal_target(fmt::format("{}{}", folder, reference), whole));
  }
  return url;
}

std::string Url::to_string() const {
  auto const usual_port = scheme == "https" ? 443 : 80;
  auto const v6 = host.contains(':');
  return fmt::format("{}://{}{}{}{}{}", scheme, v6 ? "[" : "", host, v6 ? "]" : "",
                     port == usual_port ? std::string{} : fmt::format(":{}", port), target);
}

Result<HttpTarget> HttpTarget::parse(std::string_view text) {
  HttpTarget target;
  if (text == "*") {
    target.path = "*";
    return target;
  }
  if (!text.starts_with('/')) {
    auto const authority = text.find("://");
    if (!scheme_of(text) || authority == std::string_view::npos)
      return fail(Fault::corrupt, "http: a request target that is no path", "start it with /");
    text.remove_prefix(std::min(text.find_first_of("/?", authority + 3), text.size()));
  }
  auto const question = std::min(text.find('?'), text.size());
  auto path = base::percent_decode(text.substr(0, question));
  if (!path)
    return fail(Fault::corrupt, "http: a broken percent escape in the path",
                "write % itself as %25");
  if (path->contains('\0')) return fail(Fault::corrupt, "http: a NUL in the path");
  target.path = path->empty() ? "/" : *std::move(path);
  auto rest = text.substr(std::min(question + 1, text.size()));
  while (!rest.empty()) {
    auto const end = std::min(rest.find('&'), rest.size());
    auto const pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty()) continue;
    auto const equals = std::min(pair.find('='), pair.size());
    auto key = decode_form(pair.substr(0, equals));
    auto value = decode_form(pair.substr(std::min(equals + 1, pair.size())));
    if (!key || !value)
      return fail(Fault::corrupt, "http: a broken percent escape in the query",
                  "write % itself as %25");
    target.query.emplace_back(*std::move(key), *std::move(value));
  }
  return target;
}

std::optional<std::string_view> HttpTarget::find(std::string_view key) const noexcept {
  for (auto const& [name, value] : query)
    if (name == key) return value;
  return std::nullopt;
}

}  // namespace mutirao::wire
