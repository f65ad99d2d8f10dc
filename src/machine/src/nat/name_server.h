#pragma once

#include <cstdint>

#include "nat/inside.h"

namespace mutirao::machine::nat {

/// Answers the guest's DNS questions as the host resolves names: by its name servers, its hosts
/// file and whatever else it has. Knows IPv4 addresses; a name has nothing else.
class NameServer {
 public:
  static constexpr std::size_t kQuestionsMax = 64;  ///< under way; more are answered with a failure
  static constexpr Duration kPatience = 10s;

  explicit NameServer(Inside& inside) : inside_{inside} {}

  /// With the lock.
  void receive(UdpDatagram const& datagram);

 private:
  void look_up(Bytes message, std::uint16_t guest_port);
  void answer(ByteView message, std::uint16_t guest_port);

  Inside& inside_;
  std::size_t under_way_ = 0;
};

}  // namespace mutirao::machine::nat
