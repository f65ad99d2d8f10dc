#pragma once

#include <memory>

#include "mutirao/base/result.h"
#include "mutirao/world/file_tree.h"

#include "descriptor.h"

namespace mutirao::world {

/// A folder of this host as a tree; `folder` is open with O_PATH.
[[nodiscard]] Result<std::unique_ptr<TreeNode>> make_real_tree(Descriptor folder);

}  // namespace mutirao::world
