#pragma once

#include <span>
#include <string>
#include <string_view>

#include "mutirao/middleware/object_adapter.h"

namespace mutirao::middleware {

/// What the gateway offers, for tools (spec.openapis.org/oas/v3.1.0). Records become schemas by
/// their names; two that share one are told apart by a number.
[[nodiscard]] std::string openapi(std::string_view title,
                                  std::span<ObjectAdapter::Listed const> objects);

}  // namespace mutirao::middleware
