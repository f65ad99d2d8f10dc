#include "swarm_run.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/swarm/make_torrent.h"
#include "mutirao/threads/this_thread.h"

// How a run begins, is looked at, and ends.
namespace mutirao::scenario {
namespace {

constexpr Duration kLook = 500ms;
constexpr std::uint16_t kTrackerPort = 6969;
constexpr char kFileName[] = "file.bin";
constexpr std::uint64_t kContentStream = 2000;

swarm::TorrentFormat format_of(std::string const& name) {
  return name == "v1"   ? swarm::TorrentFormat::v1
         : name == "v2" ? swarm::TorrentFormat::v2
                        : swarm::TorrentFormat::hybrid;
}

Bytes content_of(std::uint64_t seed, std::size_t size) {
  Draws draws{seed, kContentStream, 0};
  Bytes bytes(size);
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) word = draws.next();
    bytes[i] = static_cast<std::uint8_t>(word >> (i % 8 * 8));
  }
  return bytes;
}

void write_content(world::World& world, ByteView bytes) {
  auto const folder = world.disk().open_directory(kContentFolder, true);
  MUT_ASSERT(folder.has_value());
  auto const file = (*folder)->open(kFileName, {.writable = true, .create = true});
  MUT_ASSERT(file.has_value() && (*file)->write_at(0, bytes) && (*file)->sync() &&
             (*folder)->sync());
}

}  // namespace

SwarmRun::SwarmRun(Scenario const& scenario, RunOptions const& options, Timeline const& timeline,
                   sim::Simulation& network, Report& report)
    : scenario_{scenario},
      options_{options},
      timeline_{timeline},
      network_{network},
      report_{report},
      began_{threads::now()},
      places_{scenario, options.seed, network},
      truth_{content_of(options.seed, scenario.file_bytes)} {}

void SwarmRun::run() {
  threads::scope serving;
  open_seeds();
  if (scenario_.tracker) open_tracker(serving);
  checker_ = std::make_unique<Checker>(report_, *metainfo_, truth_,
                                       timeline_.on[static_cast<std::size_t>(FaultKind::bit_rot)]);
  add_members();
  {
    threads::scope lives;
    threads::scope sky;
    sky.spawn("weather", [this] { weather(); });
    for (auto& member : members_)
      lives.spawn("life", [this, member = member.get()] { live(*member); });
    watch();
    conclude();
    set_phase(Phase::over);
    static_cast<void>(lives.join());
    static_cast<void>(sky.join());
  }
  seeds_.clear();
  if (tracker_socket_) tracker_socket_->close();
  static_cast<void>(serving.join());
}

void SwarmRun::open_seeds() {
  for (std::uint64_t i = 0; i < scenario_.seeds; ++i) {
    auto& host = places_.add_reachable(fmt::format("seed{}", i + 1));
    write_content(host.world(), truth_);
    if (!metainfo_) {
      auto made =
          swarm::make_torrent(host.world(), fmt::format("{}/{}", kContentFolder, kFileName),
                              {.format = format_of(scenario_.format),
                               .piece_length = static_cast<std::uint32_t>(scenario_.piece_bytes)});
      MUT_ASSERT(made.has_value());
      metainfo_ = made->metainfo;
    }
    seeds_.push_back({&host, nullptr, {}});
  }
  if (scenario_.tracker) tracker_host_ = &places_.add_reachable("tracker");
  for (auto& seed : seeds_) {
    seed.node = std::make_unique<SwarmNode>(seed.host->world(), node_options());
    auto added = seed.node->swarm().add(request({}, true));
    MUT_ASSERT(added.has_value());
    seed.id = *added;
  }
}

void SwarmRun::open_tracker(threads::scope& scope) {
  auto& world = tracker_host_->world();
  tracker_ = std::make_unique<swarm::Tracker>(
      world, swarm::TrackerOptions{.peers_per_answer_max = scenario_.answer_max});
  tracker_->admit(metainfo_->info_hash());
  auto socket = world.network().bind_datagram({tracker_host_->address(), kTrackerPort});
  MUT_ASSERT(socket.has_value());
  tracker_socket_ = std::move(*socket);
  scope.spawn("tracker", [this] { static_cast<void>(tracker_->serve_udp(*tracker_socket_)); },
              {.isolated = true});
}

void SwarmRun::add_members() {
  for (std::uint32_t i = 0; i < scenario_.peers; ++i) {
    auto member = std::make_unique<Member>();
    member->number = i;
    member->place = places_.add_peer(i, fmt::format("peer{}", i + 1));
    member->host = member->place.host;
    members_.push_back(std::move(member));
  }
  report_.behind = places_.behind();
  for (auto const& event : timeline_.events) {
    if (event.kind == FaultKind::churn || event.kind == FaultKind::kill ||
        event.kind == FaultKind::crash)
      members_[event.peer]->life.push_back(event);
  }
}

swarm::SwarmOptions SwarmRun::node_options() const {
  swarm::SwarmOptions options;
  options.connections_max = scenario_.connections;
  options.connections_per_torrent_max = scenario_.connections;
  options.uploads_per_torrent_max = scenario_.uploads;
  return options;
}

