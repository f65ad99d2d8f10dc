#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/sim/faults.h"
#include "mutirao/world/faults.h"

#include "random.h"

namespace mutirao::sim {

/// One fault by name, in one run. It draws from a stream of its own, so that a fault which comes
/// once more, or is forbidden, leaves the draws of all others as they were.
class FaultPoint {
 public:
  /// Told of each time that one fires.
  using Noted = std::function<void(std::string_view)>;

  FaultPoint(std::string_view name, bool enabled, std::uint64_t seed, Noted const& noted);

  [[nodiscard]] bool fires(double chance) {
    ++asked_;
    return enabled_ && !stopped_ && draw(chance);
  }
  /// For how strong it is.
  [[nodiscard]] SeededEntropy& random() noexcept { return random_; }

  [[nodiscard]] FaultCount count() const { return {name_, enabled_, asked_, fired_}; }
  void stop() noexcept { stopped_ = true; }

 private:
  [[nodiscard]] bool draw(double chance);

  std::string name_;
  bool enabled_;
  bool stopped_ = false;
  std::uint64_t asked_ = 0;
  std::uint64_t fired_ = 0;
  SeededEntropy random_;
  Noted const& noted_;
};

/// The faults by name of one run: which of them its seed has, and how often each came.
class FaultRegistry final : public world::FaultSource {
 public:
  FaultRegistry(FaultOptions options, std::uint64_t seed, FaultPoint::Noted noted);

  [[nodiscard]] bool fires(std::string_view name, double chance) override {
    return point(name).fires(chance);
  }
  /// Lives as long as the registry.
  [[nodiscard]] FaultPoint& point(std::string_view name);

  void stop() noexcept;
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  [[nodiscard]] std::vector<FaultCount> counts() const;

 private:
  [[nodiscard]] bool is_forbidden(std::string_view name) const;
  [[nodiscard]] bool draws(std::string_view name) const;

  FaultOptions options_;
  std::uint64_t seed_;
  FaultPoint::Noted noted_;
  bool stopped_ = false;
  std::map<std::string, FaultPoint, std::less<>> points_;
};

}  // namespace mutirao::sim
