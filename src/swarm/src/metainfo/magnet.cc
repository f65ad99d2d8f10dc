#include "mutirao/swarm/magnet.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"
#include "mutirao/swarm/metainfo.h"

namespace mutirao::swarm {
namespace {

constexpr std::string_view kScheme = "magnet:?";
constexpr std::string_view kV1Topic = "urn:btih:";
constexpr std::string_view kV2Topic = "urn:btmh:";
constexpr std::string_view kSha256Prefix = "1220";  // multihash: SHA-256, 32 bytes
constexpr std::size_t kTextBytesMax = 64 * 1024;
constexpr std::size_t kListMax = 64;
constexpr std::size_t kRangesMax = 4096;

std::string lower(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

bool is_printable(std::string_view text) {
  return base::is_utf8(text) &&
         std::ranges::none_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

/// Keeps the first of equal hashes, refuses a second one that differs.
template <class Digest>
Result<void> set_hash(std::optional<Digest>& hash, Bytes const& bytes, std::string_view kind) {
  Digest digest;
  std::ranges::copy(bytes, digest.begin());
  if (hash && *hash != digest)
    return fail(Fault::invalid, fmt::format("the magnet link has two different {} hashes", kind));
  hash = digest;
  return {};
}

Result<void> read_topic(std::string_view topic, InfoHash& hash) {
  std::string const kind = lower(topic.substr(0, kV1Topic.size()));
  std::string_view const value = topic.substr(std::min(topic.size(), kV1Topic.size()));
  if (kind == kV1Topic) {
    auto const bytes = value.size() == 32 ? base::from_base32(value) : base::from_hex(value);
    if (!bytes || bytes->size() != sizeof(Sha1Digest))
      return fail(Fault::invalid,
                  fmt::format("the v1 hash {} is neither 40 hex digits nor 32 of base32",
                              base::quoted(value)));
    return set_hash(hash.v1, *bytes, "v1");
  }
  if (kind == kV2Topic) {
    if (!value.starts_with(kSha256Prefix))
      return fail(
          Fault::unsupported,
          fmt::format("the v2 hash {} is not a SHA-256 multihash (1220...)", base::quoted(value)));
    auto const bytes = base::from_hex(value.substr(kSha256Prefix.size()));
    if (!bytes || bytes->size() != sizeof(Sha256Digest))
      return fail(Fault::invalid,
                  fmt::format("the v2 hash {} is not 1220 and 64 hex digits", base::quoted(value)));
    return set_hash(hash.v2, *bytes, "v2");
  }
  return {};  // another network's name for the same thing
}

std::optional<std::uint32_t> read_file_number(std::string_view text) {
  std::uint32_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number >= Metainfo::kFilesMax)
    return std::nullopt;
  return number;
}

/// BEP 53: "0,2,4,6-8".
Result<void> read_selection(std::string_view text,
                            std::vector<std::pair<std::uint32_t, std::uint32_t>>& ranges) {
  while (true) {
    std::size_t const comma = std::min(text.find(','), text.size());
    std::string_view const item = text.substr(0, comma);
    std::size_t const dash = std::min(item.find('-'), item.size());
    auto const first = read_file_number(item.substr(0, dash));
    auto const last = dash == item.size() ? first : read_file_number(item.substr(dash + 1));
    if (!first || !last || *first > *last)
      return fail(Fault::invalid,
                  fmt::format("'so' holds {}, which is no file number or range of them",
                              base::quoted(item)));
    if (ranges.size() == kRangesMax)
      return fail(Fault::exhausted, fmt::format("'so' holds more than {} ranges", kRangesMax));
    ranges.emplace_back(*first, *last);
    if (comma == text.size()) return {};
    text.remove_prefix(comma + 1);
  }
}

void add_url(std::vector<std::string>& urls, std::string url) {
  if (url.empty() || urls.size() == kListMax || !is_printable(url) ||
      std::ranges::find(urls, url) != urls.end())
    return;
  urls.push_back(std::move(url));
}

Result<void> read_parameter(std::string_view key, std::string value, Magnet& magnet) {
  if (key == "xt") return read_topic(value, magnet.info_hash);
  if (key == "so") return read_selection(value, magnet.selected_files);
  if (key == "tr")
    add_url(magnet.trackers, std::move(value));
  else if (key == "ws")
    add_url(magnet.web_seeds, std::move(value));
  else if (key == "dn" && magnet.name.empty() && is_printable(value))
    magnet.name = std::move(value);
  else if (key == "x.pe" && magnet.peers.size() < kListMax) {
    if (auto const peer = world::Endpoint::parse(value); peer && peer->port != 0)
      magnet.peers.push_back(*peer);
  }
  return {};
}

/// "tr.1" is "tr": some programs number what is repeated.
std::string parameter_name(std::string_view key) {
  std::size_t const dot = key.rfind('.');
  bool const numbered =
      dot != key.npos && dot + 1 < key.size() &&
      std::ranges::all_of(key.substr(dot + 1), [](char c) { return c >= '0' && c <= '9'; });
  return lower(numbered ? key.substr(0, dot) : key);
}

}  // namespace

Result<Magnet> Magnet::parse(std::string_view text) {
  if (text.size() > kTextBytesMax)
    return fail(Fault::exhausted,
                fmt::format("the magnet link has {} bytes; at most {} are accepted", text.size(),
                            kTextBytesMax));
  if (lower(text.substr(0, kScheme.size())) != kScheme)
    return fail(Fault::invalid, fmt::format("{} is not a magnet link", base::quoted(text)),
                "a magnet link begins with magnet:?xt=");
  Magnet magnet;
  text.remove_prefix(kScheme.size());
  while (!text.empty()) {
    std::size_t const end = std::min(text.find('&'), text.size());
    std::string_view const parameter = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::size_t const equals = parameter.find('=');
    if (equals == parameter.npos) continue;
    std::string const key = parameter_name(parameter.substr(0, equals));
    std::string raw{parameter.substr(equals + 1)};
    if (key == "dn") std::ranges::replace(raw, '+', ' ');  // as web forms write a space
    auto value = base::percent_decode(raw);
    if (!value)
      return fail(Fault::invalid,
                  fmt::format("the magnet link's {} has a broken escape", base::quoted(key)));
    MUT_TRY(read_parameter(key, *std::move(value), magnet));
  }
  if (!magnet.info_hash.v1 && !magnet.info_hash.v2)
    return fail(Fault::invalid, "the magnet link names no torrent",
                "it needs xt=urn:btih:... or xt=urn:btmh:1220...");
  return magnet;
}

std::string Magnet::to_string() const {
  std::string text{kScheme};
  auto const add = [&](std::string_view key, std::string_view value) {
    if (text.size() > kScheme.size()) text += '&';
    text += key;
    text += '=';
    text += value;
  };
  if (info_hash.v1) add("xt", fmt::format("{}{}", kV1Topic, base::to_hex(*info_hash.v1)));
  if (info_hash.v2)
    add("xt", fmt::format("{}{}{}", kV2Topic, kSha256Prefix, base::to_hex(*info_hash.v2)));
  if (!name.empty()) add("dn", base::percent_encode(base::view_of(name)));
  for (std::string const& url : trackers) add("tr", base::percent_encode(base::view_of(url)));
  for (std::string const& url : web_seeds) add("ws", base::percent_encode(base::view_of(url)));
  for (world::Endpoint const& peer : peers) add("x.pe", peer.to_string());
  std::string selection;
  for (auto const& [first, last] : selected_files) {
    if (!selection.empty()) selection += ',';
    selection += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
  }
  if (!selection.empty()) add("so", selection);
  return text;
}

std::string Metainfo::to_magnet() const {
  Magnet magnet{.info_hash = info_hash(),
                .name = name(),
                .trackers = {},
                .web_seeds = {},
                .peers = {},
                .selected_files = {}};
  for (auto const& tier : tracker_tiers())
    for (std::string const& url : tier)
      if (magnet.trackers.size() < kListMax) magnet.trackers.push_back(url);
  for (std::string const& url : web_seeds())
    if (magnet.web_seeds.size() < kListMax) magnet.web_seeds.push_back(url);
  return magnet.to_string();
}

}  // namespace mutirao::swarm
