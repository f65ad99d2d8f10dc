#pragma once

#include <compare>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "nat/inside.h"
#include "nat/tcp_endpoint.h"
#include "snapshot/state.h"

namespace mutirao::machine::nat {

/// The guest's TCP connections, each made anew on the host.
///
/// Two user threads carry the bytes of a connection, one in each direction, and wait for the host
/// as long as that takes; what they move stands between them and the TcpEndpoint in bounded
/// buffers. Whatever changes an endpoint then calls `pump`, which sends to the guest as long as
/// there is room on the cable, one segment of each connection in turn.
class TcpFlows {
 public:
  static constexpr std::size_t kFlowsMax = 256;      ///< with all limits: 128 MiB of buffers
  static constexpr std::size_t kConnectingMax = 64;  ///< of the guest's, that wait for the host
  static constexpr Duration kConnectPatience = 30s;
  /// Without a byte in either direction (RFC 5382 REQ-5): of one that is open both ways, and of
  /// others.
  static constexpr Duration kIdleMax = 124min, kIdleTransitoryMax = 4min;

  explicit TcpFlows(Inside& inside) : inside_{inside} {}

  /// Connections to `listener` reach that port of the guest.
  void publish(std::unique_ptr<world::Listener> listener, std::uint16_t guest_port);

  // With the lock.
  void receive(Ipv4Packet const& packet, TcpSegment const& segment);
  void pump();
  void tick(TimePoint now);
  [[nodiscard]] std::size_t count() const noexcept { return flows_.size(); }
  /// What a restored router needs to tell the guest that these connections are no more.
  void save(StateWriter& to) const;
  /// Tells it.
  [[nodiscard]] bool restore(StateReader& from);

 private:
  struct Key {
    Ipv4Address remote;  // as the guest sees it
    std::uint16_t remote_port;
    std::uint16_t guest_port;
    friend auto operator<=>(Key const&, Key const&) = default;
  };
  struct Flow {
    Flow(Key which, TcpEndpoint end) : key{which}, endpoint{std::move(end)} {}
    Key const key;
    TcpEndpoint endpoint;
    std::unique_ptr<world::Stream> stream{};
    Bytes opening{};  // the beginning of the guest's SYN, for ICMP
    TimePoint last_used{};
    bool ready = false;         // in `ready_`
    bool host_has_all = false;  // that the guest sent, and its end
    threads::condition_variable room_to_guest{}, news_for_host{};
  };
  using FlowPointer = std::shared_ptr<Flow>;
  using Lock = std::unique_lock<threads::mutex>;

  void open(Key key, Ipv4Packet const& packet, TcpSegment const& segment);
  void refuse(Ipv4Packet const& packet, TcpSegment const& segment);
  void connect(FlowPointer const& flow, world::Endpoint target);
  void accept(world::Listener& listener, std::uint16_t guest_port);
  void begin(FlowPointer const& flow, std::unique_ptr<world::Stream> stream);
  void carry_to_guest(FlowPointer const& flow);
  void carry_to_host(FlowPointer const& flow);
  void changed(FlowPointer const& flow);
  void abort(FlowPointer const& flow);
  /// Wakes and closes what an endpoint that ended leaves behind.
  void end(Flow& flow);
  void forget(FlowPointer const& flow);
  [[nodiscard]] std::uint32_t initial_number();

  Inside& inside_;
  std::map<Key, FlowPointer> flows_;
  std::deque<FlowPointer> ready_;  // that may have something to send
  std::size_t connecting_ = 0;
  std::uint16_t next_port_ = kFirstRouterPort;
};

}  // namespace mutirao::machine::nat
