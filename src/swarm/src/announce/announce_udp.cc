#include "announce/announce_udp.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/check.h"

#include "announce/announce_parts.h"

namespace mutirao::swarm {
namespace {

constexpr std::uint64_t kProtocolId = 0x41727101980;  // BEP 15, "connect request"
constexpr std::size_t kHeadBytes = 16;                // of every question
constexpr std::size_t kUrlDataBytesMax = 4096;

// BEP 41
constexpr std::uint8_t kEndOfOptions = 0;
constexpr std::uint8_t kNop = 1;
constexpr std::uint8_t kUrlData = 2;

/// Takes big-endian numbers off the front; the caller has checked the length.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_{bytes} {}
  template <class T>
  T number() {
    auto const value = base::load_be<T>(rest_);
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> value;
    std::ranges::copy(rest_.first(N), value.begin());
    rest_ = rest_.subspan(N);
    return value;
  }
  [[nodiscard]] ByteView rest() const { return rest_; }

 private:
  ByteView rest_;
};

void append(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

Bytes question_head(std::uint64_t connection, UdpAction action, std::uint32_t transaction) {
  Bytes out;
  out.reserve(kUdpAnnounceBytes);
  base::append_be<std::uint64_t>(out, connection);
  base::append_be<std::uint32_t>(out, std::to_underlying(action));
  base::append_be<std::uint32_t>(out, transaction);
  return out;
}

void answer_head(Bytes& out, UdpAction action, std::uint32_t transaction) {
  out.clear();
  base::append_be<std::uint32_t>(out, std::to_underlying(action));
  base::append_be<std::uint32_t>(out, transaction);
}

Result<std::string> parse_options(ByteView options) {
  std::string url_data;
  while (!options.empty()) {
    auto const kind = options[0];
    if (kind == kEndOfOptions) break;
    options = options.subspan(1);
    if (kind == kNop) continue;
    if (options.empty() || options.size() - 1 < options[0])
      return fail(Fault::corrupt, "an option is cut short");
    auto const content = options.subspan(1, options[0]);
    if (kind == kUrlData) {
      if (url_data.size() + content.size() > kUrlDataBytesMax)
        return fail(Fault::corrupt, "the URL is too long");
      url_data += base::text_of(content);
    }
    options = options.subspan(1 + content.size());
  }
  return url_data;
}

Result<UdpQuestion> parse_announce(std::uint64_t connection, std::uint32_t transaction,
                                   ByteView body) {
  if (body.size() < kUdpAnnounceBytes - kHeadBytes)
    return fail(Fault::corrupt, "announce is cut short");
  Reader reader{body};
  UdpAnnounceQuestion question{connection, transaction, {}, {}};
  auto& request = question.request;
  request.info_hash = reader.array<20>();
  request.peer_id = reader.array<20>();
  request.downloaded = reader.number<std::uint64_t>();
  request.left = reader.number<std::uint64_t>();
  request.uploaded = reader.number<std::uint64_t>();
  auto const event = reader.number<std::uint32_t>();
  if (event > std::to_underlying(AnnounceEvent::stopped))
    return fail(Fault::corrupt, "unknown event");
  request.event = static_cast<AnnounceEvent>(event);
  reader.number<std::uint32_t>();  // an address to announce for another: never believed
  request.key = reader.number<std::uint32_t>();
  auto const wanted = static_cast<std::int32_t>(reader.number<std::uint32_t>());
  request.peers_wanted = wanted < 0 ? kPeersWantedDefault : static_cast<std::uint32_t>(wanted);
  request.port = reader.number<std::uint16_t>();
  question.url_data = MUT_TRY(parse_options(reader.rest()));
  return question;
}

Result<UdpQuestion> parse_scrape(std::uint64_t connection, std::uint32_t transaction,
                                 ByteView body) {
  if (body.empty() || body.size() % 20 != 0 || body.size() / 20 > kUdpScrapeHashesMax)
    return fail(Fault::corrupt, "scrape lists no whole number of torrents");
  UdpScrapeQuestion question{connection, transaction, {}};
  question.info_hashes.reserve(body.size() / 20);
  for (Reader reader{body}; !reader.rest().empty();)
    question.info_hashes.push_back(reader.array<20>());
  return question;
}

Result<void> check_size(ByteView datagram, std::size_t least, std::string_view what) {
  if (datagram.size() >= least) return {};
  return fail(Fault::corrupt, fmt::format("the tracker's answer to {} has {} bytes of {}", what,
                                          datagram.size(), least));
}

}  // namespace

Bytes write_udp(UdpConnectQuestion const& question) {
  return question_head(kProtocolId, UdpAction::connect, question.transaction);
}

Bytes write_udp(UdpAnnounceQuestion const& question) {
  auto const& request = question.request;
  Bytes out = question_head(question.connection, UdpAction::announce, question.transaction);
  append(out, request.info_hash);
  append(out, request.peer_id);
  base::append_be<std::uint64_t>(out, request.downloaded);
  base::append_be<std::uint64_t>(out, request.left);
  base::append_be<std::uint64_t>(out, request.uploaded);
  base::append_be<std::uint32_t>(out, std::to_underlying(request.event));
  base::append_be<std::uint32_t>(out, 0);  // the address that we send from
  base::append_be<std::uint32_t>(out, request.key);
  base::append_be<std::uint32_t>(out,
                                 std::min<std::uint32_t>(request.peers_wanted, kAnswerPeersMax));
  base::append_be<std::uint16_t>(out, request.port);
  MUT_ASSERT(out.size() == kUdpAnnounceBytes);
  auto url = base::view_of(question.url_data);
  url = url.first(std::min(url.size(), kUrlDataBytesMax));
  while (!url.empty()) {
    auto const run = url.first(std::min<std::size_t>(url.size(), 255));
    out.push_back(kUrlData);
    out.push_back(static_cast<std::uint8_t>(run.size()));
    append(out, run);
    url = url.subspan(run.size());
  }
  return out;
}

Bytes write_udp(UdpScrapeQuestion const& question) {
  MUT_ASSERT(question.info_hashes.size() <= kUdpScrapeHashesMax);
  Bytes out = question_head(question.connection, UdpAction::scrape, question.transaction);
  for (auto const& info_hash : question.info_hashes) append(out, info_hash);
  return out;
}

std::optional<UdpAnswerHead> read_udp_answer_head(ByteView datagram) noexcept {
  if (datagram.size() < 8) return std::nullopt;
  auto const action = base::load_be<std::uint32_t>(datagram);
  if (action > std::to_underlying(UdpAction::error)) return std::nullopt;
  return UdpAnswerHead{static_cast<UdpAction>(action),
                       base::load_be<std::uint32_t>(datagram.subspan(4))};
}

Result<std::uint64_t> parse_udp_connect_answer(ByteView datagram) {
  MUT_TRY(check_size(datagram, 16, "connect"));
  return base::load_be<std::uint64_t>(datagram.subspan(8));
}

Result<AnnounceAnswer> parse_udp_announce_answer(ByteView datagram, bool v6) {
  MUT_TRY(check_size(datagram, 20, "announce"));
  Reader reader{datagram.subspan(8)};
  AnnounceAnswer answer;
  answer.interval =
      MUT_TRY(checked_interval(static_cast<std::int32_t>(reader.number<std::uint32_t>())));
  answer.leeches = reader.number<std::uint32_t>();
  answer.seeds = reader.number<std::uint32_t>();
  MUT_TRY(
      append_compact_peers(reader.rest(), v6 ? kCompactV6Bytes : kCompactV4Bytes, answer.peers));
  return answer;
}

Result<ScrapeAnswer> parse_udp_scrape_answer(ByteView datagram) {
  MUT_TRY(check_size(datagram, 20, "scrape"));
  Reader reader{datagram.subspan(8)};
  ScrapeAnswer answer;
  answer.seeds = reader.number<std::uint32_t>();
  answer.completed = reader.number<std::uint32_t>();
  answer.leeches = reader.number<std::uint32_t>();
  return answer;
}

Error parse_udp_error(ByteView datagram) {
  auto const text = datagram.size() > 8 ? base::text_of(datagram.subspan(8))
                                        : std::string_view{"an error without a text"};
  return {Fault::refused, fmt::format("the tracker says: {}", readable(text)), {}};
}

Result<UdpQuestion> parse_udp_question(ByteView datagram) {
  if (datagram.size() < kHeadBytes) return fail(Fault::corrupt, "shorter than any question");
  Reader reader{datagram};
  auto const connection = reader.number<std::uint64_t>();
  auto const action = reader.number<std::uint32_t>();
  auto const transaction = reader.number<std::uint32_t>();
  switch (action) {
    case std::to_underlying(UdpAction::connect):
      if (connection != kProtocolId) return fail(Fault::corrupt, "not this protocol");
      return UdpConnectQuestion{transaction};
    case std::to_underlying(UdpAction::announce):
      return parse_announce(connection, transaction, reader.rest());
    case std::to_underlying(UdpAction::scrape):
      return parse_scrape(connection, transaction, reader.rest());
    default:
      return fail(Fault::unsupported, "unknown action");
  }
}

void write_udp_connect_answer(Bytes& out, std::uint32_t transaction, std::uint64_t connection) {
  answer_head(out, UdpAction::connect, transaction);
  base::append_be<std::uint64_t>(out, connection);
}

void write_udp_announce_answer(Bytes& out, std::uint32_t transaction,
                               std::uint32_t interval_seconds, std::uint32_t leeches,
                               std::uint32_t seeds) {
  answer_head(out, UdpAction::announce, transaction);
  base::append_be<std::uint32_t>(out, interval_seconds);
  base::append_be<std::uint32_t>(out, leeches);
  base::append_be<std::uint32_t>(out, seeds);
}

void write_udp_scrape_answer(Bytes& out, std::uint32_t transaction) {
  answer_head(out, UdpAction::scrape, transaction);
}

void append_udp_scrape(Bytes& out, ScrapeAnswer const& counts) {
  base::append_be<std::uint32_t>(out, counts.seeds);
  base::append_be<std::uint32_t>(out, counts.completed);
  base::append_be<std::uint32_t>(out, counts.leeches);
}

void write_udp_error(Bytes& out, std::uint32_t transaction, std::string_view text) {
  answer_head(out, UdpAction::error, transaction);
  append(out, base::view_of(text));
}

}  // namespace mutirao::swarm
