#include "nat/udp_flows.h"

#include <algorithm>
#include <mutex>

#include "mutirao/threads/this_thread.h"

namespace mutirao::machine::nat {
namespace {

constexpr Duration kSendPatience = 100ms;

/// The one that was used longest ago.
template <class Range, class Projection>
auto oldest(Range& range, Projection last_used) {
  return std::ranges::min_element(range, {}, last_used);
}

}  // namespace

UdpFlows::UdpFlows(Inside& inside) : inside_{inside} {
  inside_.spawn("nat-udp-out", [this] { send_all(); });
}

void UdpFlows::send_all() {
  while (auto datagram = outgoing_.receive())
    // A failure is a lost datagram.
    static_cast<void>(
        datagram->socket->send_to(datagram->bytes, datagram->to, threads::within(kSendPatience)));
}

void UdpFlows::submit(SocketPointer const& socket, world::Endpoint to, ByteView payload) {
  static_cast<void>(outgoing_.try_send({socket, to, Bytes(payload.begin(), payload.end())}));
}

void UdpFlows::receive(Ipv4Packet const& packet, UdpDatagram const& datagram) {
  auto const now = inside_.world.clock().now();
  if (packet.destination == kRouterAddress) {
    auto const called = std::ranges::find_if(callers_, [&](Caller const& each) {
      return each.router_port == datagram.destination_port &&
             each.guest_port == datagram.source_port;
    });
    if (called != callers_.end()) {
      called->last_used = now;
      return submit(called->socket, called->host, datagram.payload);
    }
  }
  auto const target = inside_.policy.target(packet.destination, datagram.destination_port);
  if (!target)
    return inside_.send(
        inside_.maker.unreachable(FrameMaker::Unreachable::prohibited, packet.beginning()));
  Flow* const flow = flow_of(datagram.source_port, now);
  if (flow == nullptr) return;
  flow->last_used = now;
  auto remote = std::ranges::find(flow->remotes, *target, &Remote::host);
  if (remote == flow->remotes.end()) {
    if (flow->remotes.size() >= kRemotesMax)
      flow->remotes.erase(oldest(flow->remotes, &Remote::last_used));
    flow->remotes.push_back({*target, packet.destination, datagram.destination_port, now});
  } else {
    remote->last_used = now;
  }
  submit(flow->socket, *target, datagram.payload);
}

UdpFlows::Flow* UdpFlows::flow_of(std::uint16_t guest_port, TimePoint now) {
  auto const found = flows_.find(guest_port);
  if (found != flows_.end()) return &found->second;
  if (flows_.size() >= kFlowsMax) {
    auto const idle = oldest(flows_, [](auto const& each) { return each.second.last_used; });
    idle->second.socket->close();
    flows_.erase(idle);
  }
  auto socket = inside_.world.network().bind_datagram({world::IpAddress::any(), 0});
  if (!socket) return nullptr;
  auto& flow = flows_[guest_port];
  flow.socket = *std::move(socket);
  flow.last_used = now;
  inside_.spawn("nat-udp",
                [this, guest_port, shared = flow.socket] { answers(guest_port, shared); });
  return &flow;
}

/// Carries what comes back.
void UdpFlows::answers(std::uint16_t guest_port, SocketPointer const& socket) {
  Bytes buffer(kDatagramMax + 1);
  while (auto const got = socket->receive(buffer, Deadline::never())) {
    std::lock_guard const lock{inside_.mutex};
    auto const found = flows_.find(guest_port);
    if (found == flows_.end() || found->second.socket != socket) return;
    auto const remote = std::ranges::find(found->second.remotes, got->from, &Remote::host);
    if (remote == found->second.remotes.end() || got->size > kDatagramMax) continue;
    remote->last_used = found->second.last_used = inside_.world.clock().now();
    inside_.send(inside_.maker.udp(remote->address, remote->port, guest_port,
                                   ByteView{buffer}.first(got->size)));
  }
}

void UdpFlows::publish(std::unique_ptr<world::DatagramSocket> socket, std::uint16_t guest_port) {
  inside_.spawn("nat-publish", [this, guest_port, shared = SocketPointer{std::move(socket)}] {
    calls(guest_port, shared);
  });
}

/// Carries what comes to a published port.
void UdpFlows::calls(std::uint16_t guest_port, SocketPointer const& socket) {
  Bytes buffer(kDatagramMax + 1);
  for (;;) {
    auto const got = socket->receive(buffer, Deadline::never());
    if (!got) {
      if (got.error().fault == Fault::cancelled || got.error().fault == Fault::closed) return;
      continue;  // a datagram of ours came to nobody
    }
    if (got->size > kDatagramMax) continue;
    std::lock_guard const lock{inside_.mutex};
    auto& from = caller(got->from, socket, guest_port, inside_.world.clock().now());
    inside_.send(inside_.maker.udp(kRouterAddress, from.router_port, guest_port,
                                   ByteView{buffer}.first(got->size)));
  }
}

UdpFlows::Caller& UdpFlows::caller(world::Endpoint host, SocketPointer const& socket,
                                   std::uint16_t guest_port, TimePoint now) {
  auto const known = std::ranges::find_if(
      callers_, [&](Caller const& each) { return each.host == host && each.socket == socket; });
  if (known != callers_.end()) {
    known->last_used = now;
    return *known;
  }
  if (callers_.size() >= kCallersMax) callers_.erase(oldest(callers_, &Caller::last_used));
  auto const taken = [&] {
    return std::ranges::find(callers_, next_port_, &Caller::router_port) != callers_.end();
  };
  do next_port_ = next_port_ == 0xFFFF ? kFirstRouterPort : next_port_ + 1;
  while (taken());
  return callers_.emplace_back(Caller{host, socket, guest_port, next_port_, now});
}

void UdpFlows::tick(TimePoint now) {
  std::erase_if(flows_, [&](auto const& each) {
    bool const idle = now - each.second.last_used > kIdleMax;
    if (idle) each.second.socket->close();
    return idle;
  });
  std::erase_if(callers_, [&](Caller const& each) { return now - each.last_used > kIdleMax; });
}

}  // namespace mutirao::machine::nat
