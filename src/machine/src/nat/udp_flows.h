#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "mutirao/threads/channel.h"

#include "nat/inside.h"

namespace mutirao::machine::nat {

/// The guest's datagrams, sent anew from sockets of the host: one for each port of the guest, so
/// that who was told of it once knows it again (RFC 4787 REQ-1). Only those to whom the guest sent
/// may answer.
///
/// Datagrams are lost where there is no room, as everywhere: on the cable, on the way to the host,
/// and when they do not fit into one packet inside.
class UdpFlows {
 public:
  static constexpr std::size_t kFlowsMax = 256;     ///< the one that was idle longest makes room
  static constexpr std::size_t kRemotesMax = 64;    ///< of each, likewise
  static constexpr std::size_t kCallersMax = 256;   ///< that reach published ports, likewise
  static constexpr std::size_t kOutgoingMax = 256;  ///< datagrams that wait for the host
  static constexpr Duration kIdleMax = 2min;        ///< RFC 4787 REQ-5
  static constexpr std::size_t kDatagramMax = kMtu - kIpv4Header - kUdpHeader;  ///< to the guest

  explicit UdpFlows(Inside& inside);

  /// Datagrams to `socket` reach that port of the guest.
  void publish(std::unique_ptr<world::DatagramSocket> socket, std::uint16_t guest_port);

  // With the lock.
  void receive(Ipv4Packet const& packet, UdpDatagram const& datagram);
  void tick(TimePoint now);
  [[nodiscard]] std::size_t count() const noexcept { return flows_.size(); }

 private:
  using SocketPointer = std::shared_ptr<world::DatagramSocket>;
  struct Remote {
    world::Endpoint host;
    Ipv4Address address;  // as the guest sees it
    std::uint16_t port;
    TimePoint last_used;
  };
  struct Flow {
    SocketPointer socket;
    std::vector<Remote> remotes{};
    TimePoint last_used{};
  };
  struct Caller {
    world::Endpoint host;
    SocketPointer socket;
    std::uint16_t guest_port;
    std::uint16_t router_port;
    TimePoint last_used;
  };
  struct Outgoing {
    SocketPointer socket;
    world::Endpoint to;
    Bytes bytes;
  };

  [[nodiscard]] Flow* flow_of(std::uint16_t guest_port, TimePoint now);
  void answers(std::uint16_t guest_port, SocketPointer const& socket);
  void calls(std::uint16_t guest_port, SocketPointer const& socket);
  [[nodiscard]] Caller& caller(world::Endpoint host, SocketPointer const& socket,
                               std::uint16_t guest_port, TimePoint now);
  void send_all();
  void submit(SocketPointer const& socket, world::Endpoint to, ByteView payload);

  Inside& inside_;
  std::map<std::uint16_t, Flow> flows_;  // by port of the guest
  std::vector<Caller> callers_;
  std::uint16_t next_port_ = kFirstRouterPort;
  threads::channel<Outgoing> outgoing_{kOutgoingMax};
};

}  // namespace mutirao::machine::nat
