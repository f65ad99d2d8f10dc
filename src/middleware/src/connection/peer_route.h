#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mutirao/middleware/call.h"
#include "mutirao/net/tls_identity.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/world.h"

#include "connection/connection.h"

namespace mutirao::middleware {

/// The way to another node over one connection, made when it is needed.
class PeerRoute final : public Route {
 public:
  struct Parts {
    world::World& world;
    Dispatcher& dispatcher;
    threads::scope& connections;
    Connection::Options options;
    std::optional<net::TlsIdentity> identity;
  };
  PeerRoute(Parts parts, std::string address);

  Reply send(Call& call) override;
  [[nodiscard]] std::string where() const override { return address_; }

 private:
  /// One caller connects, the others wait for the outcome.
  Result<std::shared_ptr<Connection>> connection(Deadline deadline);
  Result<std::shared_ptr<Connection>> connect(Deadline deadline);

  Parts parts_;
  std::string address_;
  threads::mutex mutex_;
  threads::condition_variable settled_;
  std::shared_ptr<Connection> connection_;
  bool connecting_ = false;
};

}  // namespace mutirao::middleware
