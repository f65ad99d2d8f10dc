#include "tracker/tracker_query.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "mutirao/wire/bencode.h"

#include "announce/announce_parts.h"
#include "announce/announce_udp.h"

namespace mutirao::swarm {
namespace {

constexpr std::size_t kScrapeHashesMax = 64;

Result<std::optional<std::string_view>> only(wire::HttpTarget const& target, std::string_view key) {
  std::optional<std::string_view> found;
  for (auto const& [name, value] : target.query) {
    if (name != key) continue;
    if (found) return fail(Fault::invalid, fmt::format("{} is given twice", key));
    found = value;
  }
  return found;
}

Result<std::array<std::uint8_t, 20>> twenty_bytes(std::string_view key, std::string_view value) {
  std::array<std::uint8_t, 20> out;
  if (value.size() != out.size())
    return fail(Fault::invalid, fmt::format("{} has {} bytes instead of 20", key, value.size()));
  std::ranges::copy(base::view_of(value), out.begin());
  return out;
}

Result<std::array<std::uint8_t, 20>> required_bytes(wire::HttpTarget const& target,
                                                    std::string_view key) {
  auto const value = MUT_TRY(only(target, key));
  if (!value) return fail(Fault::invalid, fmt::format("{} is missing", key));
  return twenty_bytes(key, *value);
}

Result<std::optional<std::uint64_t>> optional_number(wire::HttpTarget const& target,
                                                     std::string_view key, std::uint64_t max) {
  auto const text = MUT_TRY(only(target, key));
  if (!text) return std::nullopt;
  std::uint64_t number = 0;
  auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size() || number > max)
    return fail(Fault::invalid, fmt::format("{} is no number from 0 to {}", key, max));
  return number;
}

Result<AnnounceEvent> event_of(wire::HttpTarget const& target) {
  auto const text = MUT_TRY(only(target, "event")).value_or("");
  if (text == "started") return AnnounceEvent::started;
  if (text == "completed") return AnnounceEvent::completed;
  if (text == "stopped") return AnnounceEvent::stopped;
  // "paused" of BEP 21 and whatever comes later are ordinary announces.
  return AnnounceEvent::none;
}

void write_long_peers(wire::BencodeWriter& writer, ByteView compact, std::size_t peer_bytes) {
  for (; !compact.empty(); compact = compact.subspan(peer_bytes)) {
    auto const address = world::IpAddress::from_bytes(compact.first(peer_bytes - 2));
    writer.begin_dictionary().key("ip").string(address->to_string());
    writer.key("port").integer(base::load_be<std::uint16_t>(compact.subspan(peer_bytes - 2))).end();
  }
}

}  // namespace

Result<HttpAnnounceQuestion> parse_announce_query(wire::HttpTarget const& target) {
  constexpr auto kAny = std::numeric_limits<std::uint64_t>::max();
  HttpAnnounceQuestion question;
  auto& request = question.request;
  request.info_hash = MUT_TRY(required_bytes(target, "info_hash"));
  request.peer_id = MUT_TRY(required_bytes(target, "peer_id"));
  auto const port = MUT_TRY(optional_number(target, "port", 65535));
  if (!port) return fail(Fault::invalid, "port is missing");
  request.port = static_cast<std::uint16_t>(*port);
  request.uploaded = MUT_TRY(optional_number(target, "uploaded", kAny)).value_or(0);
  request.downloaded = MUT_TRY(optional_number(target, "downloaded", kAny)).value_or(0);
  // Who does not say how much is missing is no seed.
  request.left = MUT_TRY(optional_number(target, "left", kAny)).value_or(kAny);
  request.event = MUT_TRY(event_of(target));
  // Some clients say -1 for "as you like".
  if (auto const wanted = MUT_TRY(only(target, "numwant")); wanted && !wanted->starts_with('-'))
    request.peers_wanted = static_cast<std::uint32_t>(
        MUT_TRY(optional_number(target, "numwant", std::numeric_limits<std::uint32_t>::max()))
            .value_or(kPeersWantedDefault));
  question.compact = MUT_TRY(only(target, "compact")) != "0";
  return question;
}

Result<std::vector<Sha1Digest>> parse_scrape_query(wire::HttpTarget const& target) {
  std::vector<Sha1Digest> info_hashes;
  for (auto const& [key, value] : target.query) {
    if (key != "info_hash") continue;
    if (info_hashes.size() == kScrapeHashesMax)
      return fail(Fault::invalid,
                  fmt::format("more than {} torrents in one scrape", kScrapeHashesMax));
    info_hashes.push_back(MUT_TRY(twenty_bytes(key, value)));
  }
  return info_hashes;
}

Bytes write_announce_answer(HttpAnnounceAnswer const& answer, bool compact) {
  wire::BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("complete").integer(answer.seeds);
  writer.key("downloaded").integer(answer.completed);
  writer.key("incomplete").integer(answer.leeches);
  writer.key("interval").integer(answer.interval_seconds);
  writer.key("min interval").integer(answer.interval_min_seconds);
  writer.key("peers");
  if (compact) {
    writer.bytes(answer.peers);
    if (!answer.peers6.empty()) writer.key("peers6").bytes(answer.peers6);
  } else {
    writer.begin_list();
    write_long_peers(writer, answer.peers, kCompactV4Bytes);
    write_long_peers(writer, answer.peers6, kCompactV6Bytes);
    writer.end();
  }
  writer.end();
  return std::move(writer).finish();
}

Bytes write_tracker_failure(std::string_view reason, std::int64_t retry_minutes) {
  wire::BencodeWriter writer;
  writer.begin_dictionary().key("failure reason").string(reason);
  if (retry_minutes > 0) writer.key("retry in").integer(retry_minutes);
  writer.end();
  return std::move(writer).finish();
}

Bytes write_scrape_answer(std::vector<ScrapedTorrent> torrents) {
  std::ranges::sort(torrents, {}, &ScrapedTorrent::info_hash);
  auto const repeated = std::ranges::unique(torrents, {}, &ScrapedTorrent::info_hash);
  torrents.erase(repeated.begin(), repeated.end());
  wire::BencodeWriter writer;
  writer.begin_dictionary().key("files").begin_dictionary();
  for (auto const& torrent : torrents) {
    writer.key(base::text_of(torrent.info_hash)).begin_dictionary();
    writer.key("complete").integer(torrent.counts.seeds);
    writer.key("downloaded").integer(torrent.counts.completed);
    writer.key("incomplete").integer(torrent.counts.leeches);
    writer.end();
  }
  writer.end().end();
  return std::move(writer).finish();
}

}  // namespace mutirao::swarm
