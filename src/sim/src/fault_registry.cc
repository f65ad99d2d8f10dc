#include "fault_registry.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace mutirao::sim {

FaultPoint::FaultPoint(std::string_view name, bool enabled, std::uint64_t seed, Noted const& noted)
    : name_{name}, enabled_{enabled}, random_{seed, fmt::format("fault {}", name)}, noted_{noted} {}

bool FaultPoint::draw(double chance) {
  if (!random_.chance(chance)) return false;
  ++fired_;
  noted_(name_);
  return true;
}

FaultRegistry::FaultRegistry(FaultOptions options, std::uint64_t seed, FaultPoint::Noted noted)
    : options_{std::move(options)}, seed_{seed}, noted_{std::move(noted)} {}

bool FaultRegistry::is_forbidden(std::string_view name) const {
  return std::ranges::find(options_.forbidden, name) != options_.forbidden.end();
}

/// Drawn from the name alone, not in the order in which names are first asked for: what a run does
/// must not change which faults it has.
bool FaultRegistry::draws(std::string_view name) const {
  if (std::ranges::find(options_.forced, name) != options_.forced.end()) return true;
  return SeededEntropy{seed_, fmt::format("has fault {}", name)}.chance(options_.share);
}

FaultPoint& FaultRegistry::point(std::string_view name) {
  if (auto const found = points_.find(name); found != points_.end()) return found->second;
  auto const enabled = !is_forbidden(name) && draws(name);
  auto& added = points_.try_emplace(std::string{name}, name, enabled, seed_, noted_).first->second;
  if (stopped_) added.stop();
  return added;
}

void FaultRegistry::stop() noexcept {
  stopped_ = true;
  for (auto& [name, point] : points_) point.stop();
}

std::vector<FaultCount> FaultRegistry::counts() const {
  std::vector<FaultCount> all;
  all.reserve(points_.size());
  for (auto const& [name, point] : points_) all.push_back(point.count());
  return all;
}

}  // namespace mutirao::sim
