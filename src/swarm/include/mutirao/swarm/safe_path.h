#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"

namespace mutirao::swarm {

/// Turns the path components of a torrent into a relative path that can't leave the target folder:
/// refuses "..", ".", empty ones, '/', '\\', NUL and control characters, names above 255 bytes,
/// paths above 4096 bytes and more than 64 folders; text that is not UTF-8 is refused with its
/// position.
[[nodiscard]] Result<std::string> safe_path(std::span<std::string_view const> components);

/// Refuses a list in which two paths differ only by case, or one is a folder of another.
[[nodiscard]] Result<void> check_collisions(std::span<std::string const> paths);

}  // namespace mutirao::swarm
