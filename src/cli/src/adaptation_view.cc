#include "adaptation_view.h"

#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "text.h"

namespace mutirao::cli {
namespace {

std::string settings_of(middleware::InterceptorStatus const& one) {
  std::string text;
  for (auto const& [name, value] : one.settings)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", printable(name), printable(value));
  return text.empty() ? "-" : text;
}

std::string figures_of(middleware::InterceptorStatus const& one) {
  std::string text;
  for (auto const& [name, value] : one.figures)
    text += fmt::format("{}{} {}", text.empty() ? ": " : ", ", value, printable(name));
  return text;
}

std::string joined(std::vector<std::string> const& words) {
  return words.empty() ? "-" : printable(fmt::format("{}", fmt::join(words, ", ")));
}

}  // namespace

std::string interceptor_list(std::vector<middleware::InterceptorStatus> const& interceptors,
                             std::uint64_t revision) {
  std::vector<std::vector<std::string>> rows{
      {"SIDE", "PHASE", "NAME", "KIND", "SETTINGS", "WHAT IT DOES"}};
  for (auto const& each : interceptors)
    rows.push_back({each.side, each.phase, printable(each.name), printable(each.kind),
                    settings_of(each), printable(each.about) + figures_of(each)});
  return fmt::format("{}revision {}\n", table(rows), revision);
}

std::string interceptor_kinds(std::vector<middleware::InterceptorStatus> const& kinds) {
  std::vector<std::vector<std::string>> rows{{"KIND", "SIDE", "PHASE", "WHAT IT DOES (SETTINGS)"}};
  for (auto const& each : kinds)
    rows.push_back({printable(each.kind), each.side, each.phase, printable(each.about)});
  return table(rows);
}

std::string component_list(std::vector<middleware::ComponentStatus> const& components) {
  std::vector<std::vector<std::string>> rows{
      {"NAME", "KIND", "STATE", "NEEDS", "NEEDED BY", "SWAPS", "RESTARTS", "WHAT IT DOES"}};
  for (auto const& each : components) {
    auto state = each.state;
    if (each.on_probation) state += ", on probation";
    if (!each.why.empty()) state += fmt::format(" ({})", printable(each.why));
    rows.push_back({printable(each.name), printable(each.kind), state, joined(each.needs),
                    joined(each.needed_by), std::to_string(each.swaps),
                    std::to_string(each.restarts), printable(each.about)});
  }
  return table(rows);
}

std::string plan_text(middleware::Plan const& plan) {
  std::string text;
  for (auto const& step : plan.steps) text += fmt::format("would: {}\n", printable(step));
  text += fmt::format("server: {}\n", joined(plan.server));
  text += fmt::format("client: {}\n", joined(plan.client));
  text += fmt::format("message: {}\n", joined(plan.message));
  for (auto const& conflict : plan.conflicts)
    text += fmt::format("conflict: {}\n", printable(conflict));
  return text;
}

std::string history_text(std::vector<middleware::AuditEntry> const& entries) {
  std::vector<std::vector<std::string>> rows{{"NUMBER", "WHEN", "WHO", "WHAT", "WHY", "OUTCOME"}};
  for (auto const& each : entries) {
    std::chrono::sys_time<std::chrono::milliseconds> const when{
        std::chrono::milliseconds{each.time_ms}};
    rows.push_back(
        {std::to_string(each.number),
         fmt::format("{:%Y-%m-%d %H:%M:%S}", std::chrono::floor<std::chrono::seconds>(when)),
         printable(each.who), printable(each.what), printable(each.reason),
         printable(each.outcome)});
  }
  return table(rows);
}

}  // namespace mutirao::cli
