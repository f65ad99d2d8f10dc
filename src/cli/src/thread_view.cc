#include "thread_view.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "mutirao/base/units.h"

#include "text.h"

namespace mutirao::cli {
namespace {

using threads::thread_info;
using threads::thread_state;

constexpr std::size_t kLongestShown = 10;
constexpr std::size_t kNameColumns = 40;
constexpr std::size_t kWaitColumns = 48;

std::string counts(threads::runtime_report const& report) {
  std::array<std::size_t, 4> count{};
  for (auto const& each : report.threads) ++count[static_cast<std::size_t>(each.state)];
  auto const& info = report.info;
  return fmt::format(
      "{} threads: {} running, {} ready, {} parked, {} blocked; {} processors, {} LWPs, {} in "
      "blocking calls, {} at rest",
      report.threads.size(), count[0], count[1], count[2], count[3], info.processors, info.lwps,
      info.lwps_blocked, info.lwps_resting);
}

std::vector<std::string> row(thread_info const& thread, bool indented) {
  auto const name = std::string(indented ? 2 * thread.depth : 0, ' ') + printable(thread.name);
  return {std::to_string(thread.id),
          cut_to(name, kNameColumns),
          std::string{threads::to_string(thread.state)} +
              (thread.stop_requested ? ", asked to stop" : ""),
          base::format_duration(thread.since),
          base::format_duration(thread.age),
          cut_to(printable(thread.wait), kWaitColumns)};
}

std::vector<std::string> heads() { return {"ID", "THREAD", "STATE", "FOR", "AGE", "WAITS FOR"}; }

double rate(std::uint64_t now, std::uint64_t before, Duration passed) {
  double const seconds = std::chrono::duration<double>{passed}.count();
  return seconds > 0 && now > before ? static_cast<double>(now - before) / seconds : 0;
}

/// "readable 20, timer 5", most first.
std::string waits(std::vector<thread_info> const& all) {
  std::map<threads::wait_kind, std::size_t> count;
  for (auto const& each : all)
    if (each.state == thread_state::parked) ++count[each.waits_for];
  std::vector<std::pair<threads::wait_kind, std::size_t>> sorted(count.begin(), count.end());
  std::ranges::stable_sort(sorted, std::ranges::greater{},
                           [](auto const& each) { return each.second; });
  std::string text;
  for (auto const& [kind, threads] : sorted)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", threads::to_string(kind), threads);
  return text.empty() ? "nothing" : text;
}

void add_lines(std::vector<std::string>& lines, std::string const& text) {
  std::istringstream stream{text};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
}
}  // namespace

std::string thread_list(threads::runtime_report const& report) {
  auto const& info = report.info;
  std::vector<std::vector<std::string>> rows{heads()};
  for (auto const& each : report.threads) rows.push_back(row(each, true));
  return fmt::format(
      "{}\n{} switches, {} steals, {} stalls, {} LWPs refused; stacks guarded by {}, files by "
      "{}\n\n{}",
      counts(report), info.switches, info.steals, info.stalls, info.lwps_refused, info.guard,
      info.files, table(rows));
}

std::vector<std::string> thread_top(threads::runtime_report const& report,
                                    std::optional<threads::runtime_report> const& before,
                                    Duration passed) {
  std::vector<std::string> lines{counts(report)};
  for (std::size_t i = 0; i < report.processors.size(); ++i) {
    auto const& each = report.processors[i];
    auto line = fmt::format("processor {}: {} queued", each.index, each.queued);
    if (before && i < before->processors.size()) {
      auto const& past = before->processors[i];
      line += fmt::format(", {:.0f} switches/s, {:.0f} steals/s",
                          rate(each.switches, past.switches, passed),
                          rate(each.steals, past.steals, passed));
    }
    if (each.in_blocking_call) line += ", its LWP is in a blocking call";
    lines.push_back(std::move(line));
  }
  lines.push_back("parked for: " + waits(report.threads));

  // A busy or a blocked thread is news; of the parked, who has waited longest.
  auto shown = report.threads;
  std::ranges::stable_sort(shown, [](thread_info const& a, thread_info const& b) {
    bool const a_parked = a.state == thread_state::parked;
    bool const b_parked = b.state == thread_state::parked;
    return a_parked != b_parked ? b_parked : a.since > b.since;
  });
  if (shown.size() > kLongestShown) shown.resize(kLongestShown);
  std::vector<std::vector<std::string>> rows{heads()};
  for (auto const& each : shown) rows.push_back(row(each, false));
  add_lines(lines, table(rows));
  return lines;
}

}  // namespace mutirao::cli
