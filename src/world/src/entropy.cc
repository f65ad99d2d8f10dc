#include "mutirao/world/entropy.h"

#include <array>

#include "mutirao/base/check.h"

namespace mutirao::world {

std::uint64_t Entropy::next() {
  std::array<std::uint8_t, 8> bytes;
  fill(bytes);
  return base::load_be<std::uint64_t>(bytes);
}

std::uint64_t Entropy::below(std::uint64_t bound) {
  MUT_ASSERT(bound > 0);
  // Values past the last whole multiple of `bound` would make small results more likely.
  std::uint64_t const unfair = -bound % bound;
  std::uint64_t drawn = next();
  while (drawn < unfair) drawn = next();
  return drawn % bound;
}

bool Entropy::chance(double probability) {
  return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
}

}  // namespace mutirao::world
