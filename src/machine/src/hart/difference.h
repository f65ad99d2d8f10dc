#pragma once

#include <string>

#include "hart/hart.h"

namespace mutirao::machine {

/// The first place where two harts differ, with both values, "x10: 5 7"; empty when nothing that a
/// guest could see does.
[[nodiscard]] std::string difference(Hart const& one, Hart const& other);

}  // namespace mutirao::machine
