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
///
/// A SYN that comes to the very endpoint from which its target is connecting to its source meets
/// that attempt instead of a listener, and both become one connection: simultaneous open, RFC 9293
/// §3.5, which is how two hosts behind NATs connect.
class Handshake : public std::enable_shared_from_this<Handshake> {
 public:
  struct Outcome {
    std::shared_ptr<Connection> connection;
    int side;
  };
  Handshake(Fabric& fabric, Station& from, world::Endpoint local, world::Endpoint remote)
      : fabric_{fabric}, from_{from}, local_{local}, remote_{remote} {}

  Result<Outcome> run(Deadline deadline);
  /// The connecting host has crashed.
  void crash() noexcept;

 private:
  using ListenerRef = std::shared_ptr<ListenerState>;
  using HandshakeRef = std::shared_ptr<Handshake>;

  void send_syn();
  void follow(Way const& way, Header packet);
  void answer_syn(Station& at, Header packet);
  void refuse(Station& at, Header const& packet);
  void meet(Station& at, Header const& packet, HandshakeRef other);
  void answer_syn_ack(Station& at, Header const& packet, ListenerRef listener);
  void take_ack(ListenerRef const& listener, std::shared_ptr<Connection> connection);
  void connect(Station& at, Header const& syn);
  void be_met(std::shared_ptr<Connection> connection);
  void end(Error error);
  void end_refused();
  [[nodiscard]] bool comes_back(Station& at, Header const& syn, Header::Kind kind);
  void answer_was_lost();
  [[nodiscard]] bool lost(Station const& at);
  [[nodiscard]] bool over() const noexcept { return abandoned_ || failure_ || connection_; }

  Fabric& fabric_;
  Station& from_;
  world::Endpoint local_;
  world::Endpoint remote_;
  unsigned tries_ = 0;
  TimePoint next_try_{};
  bool answered_ = false;
  bool abandoned_ = false;
  int side_ = 0;
  std::optional<Error> failure_;
  std::shared_ptr<Connection> connection_;
  WaitList waiting_;
};

}  // namespace mutirao::sim
