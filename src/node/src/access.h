#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/audit.h"
#include "mutirao/middleware/call.h"
#include "mutirao/net/tls_identity.h"
#include "mutirao/node/objects.h"
#include "mutirao/threads/mutex.h"

#include "state_db.h"

namespace mutirao::node {

/// Who may control a node from other machines: keys, each with a role.
///
/// A key that is not here does not come in, whatever was done to the node's chains. What it may do
/// inside is may(): an owner everything, a viewer what only reads. Programs of this machine that
/// use the control socket, which is its owner's alone, may do everything.
///
/// A change is in the audit log and in the database before it counts, and counts at once. Any
/// number of threads. `db` and `log` outlive this.
class Access {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Access>> open(StateDb& db, middleware::AuditLog& log);

  [[nodiscard]] bool knows(net::PublicKey const& key) const;
  /// A policy of middleware::Auth.
  [[nodiscard]] Result<void> may(middleware::Call const& call) const;

  [[nodiscard]] std::vector<AllowedKey> list() const;  ///< by name
  /// Replaces what the key had.
  Result<void> allow(AllowedKey wanted, std::string who);
  /// Named by itself or by its name. Its connections are for others to end.
  Result<AllowedKey> revoke(std::string_view key_or_name, std::string who);

 private:
  using Keys = std::map<net::PublicKey, AllowedKey>;
  Access(StateDb& db, middleware::AuditLog& log) noexcept : db_{db}, log_{log} {}
  Result<void> change(std::string what, std::string who, Keys next);

  StateDb& db_;
  middleware::AuditLog& log_;
  threads::mutex changing_;  // one change at a time
  mutable threads::mutex mutex_;
  Keys keys_;
};

}  // namespace mutirao::node
