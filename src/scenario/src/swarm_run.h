#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/scenario/run.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/swarm/tracker.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"

#include "checker.h"
#include "member.h"
#include "places.h"
#include "timeline.h"

namespace mutirao::scenario {

/// The scenario "swarm": seeds that have a file, peers that fetch it, a tracker that introduces
/// them, and all that goes wrong. One thread for the life of each peer, one for the weather, one
/// that looks.
class SwarmRun {
 public:
  SwarmRun(Scenario const& scenario, RunOptions const& options, Timeline const& timeline,
           sim::Simulation& network, Report& report);
  /// On the first thread of the simulation.
  void run();

 private:
  enum class Phase { safety, liveness, over };
  struct Seed {
    sim::Host* host;
    std::unique_ptr<SwarmNode> node;
    swarm::TorrentId id;
  };

  void open_tracker(threads::scope& scope);
  void open_seeds();
  void add_members();
  [[nodiscard]] swarm::SwarmOptions node_options() const;
  [[nodiscard]] swarm::AddRequest request(std::vector<world::Endpoint> peers, bool whole) const;

  // --- the life of a member ---
  void live(Member& member);
  void enter(Member& member);
  void leave(Member& member);
  void die(Member& member, bool power);
  void strike(Member& member, FaultEvent const& event);
  void mend(Member& member);
  void account_for(Member& member);
  [[nodiscard]] std::vector<world::Endpoint> known_to(Member const& member) const;

  // --- the weather ---
  void weather();
  void begin(FaultEvent const& event);
  void end(FaultEvent const& event);
  void set_disk_fault(Member& member, FaultKind kind, bool on);
  void set_clock(Member& member, FaultEvent const& event, bool wrong);
  [[nodiscard]] sim::PartitionId split(FaultEvent const& event);
  void rot(Member& member, FaultEvent const& event);

  // --- looking ---
  void watch();
  void look();
  [[nodiscard]] bool all_complete() const;
  void set_phase(Phase phase);
  void conclude();
  [[nodiscard]] Waiting waiting(Member const& member) const;

  /// Until then, or until the phase is another one: false.
  bool wait_in(Phase phase, TimePoint until);
  void wait_while(Phase phase);
  void fired(FaultKind kind) { ++report_.faults_fired[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] TimePoint at(Duration since_start) const { return began_ + since_start; }

  Scenario const& scenario_;
  RunOptions const& options_;
  Timeline const& timeline_;
  sim::Simulation& network_;
  Report& report_;
  TimePoint began_;

  Places places_;
  Bytes truth_;
  std::shared_ptr<swarm::Metainfo const> metainfo_;
  sim::Host* tracker_host_ = nullptr;
  std::unique_ptr<swarm::Tracker> tracker_;
  std::unique_ptr<world::DatagramSocket> tracker_socket_;
  std::map<Duration, sim::PartitionId> partitions_;  // in force, by their begin
  std::vector<Seed> seeds_;
  std::vector<std::unique_ptr<Member>> members_;
  std::size_t mended_ = 0;  // members that are past their faults
  std::unique_ptr<Checker> checker_;

  threads::mutex mutex_;
  threads::condition_variable phase_changed_;
  Phase phase_ = Phase::safety;
};

}  // namespace mutirao::scenario
