#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "swarm_run.h"

// What happens to the peers: lives, and the weather around them.
namespace mutirao::scenario {
namespace {

constexpr std::uint64_t kArrivalStream = 3000;
constexpr std::uint64_t kKnownStream = 3001;
constexpr Duration kAddAgain = 5s;
constexpr Duration kMendLook = 10ms;
constexpr double kSlowness = 100;
constexpr double kErrorChance = 0.1;
constexpr Duration kClockWrongMost = 24h;
constexpr double kIslandLeast = 0.1;  // of the peers that a partition cuts off
constexpr double kIslandMost = 0.5;

}  // namespace

// --- a life

void SwarmRun::live(Member& member) {
  Draws draws{options_.seed, kArrivalStream, member.number};
  auto const arrival = draws.between(0s, scenario_.arrival);
  static_cast<void>(wait_in(Phase::safety, at(arrival)));
  if (phase_ == Phase::over) return;
  member.arrived = threads::now();
  enter(member);
  for (auto const& event : member.life) {
    // What would have happened to it while it was not there did not happen.
    if (at(event.at) < threads::now()) continue;
    if (!wait_in(Phase::safety, at(event.at))) break;
    strike(member, event);
  }
  wait_while(Phase::safety);
  mend(member);
  ++mended_;
  wait_while(Phase::liveness);
  if (member.node) leave(member);
}

void SwarmRun::strike(Member& member, FaultEvent const& event) {
  fired(event.kind);
  if (event.kind == FaultKind::churn) {
    leave(member);
  } else {
    die(member, event.kind == FaultKind::crash);
  }
  static_cast<void>(wait_in(Phase::safety, threads::now() + event.lasts));
  if (phase_ == Phase::over) return;
  if (!member.host->is_up()) member.host->restart();
  enter(member);
}

/// Its node continues what is on the disk; whoever has nothing there is told what to fetch.
void SwarmRun::enter(Member& member) {
  auto const node = std::make_shared<SwarmNode>(member.host->world(), node_options());
  auto& swarm = node->swarm();
  checker_->entered(member);
  auto const restored = swarm.restore();
  auto const all = swarm.list();
  auto const found = !member.id.empty() && std::ranges::any_of(all, [&](auto const& each) {
    return each.id == member.id && each.phase != swarm::TorrentPhase::failed;
  });
  if (member.added_well && restored && !found && member.disk_faults == 0)
    checker_->fail(FailureKind::lost_torrent, member, threads::now(),
                   all.empty() ? "its torrent is gone" : all.front().why);
  if (!found) member.must_have.reset();
  auto const known = known_to(member);
  while (true) {
    // Where it is there already, this only adds the peers.
    auto const added = swarm.add(request(known, false));
    if (added) {
      member.id = *added;
      break;
    }
    if (!wait_in(phase_, threads::now() + kAddAgain) && phase_ == Phase::over) break;
  }
  member.added_well = member.added_well || member.disk_faults == 0;
  auto const status = swarm.status(member.id);
  member.downloaded_before = status ? status->downloaded : 0;
  member.uploaded_before = status ? status->uploaded : 0;
  member.node = node;
}

void SwarmRun::leave(Member& member) {
  checker_->leaving(member, Checker::Ending::stopped, threads::now());
  account_for(member);
  member.node.reset();
}

void SwarmRun::die(Member& member, bool power) {
  checker_->leaving(member, power ? Checker::Ending::power_cut : Checker::Ending::killed,
                    threads::now());
  account_for(member);
  network_.crash(*member.host, {.reset_streams = !power, .lose_unsynced = power});
  member.node.reset();
}

/// After the faults: what a person would do. A recheck of a disk that rotted, another try where a
/// disk failed; a full one mends itself.
void SwarmRun::mend(Member& member) {
  if (!member.node) return;
  auto& swarm = member.node->swarm();
  if (!member.rotten.empty() && swarm.verify(member.id)) {
    while (checker_->claims_rot(member) && wait_in(Phase::liveness, threads::now() + kMendLook)) {
    }
    member.rotten.clear();
    member.complete = false;  // until it is looked at again
  }
  if (!timeline_.on[static_cast<std::size_t>(FaultKind::disk_errors)]) return;
  auto const status = swarm.status(member.id);
  if (!status || status->phase != swarm::TorrentPhase::failed) return;
  leave(member);
  enter(member);
}

void SwarmRun::account_for(Member& member) {
  if (!member.node || member.id.empty()) return;
  auto const status = member.node->swarm().status(member.id);
  if (!status) return;
  member.ended.downloaded += status->downloaded - member.downloaded_before;
  member.ended.uploaded += status->uploaded - member.uploaded_before;
  member.ended.wasted += status->wasted;
  member.ended.wrong += status->wrong;
}

std::vector<world::Endpoint> SwarmRun::known_to(Member const& member) const {
  Draws draws{options_.seed, kKnownStream, member.number};
  std::vector<world::Endpoint> known;
  for (std::uint64_t i = 0; i < scenario_.known_peers; ++i) {
    if (i < seeds_.size()) {
      known.push_back({seeds_[i].host->address(), kPeerPort});
      continue;
    }
    auto const& other = *members_[draws.next() % members_.size()];
    if (&other != &member) known.push_back({Places::address_of(other.place), kPeerPort});
  }
  return known;
}

// --- the weather

void SwarmRun::weather() {
  struct Change {
    Duration at;
    FaultEvent const* event;
    bool begins;
  };
  std::vector<Change> changes;
  for (auto const& event : timeline_.events) {
    if (event.kind == FaultKind::churn || event.kind == FaultKind::kill ||
        event.kind == FaultKind::crash)
      continue;
    changes.push_back({event.at, &event, true});
    changes.push_back({event.at + event.lasts, &event, false});
  }
  std::ranges::stable_sort(changes, {}, &Change::at);
  std::size_t next = 0;
  while (next < changes.size() && wait_in(Phase::safety, at(changes[next].at))) {
    auto const& change = changes[next++];
    if (change.begins) {
      begin(*change.event);
    } else {
      end(*change.event);
    }
  }
  wait_while(Phase::safety);
  // Everything that still lasts ends now.
  for (; next < changes.size(); ++next)
    if (!changes[next].begins) end(*changes[next].event);
}

void SwarmRun::begin(FaultEvent const& event) {
  auto& member = *members_[event.peer];
  if (event.kind == FaultKind::router_reboot && member.place.router == nullptr) return;
  fired(event.kind);
  switch (event.kind) {
    case FaultKind::isolate:
      return network_.isolate(*member.host);
    case FaultKind::partition:
      partitions_.emplace(event.at, split(event));
      return;
    case FaultKind::full_disk:
    case FaultKind::slow_disk:
    case FaultKind::disk_errors:
      return set_disk_fault(member, event.kind, true);
    case FaultKind::bit_rot:
      return rot(member, event);
    case FaultKind::tracker_down:
      if (tracker_host_ != nullptr) network_.isolate(*tracker_host_);
      return;
    case FaultKind::clock_jump:
      return set_clock(member, event, true);
    case FaultKind::address_change:
      return network_.isolate(*member.host, event.lasts);
    case FaultKind::router_reboot:
      return member.place.router->set_connected(false);
    case FaultKind::churn:
    case FaultKind::kill:
    case FaultKind::crash:
      return;
  }
}

void SwarmRun::end(FaultEvent const& event) {
  auto& member = *members_[event.peer];
  switch (event.kind) {
    case FaultKind::isolate:
      return network_.rejoin(*member.host);
    case FaultKind::partition:
      if (auto const known = partitions_.extract(event.at)) network_.heal(known.mapped());
      return;
    case FaultKind::full_disk:
    case FaultKind::slow_disk:
    case FaultKind::disk_errors:
      return set_disk_fault(member, event.kind, false);
    case FaultKind::tracker_down:
      if (tracker_host_ != nullptr) network_.rejoin(*tracker_host_);
      return;
    case FaultKind::clock_jump:
      return set_clock(member, event, false);
    case FaultKind::address_change:
      return places_.change_address(member.place);
    case FaultKind::router_reboot:
      if (member.place.router == nullptr) return;
      member.place.router->reboot();
      return member.place.router->set_connected(true);
    case FaultKind::bit_rot:
    case FaultKind::churn:
    case FaultKind::kill:
    case FaultKind::crash:
      return;
  }
}

void SwarmRun::set_disk_fault(Member& member, FaultKind kind, bool on) {
  auto& disk = member.host->disk();
  member.disk_faults += on ? 1u : -1u;
  if (kind == FaultKind::full_disk) {
    disk.set_full(on);
  } else if (kind == FaultKind::slow_disk) {
    disk.set_slowness({.factor = on ? kSlowness : 1});
  } else {
    auto const chance = on ? kErrorChance : 0;
    disk.set_error_chance(chance, chance, chance);
    member.unreadable = on;
    member.was_unreadable = true;
    if (on && member.must_have) checker_->may_forget(member);
  }
}

void SwarmRun::set_clock(Member& member, FaultEvent const& event, bool wrong) {
  Draws draws{event.salt, 0, 0};
  auto const by = draws.between(-kClockWrongMost, kClockWrongMost);
  member.host->jump_clock(wrong ? by : -by);
}

/// Who is cut off is drawn for each peer alone, so that it is the same in a smaller run.
sim::PartitionId SwarmRun::split(FaultEvent const& event) {
  Draws draws{event.salt, 0, 0};
  auto const share = kIslandLeast + draws.fraction() * (kIslandMost - kIslandLeast);
  std::vector<sim::Host*> island;
  std::vector<sim::Host*> mainland;
  for (auto const& seed : seeds_) mainland.push_back(seed.host);
  if (tracker_host_ != nullptr) mainland.push_back(tracker_host_);
  for (auto const& member : members_) {
    Draws own{event.salt, 1, member->number};
    (own.fraction() < share ? island : mainland).push_back(member->host);
  }
  return network_.partition(island, mainland);
}

void SwarmRun::rot(Member& member, FaultEvent const& event) {
  auto const offset = event.salt % scenario_.file_bytes;
  if (!member.host->disk().flip_bit(checker_->content_path(), offset,
                                    static_cast<unsigned>(event.salt >> 60 & 7)))
    return;
  checker_->rotted(member, static_cast<std::uint32_t>(offset / scenario_.piece_bytes));
}

}  // namespace mutirao::scenario
