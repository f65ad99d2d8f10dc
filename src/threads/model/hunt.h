#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "explorer.h"

namespace mutirao::model {

/// What became of one planted flaw.
struct found_flaw {
  mutation planted;
  bool found = false;
};

/// What became of a scenario and of the flaws that were planted in it.
struct proof {
  report sound;
  std::vector<found_flaw> flaws;
  [[nodiscard]] std::size_t found() const noexcept;
  [[nodiscard]] bool found(std::string_view function, flaw kind) const noexcept;
};
/// A limit for scenarios that take long; none when MUTIRAO_MODEL=all is set.
[[nodiscard]] std::uint64_t unless_all(std::uint64_t executions_max) noexcept;

/// Explores `scenario` as it is, which must hold, and prints what was explored; then once more with
/// each flaw that can be planted in `files` (names of sources), and prints which were found.
[[nodiscard]] proof prove(std::string_view name, std::function<void(execution&)> const& scenario,
                          std::vector<std::string_view> const& files, options chosen = {});

}  // namespace mutirao::model
