#pragma once

#include <string_view>

#include "mutirao/base/result.h"

namespace mutirao::world {

/// The error of a system call, with the next thing to try where there is one. `step` names what was
/// done to what: "listen on 0.0.0.0:80".
[[nodiscard]] std::unexpected<Error> system_failure(int error_number, std::string_view step);

/// The same for the error that the calling thread has just got.
[[nodiscard]] std::unexpected<Error> system_failure(std::string_view step);

}  // namespace mutirao::world