swarm::AddRequest SwarmRun::request(std::vector<world::Endpoint> peers, bool whole) const {
  swarm::AddRequest request{.what = metainfo_,
                            .folder = std::string{kContentFolder},
                            .content_is_whole = whole,
                            .peers = std::move(peers),
                            .trackers = {}};
  if (tracker_host_ != nullptr)
    request.trackers.push_back(
        fmt::format("udp://{}:{}", tracker_host_->address().to_string(), kTrackerPort));
  return request;
}

// --- looking

void SwarmRun::watch() {
  auto const calm = at(scenario_.safety);
  auto const limit = calm + scenario_.liveness_max;
  while (true) {
    static_cast<void>(threads::sleep_for(kLook));
    auto const now = threads::now();
    look();
    if (phase_ == Phase::safety && now >= calm) {
      network_.stop_faults();
      set_phase(Phase::liveness);
    }
    if (options_.observe && !options_.observe({.virtual_time = now - began_,
                                               .liveness = phase_ == Phase::liveness,
                                               .peers = report_.peers,
                                               .complete = report_.complete,
                                               .trace_events = network_.trace_events()}))
      report_.interrupted = true;
    if (options_.until && now >= at(*options_.until)) report_.interrupted = true;
    if (options_.events && network_.trace_events() >= options_.events->last)
      report_.interrupted = true;
    if (report_.interrupted) return;
    if (phase_ == Phase::liveness && (now >= limit || all_complete())) return;
  }
}

void SwarmRun::look() {
  auto const now = threads::now();
  report_.complete = 0;
  for (auto& member : members_) {
    auto const node = member->node;  // stays while we look at it
    if (node && !member->id.empty()) {
      checker_->look(*member, now);
      if (!member->complete && member->checked.all()) {
        auto const status = node->swarm().status(member->id);
        member->complete = status && status->phase == swarm::TorrentPhase::seeding;
        if (member->complete && !member->first_complete)
          member->first_complete = now - member->arrived;
      } else if (member->complete && !member->checked.all()) {
        member->complete = false;
      }
    }
    if (member->complete) ++report_.complete;
  }
}

bool SwarmRun::all_complete() const {
  return mended_ == members_.size() && report_.complete == scenario_.peers;
}

void SwarmRun::set_phase(Phase phase) {
  std::lock_guard const lock{mutex_};
  phase_ = phase;
  phase_changed_.notify_all();
}

bool SwarmRun::wait_in(Phase phase, TimePoint until) {
  std::unique_lock lock{mutex_};
  auto const waited =
      phase_changed_.wait(lock, [&] { return phase_ != phase; }, Deadline::at(until));
  return phase_ == phase && !waited && waited.error().fault == Fault::timed_out;
}

void SwarmRun::wait_while(Phase phase) {
  std::unique_lock lock{mutex_};
  static_cast<void>(phase_changed_.wait(lock, [&] { return phase_ != phase; }));
}

void SwarmRun::conclude() {
  auto const now = threads::now();
  report_.virtual_time = now - began_;
  report_.denied = places_.denied();
  std::vector<Duration> times;
  Traffic all;
  for (auto& member : members_) {
    checker_->look_at_the_end(*member, now);
    account_for(*member);
    if (member->first_complete) times.push_back(*member->first_complete);
    all.downloaded += member->ended.downloaded;
    all.uploaded += member->ended.uploaded;
    all.wasted += member->ended.wasted;
    all.wrong += member->ended.wrong;
    if (member->complete || report_.interrupted) continue;
    auto who = waiting(*member);
    checker_->fail(FailureKind::incomplete, *member, now,
                   fmt::format("{} of {} bytes; {}: {}", who.bytes_verified, who.bytes_total,
                               who.phase, who.why));
    if (report_.waiting.size() < Report::kWaitingMax) report_.waiting.push_back(std::move(who));
  }
  std::uint64_t from_seeds = 0;
  for (auto const& seed : seeds_) {
    if (auto const status = seed.node->swarm().status(seed.id)) from_seeds += status->uploaded;
  }
  report_.downloaded = all.downloaded;
  report_.uploaded = all.uploaded + from_seeds;
  report_.wasted = all.wasted;
  report_.wrong = all.wrong;
  report_.seed_copies = static_cast<double>(from_seeds) / static_cast<double>(scenario_.file_bytes);
  std::ranges::sort(times);
  if (times.empty()) return;
  report_.completion_p50 = times[(times.size() - 1) / 2];
  report_.completion_p99 = times[(times.size() * 99 + 99) / 100 - 1];
}

Waiting SwarmRun::waiting(Member const& member) const {
  Waiting who{.host = std::string{member.host->name()},
              .phase = "down",
              .why = "its node does not run",
              .mend = {},
              .bytes_total = scenario_.file_bytes};
  if (!member.node || member.id.empty()) return who;
  auto const status = member.node->swarm().status(member.id);
  if (!status) return who;
  static constexpr std::array<std::string_view, 6> kPhases{"metadata", "checking", "downloading",
                                                           "seeding",  "paused",   "failed"};
  who.phase = kPhases[static_cast<std::size_t>(status->phase)];
  who.why = status->why;
  who.mend = status->mend;
  who.since = status->since;
  who.bytes_verified = status->bytes_verified;
  who.peers_connected = static_cast<std::uint32_t>(status->peers.size());
  who.peers_known = status->known_peers;
  return who;
}

}  // namespace mutirao::scenario
