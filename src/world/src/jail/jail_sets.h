#pragma once

#include <span>

#include "mutirao/world/jail.h"

namespace mutirao::world::jail {

/// The system calls of a set, by number, whatever their arguments are.
[[nodiscard]] std::span<int const> calls_of(Calls set) noexcept;

/// Those that look for a file by its name.
[[nodiscard]] std::span<int const> calls_that_name_files() noexcept;

}  // namespace mutirao::world::jail
