#pragma once

#include <memory>
#include <optional>

#include "connection.h"
#include "fabric.h"
#include "listener.h"
#include "wait_list.h"

namespace mutirao::sim {

/// One attempt to connect: SYN, SYN-ACK, ACK, each a packet of the network.
///
/// The connecting side is connected after one round trip, the accepting one half a round trip
/// later. A SYN that gets no answer is sent again after 1 s, 2 s, 4 s... (RFC 6298), six times as
/// Linux does. A host without such a listener answers at once: refused.
class Handshake : public std::enable_shared_from_this<Handshake> {
 public:
  Handshake(Fabric& fabric, Station& from, world::Endpoint local, Station* to,
            world::Endpoint remote)
      : fabric_{fabric}, from_{from}, local_{local}, to_{to}, remote_{remote} {}

  Result<std::shared_ptr<Connection>> run(Deadline deadline);
  /// The connecting host has crashed.
  void crash() noexcept;

 private:
  void send_syn();
  void answer_syn();
  void answer_syn_ack(std::shared_ptr<ListenerState> listener);
  void take_ack(std::shared_ptr<ListenerState> const& listener,
                std::shared_ptr<Connection> connection);
  void end(Error error);
  [[nodiscard]] bool lost_to_peer();
  [[nodiscard]] bool over() const noexcept { return abandoned_ || failure_ || connection_; }

  Fabric& fabric_;
  Station& from_;
  world::Endpoint local_;
  Station* to_;  ///< null: the address leads nowhere
  world::Endpoint remote_;
  unsigned tries_ = 0;
  bool answered_ = false;
  bool abandoned_ = false;
  std::optional<Error> failure_;
  std::shared_ptr<Connection> connection_;
  WaitList waiting_;
};

}  // namespace mutirao::sim
