#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/base/units.h"

namespace mutirao::scenario {

/// What can go wrong in a run, by name.
enum class FaultKind : std::uint8_t {
  churn,           ///< a peer leaves properly and comes back
  kill,            ///< its process is killed; the machine goes on
  crash,           ///< its power is cut: what was not synced is at risk
  isolate,         ///< nothing reaches it and nothing leaves it
  partition,       ///< a part of the peers is cut off from all others
  full_disk,       ///< no write finds room
  slow_disk,       ///< every call takes a hundred times as long
  disk_errors,     ///< one call in ten fails
  bit_rot,         ///< a bit of the file turns over, silently
  tracker_down,    ///< the tracker can't be reached
  clock_jump,      ///< its civil clock is wrong by up to a day
  address_change,  ///< it is off the network and comes back with another address
  router_reboot,   ///< the router that it stands behind is off, and has forgotten all
};
inline constexpr std::size_t kFaultKinds = 13;

[[nodiscard]] std::string_view to_string(FaultKind kind) noexcept;
[[nodiscard]] std::array<FaultKind, kFaultKinds> all_fault_kinds() noexcept;

/// How often and for how long.
struct FaultPlan {
  /// For each peer; of partition and tracker_down for the whole run. 0: never.
  double per_minute = 0;
  Duration least = 1s;
  Duration most = 20s;
  friend bool operator==(FaultPlan const&, FaultPlan const&) = default;
};

/// What a peer may stand behind, by name. The NATs are the kinds of RFC 4787 that people speak of.
enum class GatewayKind : std::uint8_t {
  full_cone,              ///< a NAT that lets in whoever knows an external port in use
  address_restricted,     ///< lets in, from any port, whom the peer has sent to
  port_restricted,        ///< lets in answers only
  symmetric,              ///< another external port for each whom the peer sends to
  symmetric_predictable,  ///< the next one after the last
  leaky,                  ///< a Linux router that only masquerades
  carrier,                ///< a NAT of its own behind that of its provider, which many share
  no_inbound,             ///< no NAT, but a firewall that lets in answers only
  no_udp,                 ///< no NAT, but a firewall that stops all datagrams
};
inline constexpr std::size_t kGatewayKinds = 9;

[[nodiscard]] std::string_view to_string(GatewayKind kind) noexcept;
[[nodiscard]] std::array<GatewayKind, kGatewayKinds> all_gateway_kinds() noexcept;

/// A story for a simulated network: who takes part, what lies between them, what goes wrong, and
/// what must be true in the end. Read from TOML; docs/reference/scenarios.md explains each key.
///
/// A run has two phases. In the *safety phase* faults happen, and nothing wrong may ever be claimed
/// or kept. Then all faults end, and in the *liveness phase* everybody must reach the goal.
struct Scenario {
  std::string title;
  std::string program = "swarm";  ///< what the hosts run
  std::uint64_t peers = 60;       ///< that fetch
  std::uint64_t seeds = 1;        ///< that have the file from the start

  std::uint64_t file_bytes = 1_MiB;
  std::uint64_t piece_bytes = 32_KiB;
  std::string format = "hybrid";  ///< v1, v2 or hybrid

  bool tracker = true;
  std::uint64_t answer_max = 50;  ///< peers that the tracker names at a time
  std::uint64_t known_peers = 0;  ///< addresses that each peer is given, those of seeds first
  Duration arrival = 60s;         ///< peers come one by one in this time

  std::uint64_t connections = 30;  ///< of each peer
  std::uint64_t uploads = 8;       ///< peers that each serves at a time

  Duration latency = 20ms;
  Duration jitter = 5ms;
  double loss = 0;
  std::uint64_t uplink_bytes_per_s = 1'000'000;
  std::uint64_t downlink_bytes_per_s = 4'000'000;

  /// Share of the peers behind each; whoever is behind none stands on the Internet itself.
  std::array<double, kGatewayKinds> gateways{};

  Duration safety = 120s;
  Duration liveness_max = 600s;

  /// Each seed leaves out a part of the faults, as drawn: what one hides another one shows.
  bool draw_faults = false;
  std::array<FaultPlan, kFaultKinds> faults{};
  /// Of the faults by name (World::maybe), chance of each that a seed has it.
  double named_faults = 0;
  std::vector<std::string> named_faults_forbidden;  ///< no seed has these

  [[nodiscard]] FaultPlan& fault(FaultKind kind) noexcept {
    return faults[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] FaultPlan const& fault(FaultKind kind) const noexcept {
    return faults[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] double& share_behind(GatewayKind kind) noexcept {
    return gateways[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] double share_behind(GatewayKind kind) const noexcept {
    return gateways[static_cast<std::size_t>(kind)];
  }
  friend bool operator==(Scenario const&, Scenario const&) = default;
};

/// Limits of the parser.
inline constexpr std::size_t kScenarioBytesMax = 64 << 10;
inline constexpr std::size_t kScenarioKeysMax = 256;
inline constexpr std::size_t kScenarioDepthMax = 4;

/// Strict: an unknown key, a wrong type and a value out of range are errors that name `file`, line
/// and key, with the mend.
[[nodiscard]] Result<Scenario> parse_scenario(std::string_view text, std::string_view file);

/// "network.loss=0.05", as on the command line.
Result<void> set_key(Scenario& scenario, std::string_view assignment);

/// What parse_scenario() reads again to the same. Keys at their defaults are left out.
[[nodiscard]] std::string to_toml(Scenario const& scenario);
/// All keys with their values, and what each is for.
[[nodiscard]] std::string to_commented_toml(Scenario const& scenario);

/// A scenario that the program brings along.
struct ShippedScenario {
  std::string_view name;
  std::string_view text;
};
[[nodiscard]] std::span<ShippedScenario const> shipped_scenarios() noexcept;

}  // namespace mutirao::scenario
