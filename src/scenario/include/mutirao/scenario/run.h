#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/scenario/scenario.h"

namespace mutirao::scenario {

/// How a run can go wrong. A failure is the same failure when it is of the same kind.
enum class FailureKind : std::uint8_t {
  wrong_claim,    ///< a peer claims bytes that are wrong on its disk
  wrong_bytes,    ///< a peer sent bytes that do not match their hash
  lost_verified,  ///< a crash took more than the last second of verified work
  lost_torrent,   ///< a torrent that was added is gone after a restart
  stray_file,     ///< a file outside the folders of the node
  incomplete,     ///< not everybody had the whole file in time
  wrong_file,     ///< a peer is complete and its file is wrong
};
[[nodiscard]] std::string_view to_string(FailureKind kind) noexcept;

struct Failure {
  FailureKind kind;
  Duration at;       ///< virtual time
  std::string what;  ///< who, what, where
};

/// Somebody who did not reach the goal; keys as in the JSON of a transfer.
struct Waiting {
  std::string host;
  std::string phase;
  std::string why;
  std::string mend;
  Duration since{};
  std::uint64_t bytes_verified = 0;
  std::uint64_t bytes_total = 0;
  std::uint32_t peers_connected = 0;
  std::uint32_t peers_known = 0;
};

/// A fault by name that a seed has.
struct NamedFault {
  std::string name;
  std::uint64_t fired = 0;
};

/// One event of the trace.
struct TracedEvent {
  std::uint64_t number = 0;  ///< from 1
  std::string what;          ///< when, who, what
};

struct Report {
  std::uint64_t seed = 0;
  std::uint64_t trace_hash = 0;
  std::uint64_t trace_events = 0;
  Duration virtual_time{};
  bool interrupted = false;  ///< the observer, or `until`, ended it early: nobody had to be done

  std::uint64_t peers = 0;
  std::uint64_t complete = 0;
  std::optional<Duration> completion_p50;  ///< from a peer's arrival to its complete file
  std::optional<Duration> completion_p99;
  double seed_copies = 0;  ///< of the file, sent by the seeds
  std::uint64_t downloaded = 0;
  std::uint64_t uploaded = 0;  ///< by all, seeds included
  std::uint64_t wasted = 0;
  std::uint64_t wrong = 0;
  std::array<bool, kFaultKinds> faults_on{};
  std::array<std::uint64_t, kFaultKinds> faults_fired{};
  std::vector<NamedFault> named_faults;               ///< by name
  std::array<std::uint64_t, kGatewayKinds> behind{};  ///< peers behind each
  std::uint64_t denied = 0;                           ///< packets that routers did not let pass

  std::vector<TracedEvent> events;  ///< those that were asked for

  std::vector<Failure> failures;  ///< the first ones, at most kFailuresMax
  std::uint64_t failures_total = 0;
  std::vector<Waiting> waiting;  ///< at most kWaitingMax of those who are not complete

  static constexpr std::size_t kFailuresMax = 20;
  static constexpr std::size_t kWaitingMax = 20;
  [[nodiscard]] bool ok() const noexcept { return failures_total == 0; }
};

struct Progress {
  Duration virtual_time{};
  bool liveness = false;  ///< faults have ended
  std::uint64_t peers = 0;
  std::uint64_t complete = 0;
  std::uint64_t trace_events = 0;
};

/// Events of a trace, both ends included.
struct EventRange {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};
inline constexpr std::uint64_t kEventsMax = 1'000'000;  ///< that a report holds

/// "1000..1100".
[[nodiscard]] std::optional<EventRange> parse_events(std::string_view text);

struct RunOptions {
  std::uint64_t seed = 1;
  std::optional<Duration> until{};  ///< ends the run at that virtual time
  /// Tells these events in the report, and ends the run soon after the last one. At most
  /// kEventsMax.
  std::optional<EventRange> events{};
  /// Told twice a virtual second; false ends the run.
  std::function<bool(Progress const&)> observe{};
};

/// Plays a scenario in a simulated network, from a plain LWP. The same scenario and seed give the
/// same report.
[[nodiscard]] Report run_scenario(Scenario const& scenario, RunOptions options);

/// "churn 14, crash 9": how often each fault came that the run had; "none".
[[nodiscard]] std::string faults_text(Report const& report);
/// For people. `wall_s` 0: not told.
[[nodiscard]] std::string report_text(Scenario const& scenario, Report const& report,
                                      double wall_s);
/// One line; docs/reference/json.md names the keys.
[[nodiscard]] std::string report_json(Scenario const& scenario, Report const& report,
                                      double wall_s);

}  // namespace mutirao::scenario
