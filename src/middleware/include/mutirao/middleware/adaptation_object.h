#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/middleware/adaptation.h"
#include "mutirao/middleware/component.h"
#include "mutirao/middleware/interface.h"
#include "mutirao/middleware/servant.h"

/// Adaptation as an object, so that a node can be looked at and changed from elsewhere. On a port
/// that strangers reach, only behind a guard (ObjectOptions::guard).
namespace mutirao::middleware {

template <>
inline constexpr auto record_of<AuditEntry> =
    record("AuditEntry", field(1, "number", &AuditEntry::number),
           field(2, "time_ms", &AuditEntry::time_ms), field(3, "who", &AuditEntry::who),
           field(4, "what", &AuditEntry::what), field(5, "reason", &AuditEntry::reason),
           field(6, "outcome", &AuditEntry::outcome), field(7, "hash", &AuditEntry::hash));

using ComponentStatus = Assembly::Listed;
template <>
inline constexpr auto record_of<ComponentStatus> = record(
    "ComponentStatus", field(1, "name", &ComponentStatus::name),
    field(2, "kind", &ComponentStatus::kind), field(3, "about", &ComponentStatus::about),
    field(4, "state", &ComponentStatus::state), field(5, "ports", &ComponentStatus::ports),
    field(6, "needs", &ComponentStatus::needs), field(7, "needed_by", &ComponentStatus::needed_by),
    field(8, "swaps", &ComponentStatus::swaps), field(9, "restarts", &ComponentStatus::restarts),
    field(10, "on_probation", &ComponentStatus::on_probation),
    field(11, "why", &ComponentStatus::why));

struct AdaptationObject {
  static constexpr std::string_view kType = "Adaptation";
  static constexpr std::string_view kName = "adaptation";

  Method<"revision", std::uint64_t(), Reads> revision;
  Method<"interceptors", std::vector<InterceptorStatus>(), Reads> interceptors;
  Method<"kinds", std::vector<InterceptorStatus>(), Reads> kinds;
  Method<"components", std::vector<ComponentStatus>(), Reads> components;
  /// Not for those who may only look: it reads the files that the settings name.
  Method<"plan", Plan(std::vector<Edit>), Idempotent> plan;
  Method<"apply", std::uint64_t(std::vector<Edit>, ApplyOptions)> apply;
  Method<"confirm", void(std::uint64_t, std::string)> confirm;
  Method<"rollback", std::uint64_t(std::uint64_t, std::string, std::string)> rollback;
  Method<"history", std::vector<AuditEntry>(std::uint32_t), Reads> history;
};

/// Who is behind a call, for the audit log: what a program of this machine says of itself, and of
/// others what their connection knows.
[[nodiscard]] std::string who_calls(Call const& call, std::string said);

/// Both outlive the servant.
[[nodiscard]] std::shared_ptr<Servant> adaptation_servant(Adaptation& adaptation,
                                                          Assembly& assembly);

}  // namespace mutirao::middleware
