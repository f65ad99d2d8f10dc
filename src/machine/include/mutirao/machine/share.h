#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/world/file_tree.h"

namespace mutirao::machine {

/// A folder that the guest mounts by its tag: `mount -t virtiofs TAG /mnt`, or as its root with
/// "root=TAG rootfstype=virtiofs rw" on the kernel's command line.
struct Share {
  std::unique_ptr<world::TreeNode> folder;  ///< nothing outside of it is reached
  std::string tag;                          ///< 1 to 36 characters
  bool read_only = false;
};

/// What a person writes for one: FOLDER:TAG, or FOLDER:TAG:ro. The folder may have colons in it.
struct ShareText {
  std::string folder;
  std::string tag;
  bool read_only = false;
};
[[nodiscard]] Result<ShareText> parse_share(std::string_view text);

}  // namespace mutirao::machine
