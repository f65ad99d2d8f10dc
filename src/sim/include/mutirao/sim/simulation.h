#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/sim/faults.h"
#include "mutirao/sim/host.h"
#include "mutirao/sim/link.h"
#include "mutirao/sim/recording.h"
#include "mutirao/sim/router.h"
#include "mutirao/world/entropy.h"

namespace mutirao::sim {

struct SimulationOptions {
  std::uint64_t seed = 1;
  NetworkOptions network{};
  FaultOptions faults{};
  Recording* recording = nullptr;  ///< outlives the simulation
};

/// How a host ends. The defaults are a power cut; the contrary of both is a killed process.
struct CrashOptions {
  /// Its peers get a reset, as when the system outlives the process. Otherwise they hear nothing,
  /// and find out by silence or when they next send to the restarted host.
  bool reset_streams = false;
  /// What was not synced is at risk; see DiskControl.
  bool lose_unsynced = true;
};

/// Which way a partition cuts.
enum class Direction : std::uint8_t { both, one_way };
/// A partition between sets of hosts, until it is healed.
enum class PartitionId : std::uint8_t {};

/// A whole network of hosts in one process and in virtual time.
///
/// A failure that depends on what arrives first, or on what was on the disk when the power went,
/// appears once in a thousand runs and never again. Here every such choice is drawn from a seed,
/// and a run is a pure function of it: run() again with the same seed, and the same thing happens.
///
/// Everything runs on one LWP, so nothing here needs a lock. Call it from run()'s threads;
/// hosts, links and partitions may be set before run() too. What a simulation gave out (Worlds,
/// streams, files) must go before it does.
class Simulation {
 public:
  explicit Simulation(SimulationOptions options = {});
  ~Simulation();
  Simulation(Simulation const&) = delete;
  Simulation& operator=(Simulation const&) = delete;

  /// Runs `body` as the first user thread of a simulated runtime, until it has returned and every
  /// thread that it started has ended. Once for each simulation.
  void run(std::move_only_function<void(Simulation&)> body);

  [[nodiscard]] std::uint64_t seed() const noexcept;
  /// For the test itself: drawing from it does not disturb the hosts.
  [[nodiscard]] world::Entropy& entropy() noexcept;

  /// Names are host names for Network::resolve and must differ.
  Host& add_host(std::string name, HostOptions options = {});

  /// Ends the host's World: its streams and listeners are gone, and every further call through it
  /// fails with cancelled. The threads of the node are the caller's, who stops their scope.
  void crash(Host& host, CrashOptions options = {});
  [[nodiscard]] DiskControl& disk(Host& host) noexcept { return host.disk(); }

  /// What hosts may stand behind; see there.
  Router& add_router(std::string name, RouterOptions options = {});
  /// Gives a running host other addresses, perhaps behind another router, as when a laptop goes
  /// from one network to another. As in a kernel, streams of the old address fall silent and end by
  /// their own timeouts, datagrams from a socket bound to it fail, and sockets bound to any address
  /// go on.
  void move(Host& host, Router* behind, std::vector<world::IpAddress> addresses = {});

  /// Nothing passes between the two, in either direction, until healed.
  void partition(Host& a, Host& b);
  void heal(Host& a, Host& b);
  /// Nothing passes from any of the first to any of the second; nor back, when both ways. At most
  /// 64 such partitions are in force at once.
  PartitionId partition(std::vector<Host*> const& first, std::vector<Host*> const& second,
                        Direction direction = Direction::both);
  void heal(PartitionId partition);
  /// Cuts a host from all others, on top of partitions.
  void isolate(Host& host);
  void rejoin(Host& host);
  /// For so long from now: a cable pulled and plugged.
  void isolate(Host& host, Duration how_long);
  /// In that direction nothing arrives for so long from now, and then all at once.
  void clog(Host& from, Host& to, Duration how_long);

  /// Both directions between two hosts of one subnet: both on the Internet, or behind one router.
  /// What lies between others is that of their routers.
  void set_link(Host& a, Host& b, Link link);
  void set_link_one_way(Host& from, Host& to, Link link);
  /// Of all pairs that were given none.
  void set_default_link(Link link);

  [[nodiscard]] std::vector<Host*> hosts() const;

  /// A run has two phases. In the first, anything may go wrong, and a test asks that nothing false
  /// is ever said or lost (safety). This ends it: faults by name come no more,
  /// partitions, isolations and clogs end, disks recover, and each host that is down comes up;
  /// Host::boot() runs its program again. From then on the test may demand() that things
  /// get done (liveness). Links stay as they are: a slow or lossy network is no excuse.
  void stop_faults();
  [[nodiscard]] bool faults_stopped() const noexcept;

  /// Parks until `reached` says so, asking every `every`. When it has not after `within`, fails
  /// with timed_out, naming the goal and every thread with what it waits for.
  Result<void> demand(std::string_view goal, std::move_only_function<bool()> reached,
                      Duration within, Duration every = 1s);

  /// Every fault by name that was asked for, sorted by name.
  [[nodiscard]] std::vector<FaultCount> faults() const;

  /// A rolling hash of (virtual time, event, host) over every segment and datagram delivered, every
  /// connection and every disk call: equal seeds must give equal hashes.
  [[nodiscard]] std::uint64_t trace_hash() const noexcept;
  [[nodiscard]] std::uint64_t trace_events() const noexcept;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::sim
