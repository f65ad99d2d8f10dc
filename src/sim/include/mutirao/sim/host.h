#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/sim/disk_control.h"
#include "mutirao/sim/router.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/address.h"
#include "mutirao/world/world.h"

namespace mutirao::sim {

struct HostOptions {
  /// The router that it stands behind; null: on the Internet itself, where all is one flat network.
  Router* behind = nullptr;
  /// Besides loopback; when empty the host gets the next free one: of 10.0.0.0/8 on the Internet,
  /// of RouterOptions::inside behind a router.
  std::vector<world::IpAddress> addresses{};
  std::optional<std::uint64_t> uplink_bytes_per_s{};    ///< 0 = no limit; the network's when absent
  std::optional<std::uint64_t> downlink_bytes_per_s{};  ///< 0 = no limit; the network's when absent
  /// Whether it refuses connections that nobody listens for, and resets those that it does not
  /// know. Otherwise it is silent, as behind a host firewall that drops.
  bool answers_strangers = true;
  Duration clock_skew{0};  ///< of its civil clock
  double clock_drift = 0;  ///< seconds that its civil clock gains in each second
  DiskOptions disk{};
};

/// One machine of the simulation: its addresses, its disk, its entropy, its clock.
///
/// What runs on it sees a World. A crash ends that World, its *incarnation*, and restart() gives a
/// new one over what was left on the disk. An ended World stays allocated, so that threads which
/// still hold it may unwind, but all that they call fails.
class Host {
 public:
  virtual ~Host() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// The first of its addresses.
  [[nodiscard]] virtual world::IpAddress address() const noexcept = 0;
  [[nodiscard]] virtual bool is_up() const noexcept = 0;
  /// The World of the present incarnation; the host must be up.
  [[nodiscard]] virtual world::World& world() noexcept = 0;
  /// Only after a crash. What runs here by boot() is started again.
  virtual world::World& restart() = 0;
  /// Runs `program` on a thread in `scope`, now and again after each restart(), each time with the
  /// World of that incarnation. A crash asks it to stop, and the next one starts when it has
  /// returned. Once for each host; ends with the scope.
  virtual void boot(threads::scope& scope, std::function<void(world::World&)> program) = 0;
  [[nodiscard]] virtual DiskControl& disk() noexcept = 0;

  /// The civil clock alone: the monotonic one is the runtime's, by which all timers of the
  /// simulation run, and the same on every host.
  virtual void set_clock_skew(Duration skew) noexcept = 0;
  virtual void jump_clock(Duration by) noexcept = 0;
  /// From now on; 20e-6 is a usual quartz, 0 keeps the skew that there is.
  virtual void set_clock_drift(double drift) noexcept = 0;
  /// In bytes per second, 0 = no limit; from the next packet on.
  virtual void set_bandwidth(std::uint64_t uplink, std::uint64_t downlink) noexcept = 0;
};

}  // namespace mutirao::sim
