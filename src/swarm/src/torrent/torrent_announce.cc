#include <algorithm>

#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// Trackers: tiers in order of BEP 12, one thread for each tier.
namespace mutirao::swarm {

namespace {
constexpr auto kAnnounceMax = std::chrono::seconds{30};
constexpr auto kGoodbyeMax = std::chrono::seconds{2};
constexpr auto kIntervalMin = std::chrono::seconds{30};
constexpr auto kIntervalMax = std::chrono::hours{1};
constexpr auto kAnnounceRetryFirst = std::chrono::seconds{5};
constexpr auto kAnnounceRetryMax = std::chrono::minutes{30};
constexpr std::uint32_t kPeersEnough = 10;
constexpr std::size_t kTrackersMax = 64;
}  // namespace

void Torrent::make_trackers() {
  auto const add = [&](std::string const& url, unsigned tier, bool trusted) {
    auto const known =
        std::ranges::any_of(trackers_, [&](auto const& each) { return each->url == url; });
    if (known || trackers_.size() >= kTrackersMax) return;
    auto tracked = std::make_unique<Tracked>();
    tracked->url = url;
    tracked->tier = tier;
    tracked->trusted = trusted;
    tracked->status.url = url;
    tracked->status.state = "waiting";
    tracked->status.why = "first announce";
    trackers_.push_back(std::move(tracked));
  };
  unsigned tier = 0;
  for (auto const& url : record_.trackers) add(url, tier++, true);
  if (metainfo_) {
    for (auto urls : metainfo_->tracker_tiers()) {
      // BEP 12: shuffled once, then kept in the order in which they work.
      for (std::size_t i = urls.size(); i > 1; --i)
        std::swap(urls[i - 1], urls[engine_.world.entropy().below(i)]);
      for (auto const& url : urls) add(url, tier, false);
      ++tier;
    }
  }
  for (auto const& url : magnet_.trackers) add(url, tier++, false);
}

void Torrent::announce_loop(unsigned tier) {
  auto event = AnnounceEvent::started;
  bool was_complete = false;
  {
    std::lock_guard const lock{mutex_};
    was_complete = picker_ && picker_->have().all();
  }
  while (!threads::stop_requested()) {
    auto const wait = announce_tier(tier, event);
    event = AnnounceEvent::none;
    std::unique_lock lock{mutex_};
    auto const until = Deadline::at(engine_.world.clock().now() + wait);
    auto const waited =
        book_changed_.wait(lock, [&] { return completed_ && !was_complete; }, until);
    if (!waited && waited.error().fault == Fault::cancelled) return;
    if (completed_ && !was_complete) {
      was_complete = true;
      event = AnnounceEvent::completed;
    }
  }
}

/// Asks the tier's trackers in order until one answers; how long to wait until the next time.
Duration Torrent::announce_tier(unsigned tier, AnnounceEvent event) {
  std::vector<Tracked*> candidates;
  unsigned failures = 0;
  for (auto const& each : trackers_) {
    if (each->tier == tier) candidates.push_back(each.get());
  }
  // Who worked last time comes first (BEP 12).
  std::ranges::stable_sort(candidates, {}, [](Tracked const* each) { return each->failures; });
  for (auto* const tracker : candidates) {
    auto const first = tracker->announced ? event : AnnounceEvent::started;
    auto const interval = announce(*tracker, first, threads::within(kAnnounceMax));
    if (interval) return *interval;
    if (interval.error().fault == Fault::cancelled) return kAnnounceRetryFirst;
    failures = tracker->failures;
  }
  return std::min<Duration>(kAnnounceRetryFirst * (1u << std::min(failures, 9u)),
                            kAnnounceRetryMax);
}

Result<Duration> Torrent::announce(Tracked& tracker, AnnounceEvent event, Deadline deadline) {
  std::vector<Sha1Digest> hashes;
  if (info_hash_.v1) hashes.push_back(*info_hash_.v1);
  if (info_hash_.v2) hashes.push_back(*info_hash_.v2_truncated());
  AnnounceRequest request{.peer_id = engine_.peer_id,
                          .port = engine_.options.port,
                          .event = event,
                          .key = engine_.key,
                          .tracker_id = tracker.tracker_id};
  {
    std::lock_guard const lock{mutex_};
    request.uploaded = uploaded_ - record_.uploaded;
    request.downloaded = downloaded_ - record_.downloaded;
    request.left = store_ ? metainfo_->total_size() - store_->verified_bytes() : 1;
    if (completed_ || event == AnnounceEvent::stopped) request.peers_wanted = 0;
  }
  auto& client = tracker.trusted ? engine_.trackers_trusted : engine_.trackers;
  std::optional<AnnounceAnswer> best;
  std::optional<Error> error;
  std::set<world::Endpoint> peers;
  for (auto const& hash : hashes) {
    request.info_hash = hash;
    auto answer = client.announce(tracker.url, request, deadline);
    if (!answer) {
      error = std::move(answer).error();
      continue;
    }
    peers.insert(answer->peers.begin(), answer->peers.end());
    if (!best) best = std::move(*answer);
  }
  add_peers(std::vector(peers.begin(), peers.end()));
  std::lock_guard const lock{mutex_};
  if (!best) {
    ++tracker.failures;
    tracker.status.state = "failed";
    tracker.status.why = error->what;
    return std::unexpected{*error};
  }
  tracker.failures = 0;
  tracker.announced = event != AnnounceEvent::stopped;
  if (!best->tracker_id.empty()) tracker.tracker_id = best->tracker_id;
  auto interval = std::clamp<Duration>(best->interval, kIntervalMin, kIntervalMax);
  // While we look for peers, as often as the tracker allows.
  if (!completed_ && peers_.size() < kPeersEnough) {
    interval = std::clamp<Duration>(best->interval_min, kIntervalMin, interval);
  }
  tracker.status.state = "working";
  tracker.status.peers = static_cast<std::uint32_t>(peers.size());
  tracker.status.seeds = best->seeds;
  tracker.status.leeches = best->leeches;
  tracker.status.why = best->warning.empty() ? std::string{} : "it warns: " + best->warning;
  tracker.next = engine_.world.clock().now() + interval;
  return interval;
}

/// Tells those who know us that we are gone; briefly, as somebody waits for us to end.
void Torrent::announce_end() {
  threads::scope scope{threads::within(kGoodbyeMax)};
  for (auto const& tracker : trackers_) {
    if (!tracker->announced) continue;
    scope.spawn("goodbye",
                [this, &tracker] {
                  static_cast<void>(
                      announce(*tracker, AnnounceEvent::stopped, threads::within(kGoodbyeMax)));
                  tracker->announced = false;
                },
                {.isolated = true});
  }
  static_cast<void>(scope.join());
}

}  // namespace mutirao::swarm
