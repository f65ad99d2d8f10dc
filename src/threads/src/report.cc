// The state of a runtime as text.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/diagnostics.h"

#include "runtime_state.h"
#include "thread_list.h"

namespace mutirao::threads {

std::string_view to_string(thread_state state) noexcept {
  switch (state) {
    case thread_state::running:
      return "running";
    case thread_state::ready:
      return "ready";
    case thread_state::parked:
      return "parked";
    case thread_state::blocked:
      return "blocked";
  }
  return "unknown";
}

namespace {
std::string time_text(Duration duration) {
  double const seconds = std::chrono::duration<double>{duration}.count();
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  return seconds < 120 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} min", seconds / 60);
}

/// Names come from the program, and may contain what a peer has sent.
std::string printable_name(std::string_view name) {
  std::string text{name};
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}
}  // namespace

std::string thread_line(thread_info const& thread) {
  auto line = fmt::format("{:{}}{} (thread {}): {}", "", 2 * thread.depth,
                          printable_name(thread.name), thread.id, to_string(thread.state));
  if (!thread.wait.empty()) line += fmt::format(", waits for {}", printable_name(thread.wait));
  line += fmt::format(", for {}, {} old", time_text(thread.since), time_text(thread.age));
  if (thread.stop_requested) line += ", asked to stop";
  return line;
}

std::string to_text(runtime_report const& report) {
  auto const& info = report.info;
  std::array<std::size_t, 4> count{};
  for (auto const& each : report.threads) ++count[static_cast<std::size_t>(each.state)];
  auto text = fmt::format(
      "mutirao: {} threads: {} running, {} ready, {} parked, {} blocked; {} processors, {} LWPs, "
      "{} in blocking calls, {} at rest; {} switches, {} steals, {} stalls, {} LWPs refused; "
      "stacks "
      "guarded by {}, files by {}\n",
      report.threads.size(), count[0], count[1], count[2], count[3], info.processors, info.lwps,
      info.lwps_blocked, info.lwps_resting, info.switches, info.steals, info.stalls,
      info.lwps_refused, info.guard, info.files);
  for (auto const& each : report.processors)
    text += fmt::format("processor {}: {} queued, {} switches, {} steals{}\n", each.index,
                        each.queued, each.switches, each.steals,
                        each.in_blocking_call ? ", its LWP is in a blocking call" : "");
  for (auto const& each : report.threads) text += thread_line(each) + "\n";
  return text;
}

runtime_report report_of(runtime::state& state) {
  runtime_report report;
  report.info = info_of(state);
  for (auto const& each : state.processors) {
    report.processors.push_back(
        {.index = each->index,
         .queued = each->queue.size(),
         .switches = each->picks.load(std::memory_order_relaxed),
         .steals = each->steals.load(std::memory_order_relaxed),
         .in_blocking_call = each->hold.load(std::memory_order_relaxed) % 2 == 1});
  }
  report.threads = describe(state, list_threads(state));
  return report;
}

runtime_report runtime::report() const { return report_of(*state_); }

runtime_report this_runtime_report() {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr);
  return report_of(*here->scheduler);
}

}  // namespace mutirao::threads
