#include "site/site_torrent.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "mutirao/swarm/magnet.h"
#include "mutirao/wire/bencode.h"
#include "mutirao/world/address.h"

namespace mutirao::swarm {
namespace {

constexpr std::size_t kHostBytesMax = 255;
constexpr std::size_t kMagnetTrackersMax = 16;

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax || host.starts_with('-') || host.starts_with('.'))
    return false;
  return std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

Result<SiteOrigin> from_authority(std::string_view scheme, std::string_view authority) {
  auto const refuse = [] { return fail(Fault::invalid, "the Host field names no host"); };
  auto host = authority;
  std::string_view port;
  auto const colon = authority.rfind(':');
  if (colon != std::string_view::npos && !authority.ends_with(']')) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  bool const bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) {
    auto const address = world::IpAddress::parse(host.substr(1, host.size() - 2));
    if (!address || address->is_v4()) return refuse();
  } else if (!is_host_name(host)) {
    return refuse();
  }
  if (port.empty()) port = scheme == "https" ? "443" : "80";
  std::uint16_t number = 0;
  auto const [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number == 0) return refuse();
  return SiteOrigin{fmt::format("{}://{}", scheme, authority), fmt::format("{}:{}", host, number)};
}

bool keeps_its_trackers(Metainfo const& metainfo) {
  return metainfo.is_private() && !metainfo.tracker_tiers().empty();
}

std::vector<std::string> our_trackers(SiteOrigin const& origin) {
  return {origin.url + "/announce", fmt::format("udp://{}/announce", origin.authority)};
}

std::string our_web_seed(std::string const& id, SiteOrigin const& origin) {
  return fmt::format("{}/files/{}/", origin.url, id);
}

std::vector<std::vector<std::string>> tiers_with_ours(Metainfo const& metainfo,
                                                      SiteOrigin const& origin) {
  if (keeps_its_trackers(metainfo)) return metainfo.tracker_tiers();
  auto const ours = our_trackers(origin);
  std::vector<std::vector<std::string>> tiers{ours};
  for (auto const& tier : metainfo.tracker_tiers()) {
    std::vector<std::string> others;
    std::ranges::copy_if(tier, std::back_inserter(others), [&](auto const& url) {
      return std::ranges::find(ours, url) == ours.end();
    });
    if (!others.empty()) tiers.push_back(std::move(others));
  }
  return tiers;
}

std::vector<std::string> web_seeds_with_ours(Metainfo const& metainfo, std::string const& id,
                                             SiteOrigin const& origin) {
  std::vector<std::string> seeds{our_web_seed(id, origin)};
  for (auto const& url : metainfo.web_seeds())
    if (std::ranges::find(seeds, url) == seeds.end()) seeds.push_back(url);
  return seeds;
}

Bytes encode_tiers(std::vector<std::vector<std::string>> const& tiers) {
  wire::BencodeWriter writer;
  writer.begin_list();
  for (auto const& tier : tiers) {
    writer.begin_list();
    for (auto const& url : tier) writer.string(url);
    writer.end();
  }
  writer.end();
  return std::move(writer).finish();
}

Bytes encode_list(std::vector<std::string> const& list) {
  wire::BencodeWriter writer;
  writer.begin_list();
  for (auto const& text : list) writer.string(text);
  writer.end();
  return std::move(writer).finish();
}

Bytes encode_string(std::string_view text) {
  wire::BencodeWriter writer;
  writer.string(text);
  return std::move(writer).finish();
}

}  // namespace

Result<SiteOrigin> site_origin(std::string_view base_url, std::string_view host_field) {
  if (base_url.empty()) return from_authority("http", host_field);
  while (base_url.ends_with('/')) base_url.remove_suffix(1);
  auto const separator = base_url.find("://");
  if (separator == std::string_view::npos)
    return fail(Fault::invalid, "the base URL has no scheme");
  return from_authority(base_url.substr(0, separator), base_url.substr(separator + 3));
}

Result<Bytes> torrent_with_origin(Metainfo const& metainfo, std::string const& id,
                                  SiteOrigin const& origin) {
  auto const original = metainfo.to_torrent();
  wire::BencodeLimits const limits{.bytes_max = original.size() + 1, .sorted_keys = false};
  auto const document = MUT_TRY(wire::BencodeDocument::decode(original, limits));
  std::map<std::string, Bytes, std::less<>> entries;  // sorted, as bencode wants it
  for (auto const& [key, value] : document.root()) {
    auto const encoded = value.encoded();
    entries[std::string{key}] = Bytes{encoded.begin(), encoded.end()};
  }
  auto const tiers = tiers_with_ours(metainfo, origin);
  entries["announce"] = encode_string(tiers.front().front());
  entries["announce-list"] = encode_tiers(tiers);
  entries["url-list"] = encode_list(web_seeds_with_ours(metainfo, id, origin));
  wire::BencodeWriter writer;
  writer.begin_dictionary();
  for (auto const& [key, value] : entries) writer.key(key).raw(value);
  writer.end();
  return std::move(writer).finish();
}

std::string magnet_with_origin(Metainfo const& metainfo, std::string const& id,
                               SiteOrigin const& origin) {
  Magnet magnet;
  magnet.info_hash = metainfo.info_hash();
  magnet.name = metainfo.name();
  for (auto const& tier : tiers_with_ours(metainfo, origin))
    for (auto const& url : tier)
      if (magnet.trackers.size() < kMagnetTrackersMax) magnet.trackers.push_back(url);
  magnet.web_seeds = {our_web_seed(id, origin)};
  return magnet.to_string();
}

}  // namespace mutirao::swarm
