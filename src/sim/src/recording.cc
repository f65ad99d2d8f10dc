#include "mutirao/sim/recording.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "mutirao/base/time.h"

#include "trace.h"

namespace mutirao::sim {

namespace {
constexpr std::array<std::string_view, 22> kKinds{
    "connected", "accepted",  "refused", "delivered", "ended",   "reset",   "silent",  "datagram",
    "opened",    "read",      "wrote",   "synced",    "resized", "renamed", "removed", "listed",
    "crashed",   "restarted", "denied",  "moved",     "fault",   "content"};
static_assert(kKinds.size() == static_cast<std::size_t>(TraceEvent::content) + 1);

constexpr std::size_t kShownBefore = 3;
}  // namespace

std::string Recording::describe(Event const& event) const {
  auto const host = hosts_.find(event.host);
  auto const since_start = Duration{event.when_ns} - kSimulationStart;
  return fmt::format("at {:.9f} s, {} {} ({:#x})",
                     std::chrono::duration<double>{since_start}.count(),
                     host != hosts_.end() ? host->second : fmt::format("#{}", event.host),
                     event.kind < kKinds.size() ? kKinds[event.kind] : "?", event.detail);
}

std::optional<std::string> first_difference(Recording const& first, Recording const& second) {
  std::size_t const shorter = std::min(first.size(), second.size());
  std::size_t at = 0;
  while (at < shorter && first[at] == second[at]) ++at;
  if (at == first.size() && at == second.size()) return std::nullopt;
  // The second may come from another process, without names.
  auto const line = [&](char const* whose, Recording const& run, std::size_t index) {
    return fmt::format("  {:7} {}\n", whose,
                       index < run.size() ? first.describe(run[index]) : "nothing more");
  };
  auto text = fmt::format("the runs differ from event {} of {} on\n", at, first.size());
  for (std::size_t i = at - std::min(at, kShownBefore); i < at; ++i) text += line("both", first, i);
  return text + line("first", first, at) + line("second", second, at);
}

}  // namespace mutirao::sim
