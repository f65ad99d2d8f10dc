#pragma once

#include <cstddef>
#include <string>

namespace soak {

/// What this process holds of the system, as /proc tells it.
struct Footprint {
  std::size_t resident_kib = 0;
  std::size_t lwps = 0;
  std::size_t descriptors = 0;
  std::size_t mappings = 0;
};

[[nodiscard]] Footprint footprint();

/// The larger of each.
[[nodiscard]] Footprint larger(Footprint const& a, Footprint const& b);

[[nodiscard]] std::string to_string(Footprint const& one);

}  // namespace soak
