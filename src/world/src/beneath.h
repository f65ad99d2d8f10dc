#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"

#include "descriptor.h"

namespace mutirao::world {

/// Paths that can't leave a folder.
///
/// A torrent, or another peer, names the files; a name like "../../.ssh/authorized_keys", or one
/// that goes through a symbolic link that was put there before, must not reach outside. The text is
/// checked first, and the kernel refuses links while it walks (openat2, RESOLVE_BENEATH).

/// The parts of a relative path; refuses empty ones, ".", "..", NUL, and what is too long.
[[nodiscard]] Result<std::vector<std::string>> split_path(std::string_view path);

/// The folder that `parts` names below `root`, opened for looking up names in it; with `create` it
/// is made where it is missing. A negative result is the negative error number.
[[nodiscard]] int open_folder_beneath(int root, std::vector<std::string> const& parts, bool create,
                                      bool readable);

}  // namespace mutirao::world
