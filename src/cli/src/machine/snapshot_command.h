#pragma once

#include "mutirao/world/world.h"

#include "commands.h"

namespace mutirao::cli {

/// `machine snapshot NAME FILE`: takes a machine that runs to disk.
[[nodiscard]] Result<void> snapshot_machine(Context const& context, world::World& world);

/// `machine restore FILE`: what `mutirao boot` is then to do, with the machine of the snapshot.
[[nodiscard]] Result<Context> restored_context(Context const& context, world::World& world);

}  // namespace mutirao::cli
