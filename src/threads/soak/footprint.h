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

/// The same once only the calling LWP is left, or after 5 s: the kernel wakes who joins an LWP a
/// moment before it takes that LWP off its list.
[[nodiscard]] Footprint footprint_at_rest();

/// The larger of each.
[[nodiscard]] Footprint larger(Footprint const& a, Footprint const& b);

[[nodiscard]] std::string to_string(Footprint const& one);

}  // namespace soak
