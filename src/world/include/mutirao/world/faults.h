#pragma once

#include <string_view>

namespace mutirao::world {

/// Who decides whether a fault by name happens; see World::maybe. There is none in the real world.
class FaultSource {
 public:
  virtual ~FaultSource() = default;
  [[nodiscard]] virtual bool fires(std::string_view name, double chance) = 0;
};

}  // namespace mutirao::world
