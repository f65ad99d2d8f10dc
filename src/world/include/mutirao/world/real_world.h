#pragma once

#include <memory>

#include "mutirao/world/world.h"

namespace mutirao::world {

/// The kernel's network, disk, clocks and randomness. Make and use it on user threads of a runtime
/// that is not simulated; `log` outlives it.
[[nodiscard]] std::unique_ptr<World> make_real_world(base::Log& log);

}  // namespace mutirao::world
