#pragma once

#include <string>

#include "mutirao/base/result.h"
#include "mutirao/middleware/attachment.h"
#include "mutirao/world/world.h"

namespace mutirao::node {

/// Stores what comes along as a new file, and gives its path. Nobody ever sees a part of it under
/// its name, and a crash leaves at most "NAME.part", which the next one of that name replaces. A
/// name that is taken, or that is no plain name, is refused before anything is asked for.
[[nodiscard]] Result<std::string> store_file(world::World& world, std::string const& folder,
                                             std::string const& name,
                                             middleware::Attachment const& content);

}  // namespace mutirao::node
