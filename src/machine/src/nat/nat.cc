#include "nat/nat.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

#include "nat/dhcp.h"
#include "nat/dns.h"
#include "nat/inside.h"
#include "nat/name_server.h"
#include "nat/tcp_flows.h"
#include "nat/udp_flows.h"

namespace mutirao::machine::nat {
namespace {

constexpr std::size_t kPublishedMax = 64;
constexpr Duration kLookUpPatience = 10s;
// How often connections are looked after, if there are any, and the host's addresses asked for.
constexpr Duration kTick = 1s, kLookAtHost = 5s;
// RFC 826: Ethernet, IPv4, the sizes of their addresses, a request.
constexpr std::array<std::uint8_t, 8> kArpRequest{0, 1, 8, 0, 6, 4, 0, 1};
constexpr std::size_t kArpBytes = 28;

template <std::size_t N>
std::array<std::uint8_t, N> address_at(ByteView bytes, std::size_t at) {
  std::array<std::uint8_t, N> address;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), N, address.begin());
  return address;
}

Result<Policy> make_policy(NetworkOptions const& options, world::World& world) {
  std::vector<Policy::Allowed> allowed;
  for (auto const& each : options.allowed) {
    auto found = world.network().resolve(each.host, threads::within(kLookUpPatience));
    if (!found)
      return std::unexpected{std::move(found).error().during(fmt::format("allow {}", each.host))};
    for (auto const& address : *found) allowed.push_back({each.host, address, each.port});
  }
  Policy policy{options.reach, std::move(allowed)};
  policy.set_host_addresses(MUT_TRY(world.network().local_addresses()));
  return policy;
}

}  // namespace

struct Nat::Router {
  Router(Policy policy, FrameLink& link, threads::scope& threads, world::World& world)
      : inside{.world = world, .link = link, .threads = threads, .policy = std::move(policy)} {}

  Result<void> publish(NetworkOptions::Published const& published);
  void start();

  void route();
  void keep_time();
  void receive(Frame const& frame);
  void receive_arp(EthernetFrame const& frame);
  void receive_ipv4(EthernetFrame const& frame, Checksum checksum);
  void receive_udp(Ipv4Packet const& packet, UdpDatagram const& datagram);
  void receive_icmp(Ipv4Packet const& packet);

  Inside inside;
  TcpFlows tcp{inside};
  UdpFlows udp{inside};
  NameServer names{inside};
};

Nat::Nat() = default;

Nat::~Nat() {
  threads_.request_stop();
  static_cast<void>(threads_.join());
}

Result<std::unique_ptr<Nat>> Nat::create(NetworkOptions const& options, FrameLink& link,
                                         world::World& world) {
  if (options.published.size() > kPublishedMax)
    return fail(Fault::invalid, fmt::format("{} published ports", options.published.size()),
                fmt::format("give at most {}", kPublishedMax));
  auto policy = MUT_TRY(make_policy(options, world));
  std::unique_ptr<Nat> nat{new Nat};
  nat->router_ = std::make_unique<Router>(std::move(policy), link, nat->threads_, world);
  for (auto const& published : options.published) MUT_TRY(nat->router_->publish(published));
  nat->router_->start();
  return nat;
}

Nat::Counts Nat::counts() {
  std::lock_guard const lock{router_->inside.mutex};
  return {router_->tcp.count(), router_->udp.count()};
}

Result<void> Nat::save(StateWriter& to) const {
  std::lock_guard const lock{router_->inside.mutex};
  for (std::uint8_t const part : router_->inside.maker.guest_mac) to.put(part);
  router_->tcp.save(to);
  return {};
}

bool Nat::restore(StateReader& from) {
  std::lock_guard const lock{router_->inside.mutex};
  return std::ranges::all_of(router_->inside.maker.guest_mac,
                             [&](std::uint8_t& part) { return from.get(part); }) &&
         router_->tcp.restore(from);
}

Result<void> Nat::Router::publish(NetworkOptions::Published const& published) {
  auto const step = [&] {
    return fmt::format("publish port {} of the guest", published.guest_port);
  };
  auto& network = inside.world.network();
  if (published.protocol == NetworkOptions::Protocol::tcp) {
    auto listener = network.listen(published.at);
    if (!listener) return std::unexpected{std::move(listener).error().during(step())};
    tcp.publish(*std::move(listener), published.guest_port);
  } else {
    auto socket = network.bind_datagram(published.at);
    if (!socket) return std::unexpected{std::move(socket).error().during(step())};
    udp.publish(*std::move(socket), published.guest_port);
  }
  return {};
}

