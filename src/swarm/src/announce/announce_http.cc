#include "announce/announce_http.h"

#include <limits>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/wire/bencode.h"

#include "announce/announce_parts.h"

namespace mutirao::swarm {
namespace {

// A peer in the long form is three strings, a number and its dictionary: room for kAnswerPeersMax
// of them. Trackers in the wild do not always sort their keys.
constexpr wire::BencodeLimits kAnswerLimits{.bytes_max = 1 << 20,
                                            .tokens_max = 16'384,
                                            .depth_max = 8,
                                            .sorted_keys = false,
                                            .allow_rest = false};

std::string_view event_name(AnnounceEvent event) {
  switch (event) {
    case AnnounceEvent::none:
      return "";
    case AnnounceEvent::completed:
      return "completed";
    case AnnounceEvent::started:
      return "started";
    case AnnounceEvent::stopped:
      return "stopped";
  }
  MUT_UNREACHABLE();
}

Result<std::optional<std::int64_t>> optional_integer(wire::BencodeValue const& dictionary,
                                                     std::string_view key) {
  auto const value = dictionary.find(key);
  if (!value) return std::nullopt;
  auto const number = value->integer();
  if (!number) return fail(Fault::corrupt, fmt::format("the tracker's \"{}\" is no number", key));
  return number;
}

Result<std::optional<std::uint32_t>> optional_count(wire::BencodeValue const& dictionary,
                                                    std::string_view key) {
  auto const number = MUT_TRY(optional_integer(dictionary, key));
  if (!number) return std::nullopt;
  // Some trackers say -1 for "unknown".
  if (*number < 0 || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

Result<Error> failure_of(wire::BencodeValue const& root) {
  auto const reason = root.string("failure reason");
  if (!reason) return fail(Fault::not_found, "no failure");
  Error error{Fault::refused, fmt::format("the tracker says: {}", readable(*reason)), {}};
  // BEP 31: minutes, or the text "never".
  if (auto const minutes = root.integer("retry in"); minutes && *minutes > 0)
    error.mend = fmt::format("the tracker asks to wait {} min", *minutes);
  return error;
}

Result<void> append_long_peers(wire::BencodeValue const& list, std::vector<world::Endpoint>& into) {
  for (auto const& [key, peer] : list) {
    auto const address_text = peer.string("ip");
    auto const port = peer.integer("port");
    if (!address_text || !port)
      return fail(Fault::corrupt, "a peer of the tracker has no address or port");
    auto const address = world::IpAddress::parse(*address_text);
    // A host name is allowed by BEP 3; nobody resolves names that a stranger chose.
    if (!address || address->is_unspecified()) continue;
    if (*port < 0 || *port > 65535)
      return fail(Fault::corrupt, fmt::format("a peer of the tracker has port {}", *port));
    if (*port == 0 || into.size() >= kAnswerPeersMax) continue;
    into.push_back({*address, static_cast<std::uint16_t>(*port)});
  }
  return {};
}

Result<void> append_peers(wire::BencodeValue const& value, std::size_t compact_bytes,
                          std::vector<world::Endpoint>& into) {
  if (auto const compact = value.string())
    return append_compact_peers(base::view_of(*compact), compact_bytes, into);
  if (value.is_list()) return append_long_peers(value, into);
  return fail(Fault::corrupt, "the tracker's peers are neither text nor a list");
}

Result<wire::BencodeDocument> decode_answer(ByteView body) {
  auto document = wire::BencodeDocument::decode(body, kAnswerLimits);
  if (!document) return std::unexpected{std::move(document).error().during("the tracker's answer")};
  if (!document->root().is_dictionary())
    return fail(Fault::corrupt, "the tracker's answer is no dictionary");
  return document;
}

}  // namespace

std::string http_announce_target(std::string_view tracker_target, AnnounceRequest const& request) {
  std::string target{tracker_target};
  target += tracker_target.contains('?') ? '&' : '?';
  target += fmt::format(
      "info_hash={}&peer_id={}&port={}&uploaded={}&downloaded={}&left={}&compact=1&no_peer_id=1&"
      "numwant={}&key={:08X}",
      base::percent_encode(request.info_hash), base::percent_encode(request.peer_id), request.port,
      request.uploaded, request.downloaded, request.left, request.peers_wanted, request.key);
  if (request.event != AnnounceEvent::none)
    target += fmt::format("&event={}", event_name(request.event));
  if (!request.tracker_id.empty())
    target += "&trackerid=" + base::percent_encode(base::view_of(request.tracker_id));
  return target;
}

Result<std::string> http_scrape_target(std::string_view tracker_target,
                                       Sha1Digest const& info_hash) {
  auto const query_at = tracker_target.find('?');
  auto const path = tracker_target.substr(0, query_at);
  auto const query =
      query_at == std::string_view::npos ? std::string_view{} : tracker_target.substr(query_at);
  auto const segment_at = path.rfind('/') + 1;
  constexpr std::string_view kAnnounce = "announce";
  if (!path.substr(segment_at).starts_with(kAnnounce))
    return fail(Fault::unsupported,
                fmt::format("{} is no address that can be scraped (BEP 48)", readable(path)));
  return fmt::format("{}scrape{}{}{}info_hash={}", path.substr(0, segment_at),
                     path.substr(segment_at + kAnnounce.size()), query, query.empty() ? "?" : "&",
                     base::percent_encode(info_hash));
}

Result<AnnounceAnswer> parse_http_announce_answer(ByteView body) {
  auto const document = MUT_TRY(decode_answer(body));
  auto const root = document.root();
  if (auto failure = failure_of(root)) return std::unexpected{*std::move(failure)};

  AnnounceAnswer answer;
  answer.interval = MUT_TRY(checked_interval(
      MUT_TRY(optional_integer(root, "interval")).value_or(kIntervalDefaultSeconds)));
  if (auto const least = MUT_TRY(optional_integer(root, "min interval")))
    answer.interval_min = MUT_TRY(checked_interval(*least));
  answer.seeds = MUT_TRY(optional_count(root, "complete"));
  answer.leeches = MUT_TRY(optional_count(root, "incomplete"));
  if (auto const peers = root.find("peers"))
    MUT_TRY(append_peers(*peers, kCompactV4Bytes, answer.peers));
  if (auto const peers = root.find("peers6"))
    MUT_TRY(append_peers(*peers, kCompactV6Bytes, answer.peers));
  if (auto const id = root.string("tracker id"); id && id->size() <= 256) answer.tracker_id = *id;
  if (auto const warning = root.string("warning message")) answer.warning = readable(*warning);
  return answer;
}

Result<ScrapeAnswer> parse_http_scrape_answer(ByteView body, Sha1Digest const& info_hash) {
  auto const document = MUT_TRY(decode_answer(body));
  auto const root = document.root();
  if (auto failure = failure_of(root)) return std::unexpected{*std::move(failure)};
  auto const files = root.find("files");
  if (!files || !files->is_dictionary())
    return fail(Fault::corrupt, "the tracker's scrape lists no files");
  auto const torrent = files->find(base::text_of(info_hash));
  if (!torrent) return fail(Fault::not_found, "the tracker does not know this torrent");
  return ScrapeAnswer{
      .seeds = MUT_TRY(optional_count(*torrent, "complete")).value_or(0),
      .completed = MUT_TRY(optional_count(*torrent, "downloaded")).value_or(0),
      .leeches = MUT_TRY(optional_count(*torrent, "incomplete")).value_or(0),
  };
}

std::string http_failure_reason(ByteView body) {
  auto const document = wire::BencodeDocument::decode(body, kAnswerLimits);
  if (!document || !document->root().is_dictionary()) return {};
  auto const reason = document->root().string("failure reason");
  return reason ? readable(*reason) : std::string{};
}

}  // namespace mutirao::swarm
