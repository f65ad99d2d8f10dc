#pragma once

#include <string_view>

#include "mutirao/base/result.h"

#include "machine/machine_object.h"

namespace mutirao::cli {

/// How a machine ended, from all that its monitor told (monitor.h) and the exit code of its
/// process, 128 and more for a signal. Fails with what the monitor says is wrong with the machine.
/// What a monitor tells may be what its guest wants it to: anything can stand there.
[[nodiscard]] Result<MachineEnd> end_told(std::string_view told, int code);

}  // namespace mutirao::cli