void Nat::Router::start() {
  inside.spawn("nat-route", [this] { route(); });
  inside.spawn("nat-clock", [this] { keep_time(); });
}

void Nat::Router::route() {
  for (;;) {
    auto const frames = inside.link.wait(Deadline::never());
    if (!frames) return;
    std::lock_guard const lock{inside.mutex};
    for (Frame const& frame : *frames) receive(frame);
    // After all of them, so that one acknowledgement does for what came together.
    tcp.pump();
  }
}

void Nat::Router::keep_time() {
  TimePoint next_look = inside.world.clock().now() + kLookAtHost;
  bool idle = true;
  while (threads::sleep_for(idle ? kLookAtHost : kTick)) {
    auto const now = inside.world.clock().now();
    std::optional<std::vector<world::IpAddress>> addresses;
    if (now >= next_look) {
      next_look = now + kLookAtHost;
      if (auto found = inside.world.network().local_addresses()) addresses = *std::move(found);
    }
    std::lock_guard const lock{inside.mutex};
    if (addresses) inside.policy.set_host_addresses(*std::move(addresses));
    tcp.tick(now);
    udp.tick(now);
    idle = tcp.count() == 0 && udp.count() == 0;
  }
}

void Nat::Router::receive(Frame const& frame) {
  auto const ethernet = parse_ethernet(frame.bytes);
  if (!ethernet) return;
  constexpr std::uint8_t kGroup = 1;
  if ((ethernet->source[0] & kGroup) != 0) return;
  if (ethernet->destination != kRouterMac && (ethernet->destination[0] & kGroup) == 0) return;
  inside.maker.guest_mac = ethernet->source;
  if (ethernet->type == static_cast<std::uint16_t>(EtherType::arp)) return receive_arp(*ethernet);
  if (ethernet->type == static_cast<std::uint16_t>(EtherType::ipv4))
    receive_ipv4(*ethernet, frame.missing_checksum ? Checksum::missing : Checksum::verify);
}

void Nat::Router::receive_arp(EthernetFrame const& frame) {
  auto const bytes = frame.payload;
  if (bytes.size() < kArpBytes || !std::ranges::equal(bytes.first(kArpRequest.size()), kArpRequest))
    return;
  auto const wanted = address_at<4>(bytes, 24);
  if (wanted != kRouterAddress && wanted != kNameServerAddress) return;
  inside.send(inside.maker.arp_reply(wanted, address_at<6>(bytes, 8), address_at<4>(bytes, 14)));
}

void Nat::Router::receive_ipv4(EthernetFrame const& frame, Checksum checksum) {
  auto const packet = parse_ipv4(frame.payload);
  if (!packet) return;
  if (packet->protocol == static_cast<std::uint8_t>(IpProtocol::udp)) {
    if (auto const datagram = parse_udp(*packet, checksum)) receive_udp(*packet, *datagram);
    return;
  }
  if (packet->source != kGuestAddress) return;
  if (packet->protocol == static_cast<std::uint8_t>(IpProtocol::icmp)) return receive_icmp(*packet);
  if (packet->protocol != static_cast<std::uint8_t>(IpProtocol::tcp)) return;
  if (auto const segment = parse_tcp(*packet, checksum)) tcp.receive(*packet, *segment);
}

void Nat::Router::receive_udp(Ipv4Packet const& packet, UdpDatagram const& datagram) {
  bool const to_all = packet.destination == Ipv4Address{255, 255, 255, 255} ||
                      packet.destination == kBroadcastAddress;
  if (datagram.destination_port == kDhcpServerPort &&
      (to_all || packet.destination == kRouterAddress)) {
    if (auto const answer = dhcp_answer(datagram.payload))
      inside.send(
          inside.maker.udp_broadcast(kRouterAddress, kDhcpServerPort, kDhcpClientPort, *answer));
    return;
  }
  if (to_all || packet.source != kGuestAddress) return;
  if (packet.destination == kNameServerAddress && datagram.destination_port == kDnsPort)
    return names.receive(datagram);
  udp.receive(packet, datagram);
}

void Nat::Router::receive_icmp(Ipv4Packet const& packet) {
  auto const echo = parse_echo_request(packet);
  if (!echo || packet.whole.size() > kMtu) return;
  if (packet.destination == kRouterAddress || packet.destination == kNameServerAddress)
    return inside.send(inside.maker.echo_reply(packet.destination, *echo));
  inside.send(inside.maker.unreachable(FrameMaker::Unreachable::prohibited, packet.beginning()));
}

}  // namespace mutirao::machine::nat
