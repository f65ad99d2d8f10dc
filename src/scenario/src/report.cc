#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/scenario/run.h"

namespace mutirao::scenario {
namespace {

double in_seconds(Duration duration) { return std::chrono::duration<double>{duration}.count(); }

std::string amounts_text(Report const& report) {
  return fmt::format("{} received ({} wasted, {} of it wrong), {} sent, {:.1f} copies by the seeds",
                     base::format_bytes(report.downloaded), base::format_bytes(report.wasted),
                     base::format_bytes(report.wrong), base::format_bytes(report.uploaded),
                     report.seed_copies);
}

std::string quoted_json(std::string_view text) {
  std::string out = "\"";
  for (unsigned char const c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + '"';
}

std::string seconds_or_null(std::optional<Duration> const& time) {
  return time ? fmt::format("{:.3f}", in_seconds(*time)) : "null";
}

std::string failures_json(Report const& report) {
  std::string list;
  for (auto const& failure : report.failures)
    list +=
        fmt::format("{}{{\"kind\":\"{}\",\"at_s\":{:.3f},\"what\":{}}}", list.empty() ? "" : ",",
                    to_string(failure.kind), in_seconds(failure.at), quoted_json(failure.what));
  return list;
}

std::string waiting_json(Report const& report) {
  std::string list;
  for (auto const& who : report.waiting)
    list += fmt::format(
        "{}{{\"host\":{},\"phase\":\"{}\",\"why\":{},\"mend\":{},\"since_s\":{:.3f},"
        "\"bytes_verified\":{},\"bytes_total\":{},\"peers_connected\":{},\"peers_known\":{}}}",
        list.empty() ? "" : ",", quoted_json(who.host), who.phase, quoted_json(who.why),
        quoted_json(who.mend), in_seconds(who.since), who.bytes_verified, who.bytes_total,
        who.peers_connected, who.peers_known);
  return list;
}

/// How often what happened.
using Counts = std::vector<std::pair<std::string_view, std::uint64_t>>;

Counts behind(Report const& report) {
  Counts counts;
  for (auto const kind : all_gateway_kinds())
    if (auto const peers = report.behind[static_cast<std::size_t>(kind)]; peers > 0)
      counts.emplace_back(to_string(kind), peers);
  return counts;
}

Counts faults(Report const& report) {
  Counts counts;
  for (auto const kind : all_fault_kinds())
    if (report.faults_on[static_cast<std::size_t>(kind)])
      counts.emplace_back(to_string(kind), report.faults_fired[static_cast<std::size_t>(kind)]);
  for (auto const& each : report.named_faults) counts.emplace_back(each.name, each.fired);
  return counts;
}

std::string counts_text(Counts const& counts) {
  std::string text;
  for (auto const& [name, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
  return text;
}

std::string counts_json(Counts const& counts) {
  std::string list;
  for (auto const& [name, count] : counts)
    list += fmt::format("{}\"{}\":{}", list.empty() ? "" : ",", name, count);
  return list;
}

}  // namespace

std::string faults_text(Report const& report) {
  auto const text = counts_text(faults(report));
  return text.empty() ? "none" : text;
}

std::string report_text(Scenario const& scenario, Report const& report, double wall_s) {
  auto text = fmt::format("seed {}: {} of {} peers complete{}\n", report.seed, report.complete,
                          report.peers, report.interrupted ? " when it was ended" : "");
  if (!scenario.title.empty()) text += fmt::format("  scenario    {}\n", scenario.title);
  if (report.completion_p50)
    text += fmt::format("  completion  p50 {}, p99 {} after arrival\n",
                        base::format_duration(*report.completion_p50),
                        base::format_duration(*report.completion_p99));
  text += fmt::format("  bytes       {}\n", amounts_text(report));
  text += fmt::format("  faults      {}\n", faults_text(report));
  if (auto const places = counts_text(behind(report)); !places.empty())
    text += fmt::format("  behind      {}; {} packets denied\n", places, report.denied);
  text += fmt::format("  time        {} virtual, {} events{}\n",
                      base::format_duration(report.virtual_time), report.trace_events,
                      wall_s > 0
                          ? fmt::format(", {:.1f} s here ({:.0f} events/s, {:.1f} times as fast)",
                                        wall_s, static_cast<double>(report.trace_events) / wall_s,
                                        in_seconds(report.virtual_time) / wall_s)
                          : std::string{});
  text += fmt::format("  trace       {:016x}\n", report.trace_hash);
  for (auto const& failure : report.failures)
    text += fmt::format("  failed      {} at {:.1f} s: {}\n", to_string(failure.kind),
                        in_seconds(failure.at), failure.what);
  if (report.failures_total > report.failures.size())
    text += fmt::format("  failed      and {} more times\n",
                        report.failures_total - report.failures.size());
  return text;
}

std::string report_json(Scenario const& scenario, Report const& report, double wall_s) {
  return fmt::format(
      "{{\"scenario\":{},\"seed\":{},\"trace_hash\":\"{:016x}\",\"trace_events\":{},"
      "\"virtual_s\":{:.3f},\"wall_s\":{:.3f},\"interrupted\":{},\"peers\":{},\"complete\":{},"
      "\"completion_p50_s\":{},\"completion_p99_s\":{},\"seed_copies\":{:.3f},\"downloaded\":{},"
      "\"uploaded\":{},\"wasted\":{},\"wrong\":{},\"faults\":{{{}}},\"behind\":{{{}}},"
      "\"denied\":{},\"failures\":[{}],\"failures_total\":{},\"waiting\":[{}],\"ok\":{}}}",
      quoted_json(scenario.title), report.seed, report.trace_hash, report.trace_events,
      in_seconds(report.virtual_time), wall_s, report.interrupted, report.peers, report.complete,
      seconds_or_null(report.completion_p50), seconds_or_null(report.completion_p99),
      report.seed_copies, report.downloaded, report.uploaded, report.wasted, report.wrong,
      counts_json(faults(report)), counts_json(behind(report)), report.denied,
      failures_json(report), report.failures_total, waiting_json(report), report.ok());
}

}  // namespace mutirao::scenario
