#pragma once

#include "mutirao/base/result.h"
#include "mutirao/threads/park.h"

namespace mutirao::threads {

/// The error of a wait that its waker did not end.
[[nodiscard]] std::unexpected<Error> ended_wait(wake_reason reason);

}  // namespace mutirao::threads
