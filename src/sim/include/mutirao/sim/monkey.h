#pragma once

#include <memory>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/sim/disk_control.h"
#include "mutirao/sim/simulation.h"

namespace mutirao::sim {

/// One kind of trouble: how often it comes and how long it stays. Both are means of exponential
/// distributions, as for things that don't know of one another.
struct Disturbance {
  Duration every{0};  ///< for one host; zero: never
  Duration lasts{30s};
};

struct MonkeyOptions {
  Disturbance crashes{};        ///< power cuts: what was not synced is at risk
  Disturbance kills{};          ///< the process alone ends: peers get a reset, the disk keeps all
  Disturbance isolations{};     ///< one host is cut from all others
  Disturbance full_disks{};     ///< writes that need room fail
  Disturbance slow_disks{};     ///< as `slowness` says
  Disturbance failing_disks{};  ///< every call fails
  Disturbance clock_jumps{};    ///< by up to `clock_jump_max` either way, and back at the end
  /// Of the network, not of each host: it falls into two parts, drawn anew each time.
  Disturbance partitions{};

  DiskSlowness slowness{.factor = 20, .jitter = 20ms, .stall_chance = 0.02, .stall_max = 5s};
  Duration clock_jump_max = 24h;
  /// Crashes and kills that would take more of the hosts than that down at once do not happen.
  double down_share_max = 0.3;
};

/// Troubles hosts by chance: a function of the seed, so that what went wrong can be replayed.
///
/// A program that was only ever tested on machines that work will not survive those that do not.
/// The monkey draws, for each kind of trouble on its own, when and whom it strikes and when that
/// ends; Host::boot() starts and stops the programs as their hosts come and go. It rests when
/// faults stop (Simulation::stop_faults) and when it is destroyed: then all that it did is undone,
/// and the hosts that it took down are up again.
///
/// Simulation::faults() counts each kind: "monkey.crash", "monkey.kill", "monkey.isolation",
/// "monkey.full_disk", "monkey.slow_disk", "monkey.failing_disk", "monkey.clock_jump",
/// "monkey.partition". Those in FaultOptions::forbidden never come.
///
/// Make and destroy it on one user thread of the simulation.
class Monkey {
 public:
  Monkey(Simulation& simulation, std::vector<Host*> hosts, MonkeyOptions options);
  ~Monkey();
  Monkey(Monkey const&) = delete;
  Monkey& operator=(Monkey const&) = delete;

  /// No more trouble; returns when all that there was is undone. From any thread.
  void rest();

  struct State;

 private:
  Simulation& simulation_;
  std::shared_ptr<State> state_;
};

}  // namespace mutirao::sim
