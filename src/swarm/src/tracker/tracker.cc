#include "mutirao/swarm/tracker.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

#include "tracker/tracker_limit.h"
#include "tracker/tracker_query.h"
#include "tracker/tracker_registry.h"
#include "tracker/tracker_udp.h"

namespace mutirao::swarm {
namespace {

SipKey random_key(world::World& world) { return {world.entropy().next(), world.entropy().next()}; }

std::vector<Sha1Digest> on_the_wire(InfoHash const& torrent) {
  std::vector<Sha1Digest> out;
  if (torrent.v1) out.push_back(*torrent.v1);
  if (auto const truncated = torrent.v2_truncated()) out.push_back(*truncated);
  return out;
}

wire::HttpFields plain_text() {
  wire::HttpFields fields;
  fields.add("Content-Type", "text/plain");
  fields.add("Cache-Control", "no-store");
  fields.add("X-Content-Type-Options", "nosniff");
  return fields;
}

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

struct Tracker::State {
  State(world::World& the_world, TrackerOptions the_options)
      : world{the_world},
        options{the_options},
        registry{options, random_key(world), world.entropy().next()},
        limit{{.per_second = options.announces_per_source_per_s,
               .burst = options.announces_per_source_burst},
              random_key(world)},
        ids{random_key(world)},
        epoch{world.clock().now()} {}

  /// Counts from 1, so that 0 is before everything.
  [[nodiscard]] std::uint32_t now_s() const {
    return 1 + static_cast<std::uint32_t>(whole_seconds(world.clock().now() - epoch));
  }
  bool allow(world::IpAddress const& source) {
    std::lock_guard const lock{limit_mutex};
    return limit.allow(source, world.clock().now());
  }
  Bytes announce(net::HttpServerRequest const& request);
  Bytes scrape(net::HttpServerRequest const& request);

  world::World& world;
  TrackerOptions const options;
  TrackerRegistry registry;
  threads::mutex limit_mutex;
  SourceLimit limit;
  ConnectionIds ids;
  TimePoint epoch;
};

Bytes Tracker::State::announce(net::HttpServerRequest const& request) {
  if (!allow(request.remote.address))
    return write_tracker_failure("too many announces from your address", 1);
  auto const question = parse_announce_query(request.target);
  if (!question) return write_tracker_failure(question.error().what);
  Bytes peers;
  Bytes peers_other;
  auto const done =
      registry.announce(question->request, request.remote.address, now_s(), peers, &peers_other);
  if (!done) return write_tracker_failure("this torrent is not tracked here");
  if (!request.remote.address.is_v4()) std::swap(peers, peers_other);
  return write_announce_answer({.interval_seconds = whole_seconds(options.interval),
                                .interval_min_seconds = whole_seconds(options.interval_min),
                                .seeds = done->seeds,
                                .leeches = done->leeches,
                                .completed = done->completed,
                                .peers = std::move(peers),
                                .peers6 = std::move(peers_other)},
                               question->compact);
}

Bytes Tracker::State::scrape(net::HttpServerRequest const& request) {
  constexpr std::size_t kTorrentsMax = 10'000;
  if (!allow(request.remote.address))
    return write_tracker_failure("too many questions from your address", 1);
  auto info_hashes = parse_scrape_query(request.target);
  if (!info_hashes) return write_tracker_failure(info_hashes.error().what);
  if (info_hashes->empty()) info_hashes = registry.all();
  if (info_hashes->size() > kTorrentsMax) info_hashes->resize(kTorrentsMax);
  std::vector<ScrapedTorrent> torrents;
  for (auto const& info_hash : *info_hashes) {
    // Unknown ones are left out (BEP 48).
    if (auto const counts = registry.counts(info_hash, now_s()))
      torrents.push_back({info_hash, {counts->seeds, counts->completed, counts->leeches}});
  }
  return write_scrape_answer(std::move(torrents));
}

Tracker::Tracker(world::World& world, TrackerOptions options)
    : state_{std::make_unique<State>(world, options)} {}

Tracker::~Tracker() = default;

void Tracker::admit(InfoHash const& torrent) {
  for (auto const& info_hash : on_the_wire(torrent)) state_->registry.admit(info_hash);
}

void Tracker::expel(InfoHash const& torrent) {
  for (auto const& info_hash : on_the_wire(torrent)) state_->registry.expel(info_hash);
}

void Tracker::serve_here(InfoHash const& torrent, std::vector<world::Endpoint> const& at,
                         bool seed) {
  for (auto const& info_hash : on_the_wire(torrent)) state_->registry.set_own(info_hash, at, seed);
}

Result<bool> Tracker::handle(net::HttpServerRequest const& request, net::HttpResponder& responder) {
  bool const announce = request.target.path == "/announce";
  if (!announce && request.target.path != "/scrape") return false;
  auto const body = announce ? state_->announce(request) : state_->scrape(request);
  MUT_TRY(responder.send(200, plain_text(), base::text_of(body)));
  return true;
}

Result<void> Tracker::serve_udp(world::DatagramSocket& socket) {
  constexpr std::size_t kQuestionBytesMax = 4096;
  constexpr Duration kSendPatience = std::chrono::milliseconds{10};
  TrackerUdp udp{
      state_->registry, state_->ids, state_->options,
      [state = state_.get()](world::IpAddress const& source) { return state->allow(source); }};
  Bytes question(kQuestionBytesMax);
  Bytes answer;
  for (;;) {
    auto const received = socket.receive(question, Deadline::never());
    if (!received) {
      auto const fault = received.error().fault;
      if (fault == Fault::closed || fault == Fault::cancelled) return {};
      return std::unexpected{received.error()};
    }
    udp.answer(ByteView{question}.first(received->size), received->from, state_->now_s(), answer);
    // One that can't be sent is as good as lost on the way: the client asks again.
    if (!answer.empty())
      static_cast<void>(socket.send_to(answer, received->from, threads::within(kSendPatience)));
    threads::checkpoint();
  }
}

Tracker::Counts Tracker::counts(InfoHash const& torrent) const {
  auto const info_hashes = on_the_wire(torrent);
  Counts counts;
  if (info_hashes.empty()) return counts;
  auto const now_s = state_->now_s();
  if (auto const first = state_->registry.counts(info_hashes[0], now_s))
    counts = {first->seeds, first->leeches, first->completed};
  if (info_hashes.size() < 2) return counts;
  // A peer of both swarms of a hybrid torrent is one peer.
  if (auto const second = state_->registry.counts(info_hashes[1], now_s))
    counts.completed = std::max(counts.completed, second->completed);
  auto const more =
      state_->registry.count_missing(info_hashes[0], state_->registry.peers(info_hashes[1], now_s));
  counts.seeds += more.seeds;
  counts.leeches += more.leeches;
  return counts;
}

std::vector<world::Endpoint> Tracker::peers(InfoHash const& torrent) const {
  std::vector<world::Endpoint> out;
  for (auto const& info_hash : on_the_wire(torrent))
    for (auto const& peer : state_->registry.peers(info_hash, state_->now_s()))
      out.push_back(peer.endpoint);
  std::ranges::sort(out);
  auto const repeated = std::ranges::unique(out);
  out.erase(repeated.begin(), repeated.end());
  return out;
}

}  // namespace mutirao::swarm
