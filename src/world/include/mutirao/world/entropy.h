#pragma once

#include <cstdint>

#include "mutirao/base/bytes.h"

namespace mutirao::world {

/// Randomness. The kernel's in the real world, a function of the seed in a simulated one.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(MutableBytes bytes) = 0;

  [[nodiscard]] std::uint64_t next();
  /// Uniform in [0, bound); bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
  /// True with that probability.
  [[nodiscard]] bool chance(double probability);
};

}  // namespace mutirao::world
