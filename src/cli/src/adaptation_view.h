#pragma once

#include <string>
#include <vector>

#include "mutirao/middleware/adaptation_object.h"

/// How interceptors, components and changes look to a person. Pure.
namespace mutirao::cli {

[[nodiscard]] std::string interceptor_list(
    std::vector<middleware::InterceptorStatus> const& interceptors, std::uint64_t revision);
[[nodiscard]] std::string interceptor_kinds(
    std::vector<middleware::InterceptorStatus> const& kinds);
[[nodiscard]] std::string component_list(
    std::vector<middleware::ComponentStatus> const& components);
[[nodiscard]] std::string plan_text(middleware::Plan const& plan);
[[nodiscard]] std::string history_text(std::vector<middleware::AuditEntry> const& entries);

}  // namespace mutirao::cli
