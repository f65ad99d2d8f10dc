#include "mutirao/swarm/announce.h"

#include <algorithm>

#include <fmt/format.h>

#include "announce/announce_http.h"
#include "announce/announce_udp_client.h"

namespace mutirao::swarm {
namespace {

constexpr std::uint64_t kAnswerBytesMax = 1 << 20;
constexpr std::string_view kUdpScheme = "udp://";
constexpr std::size_t kAnnounceUrlBytesMax = 2048;

net::HttpClientOptions for_trackers(net::HttpClientOptions options) {
  options.body_bytes_max = std::min(options.body_bytes_max, kAnswerBytesMax);
  return options;
}

bool is_udp(std::string_view url) { return url.starts_with(kUdpScheme); }

Result<UdpTrackerClient::Target> parse_udp_url(std::string_view text) {
  auto const rest = text.substr(kUdpScheme.size());
  auto const parts = MUT_TRY(wire::Url::parse(fmt::format("http://{}", rest)));
  // The URL parser fills in the port of http; a UDP tracker has no usual one.
  auto const authority = rest.substr(0, rest.find_first_of("/?#"));
  auto const colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.substr(colon).contains(']'))
    return fail(Fault::invalid, fmt::format("the tracker udp://{} names no port", parts.host));
  return UdpTrackerClient::Target{parts.host, parts.port,
                                  parts.target == "/" ? std::string{} : parts.target};
}

/// Without the path: private trackers put their members' secrets there.
std::string origin_of(wire::Url const& url) {
  return fmt::format("{}://{}:{}", url.scheme, url.host, url.port);
}

Error http_error(net::HttpResponse const& response) {
  auto const& head = response.head;
  auto const fault = head.status == 404 || head.status == 410 ? Fault::not_found : Fault::refused;
  if (auto reason = http_failure_reason(base::view_of(response.body)); !reason.empty())
    return {fault, fmt::format("the tracker says: {}", reason), {}};
  return {fault, fmt::format("the tracker answers with HTTP status {}", head.status), {}};
}

Result<void> check_length(std::string const& url) {
  if (url.size() <= kAnnounceUrlBytesMax) return {};
  return fail(Fault::invalid, fmt::format("the tracker's address has {} bytes", url.size()));
}

}  // namespace

struct TrackerClient::State {
  State(world::World& world, net::HttpClientOptions const& options)
      : http{world, for_trackers(options)}, udp{world, options.reach, options.from} {}

  Result<std::string> get(wire::Url url, Deadline deadline) {
    auto const origin = origin_of(url);
    auto response =
        http.fetch({.method = "GET", .url = std::move(url), .fields = {}, .body = {}}, deadline);
    if (!response) return std::unexpected{std::move(response).error().during(origin)};
    if (response->head.status != 200) return std::unexpected{http_error(*response).during(origin)};
    return std::move(response->body);
  }

  net::HttpClient http;
  UdpTrackerClient udp;
};

TrackerClient::TrackerClient(world::World& world, net::HttpClientOptions http)
    : state_{std::make_unique<State>(world, http)} {}

TrackerClient::~TrackerClient() = default;

Result<AnnounceAnswer> TrackerClient::announce(std::string const& url,
                                               AnnounceRequest const& request, Deadline deadline) {
  MUT_TRY(check_length(url));
  if (is_udp(url)) return state_->udp.announce(MUT_TRY(parse_udp_url(url)), request, deadline);
  auto parts = MUT_TRY(wire::Url::parse(url));
  auto const origin = origin_of(parts);
  parts.target = http_announce_target(parts.target, request);
  auto const body = MUT_TRY(state_->get(std::move(parts), deadline));
  auto answer = parse_http_announce_answer(base::view_of(body));
  if (!answer) return std::unexpected{std::move(answer).error().during(origin)};
  return answer;
}

Result<ScrapeAnswer> TrackerClient::scrape(std::string const& url, Sha1Digest const& info_hash,
                                           Deadline deadline) {
  MUT_TRY(check_length(url));
  if (is_udp(url)) return state_->udp.scrape(MUT_TRY(parse_udp_url(url)), info_hash, deadline);
  auto parts = MUT_TRY(wire::Url::parse(url));
  auto const origin = origin_of(parts);
  parts.target = MUT_TRY(http_scrape_target(parts.target, info_hash));
  auto const body = MUT_TRY(state_->get(std::move(parts), deadline));
  auto answer = parse_http_scrape_answer(base::view_of(body), info_hash);
  if (!answer) return std::unexpected{std::move(answer).error().during(origin)};
  return answer;
}

}  // namespace mutirao::swarm
