// A guest that means no good, and servers that are no better: the input is a script of what either
// does. Whatever it is, what the router sends to the guest makes sense, what it holds is bounded,
// and when all is over nothing is left.
#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "mutirao/base/check.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "nat/nat.h"
#include "nat/tcp_flows.h"
#include "nat/udp_flows.h"
#include "testing/script.h"
#include "testing/test_guest.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;
using world::Endpoint;
using world::IpAddress;

constexpr Ipv4Address kServer{9, 9, 9, 9};
constexpr std::uint16_t kServerPort = 80, kPublishedPort = 2222;
constexpr std::size_t kStreamsMax = 8;

/// What the guest knows of the connection of one of its ports.
struct Known {
  std::uint32_t sequence = 1000, expected = 0;
  Ipv4Address remote = kServer;
  std::uint16_t remote_port = kServerPort;
};

class Play {
 public:
  Play(sim::Simulation& simulation, Script script)
      : here_{simulation.add_host("here", {.addresses = {IpAddress::v4({8, 8, 4, 4})}})},
        server_{simulation.add_host("server", {.addresses = {IpAddress::v4(kServer)}})},
        script_{script} {
    simulation.set_link(here_, server_, {.latency = 3ms, .loss = 0.02});
  }

  void run() {
    NetworkOptions const options{
        .reach = NetworkOptions::Reach::internet,
        .allowed = {{"127.0.0.1", 0}},
        .published = {{.at = {here_.address(), kPublishedPort}, .guest_port = 22},
                      {.at = {here_.address(), kPublishedPort},
                       .guest_port = 22,
                       .protocol = NetworkOptions::Protocol::udp}}};
    router_ = *nat::Nat::create(options, guest_.link, here_.world());
    listener_ = *server_.world().network().listen({server_.address(), kServerPort});
    socket_ = *server_.world().network().bind_datagram({server_.address(), kServerPort});
    threads::scope accepting;
    accepting.spawn("accepts", [&] {
      while (auto stream = listener_->accept(Deadline::never()))
        if (streams_.size() < kStreamsMax) streams_.push_back(*std::move(stream));
    });
    for (unsigned steps = 0; !script_.empty() && steps < 200; ++steps) step();
    accepting.request_stop();
    static_cast<void>(accepting.join());
    streams_.clear();
    listener_.reset();
    // Longer than anything lives whose other end is gone. The guest takes what comes and answers
    // nothing.
    for (TimePoint const end = threads::now() + 3 * nat::TcpFlows::kIdleTransitoryMax;
         threads::now() < end;) {
      drain(nat::FrameLink::kFramesMax);
      static_cast<void>(threads::sleep_for(5s));
    }
    MUT_ASSERT(router_->counts().tcp == 0 && router_->counts().udp == 0);
  }

 private:
  void step() {
    auto const what = script_.byte();
    switch (what % 12) {
      case 0:
        return send(Bytes(whole(script_.bytes(script_.word() % 2048))));
      case 1:
      case 2:
      case 3:
        return send_tcp();
      case 4: {
        auto const port = static_cast<std::uint16_t>(5000 + script_.byte());
        auto const to = script_.byte();
        return send(by_hand::udp(port, address(to), to < 128 ? kServerPort : script_.word(),
                                 script_.bytes(script_.byte())));
      }
      case 5:
        return send(by_hand::udp(68, {255, 255, 255, 255}, 67, script_.bytes(script_.word() % 600),
                                 {0, 0, 0, 0}));
      case 6:
        return send(by_hand::udp(5353, nat::kNameServerAddress, 53, script_.bytes(script_.byte())));
      case 7:
        static_cast<void>(threads::sleep_for(std::chrono::milliseconds{script_.word()}));
        return;
      case 8:
        return drain(script_.byte());
      case 9:
        return act_as_server();
      case 10:
        return call();
      case 11:
        guest_.link.set_abilities(
            {.checksums = (what & 64) != 0, .large_frames = (what & 64) != 0});
        return;
      default:
        return;
    }
  }

  static Bytes whole(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

  static Ipv4Address address(std::uint8_t choice) {
    switch (choice % 8) {
      case 0:
        return nat::kRouterAddress;
      case 1:
        return {127, 0, 0, 1};
      case 2:
        return {8, 8, 4, 4};
      case 3:
        return {10, 0, 2, 255};
      default:
        return kServer;
    }
  }

  void send(Bytes frame) {
    if (!guest_.link.may_send()) return;
    MUT_ASSERT(frame.size() <= nat::kFrameBytesMax);
    guest_.send(std::move(frame));
    threads::yield();
  }

  void send_tcp() {
    auto const how = script_.byte();
    auto const port = static_cast<std::uint16_t>(how % 4 == 3 ? 22 : 40000 + how % 4);
    Known& known = known_[how % 4];
    TcpSegment segment{.source_port = port,
                       .destination_port = known.remote_port,
                       .sequence = known.sequence,
                       .acknowledged = known.expected,
                       .flags = script_.byte(),
                       .window = script_.word()};
    if ((how & 0x80) != 0) segment.sequence += script_.word() - 0x8000u;
    if ((how & 0x40) != 0) segment.acknowledged += script_.word() - 0x8000u;
    if ((how & 0x20) != 0) segment.window_scale = script_.byte();
    if ((how & 0x10) != 0) segment.segment_bytes_max = script_.word();
    Bytes payload(script_.word() % 4096 * ((how & 0x08) != 0 ? 15 : 1) % 60'000);
    segment.payload = payload;
    known.sequence = segment.sequence + segment.length();
    send(by_hand::tcp(known.remote, segment));
  }

  /// Takes frames, which must make sense, and learns where the router is.
  void drain(std::size_t count) {
    for (; count != 0; --count) {
      auto const frame = guest_.link.receive();
      if (!frame) return;
      MUT_ASSERT(frame->bytes.size() <= nat::kFrameBytesMax);
      auto const ethernet = nat::parse_ethernet(frame->bytes);
      MUT_ASSERT(ethernet && ethernet->source == nat::kRouterMac);
      if (ethernet->type != static_cast<std::uint16_t>(EtherType::ipv4)) continue;
      MUT_ASSERT(frame->segment_bytes != 0 || frame->bytes.size() <= nat::kMtu + 14);
      auto const packet = nat::parse_ipv4(ethernet->payload);
      MUT_ASSERT(packet);
      auto const checksum =
          frame->missing_checksum ? nat::Checksum::missing : nat::Checksum::verify;
      if (packet->protocol == static_cast<std::uint8_t>(IpProtocol::udp))
        MUT_ASSERT(nat::parse_udp(*packet, checksum));
      if (packet->protocol != static_cast<std::uint8_t>(IpProtocol::tcp)) continue;
      auto const segment = nat::parse_tcp(*packet, checksum);
      MUT_ASSERT(segment);
      auto const port = segment->destination_port;
      Known& known = known_[port == 22 ? 3 : port % 4];
      known.expected = segment->sequence + segment->length();
      if (segment->has(TcpSegment::kAck)) known.sequence = segment->acknowledged;
      known.remote = packet->source;
      known.remote_port = segment->source_port;
    }
    check_bounds();
  }

  void act_as_server() {
    auto const how = script_.byte();
    if (how >= 0xF0) {
      static_cast<void>(socket_->send_to(script_.bytes(how & 15), {here_.address(), script_.word()},
                                         threads::within(10ms)));
      return;
    }
    if (streams_.empty()) return;
    auto& stream = *streams_[how % streams_.size()];
    switch (how / 8 % 4) {
      case 0: {
        Bytes const bytes(script_.word());
        static_cast<void>(stream.write_all(bytes, threads::within(10ms)));
        return;
      }
      case 1: {
        Bytes bytes(script_.word() + 1u);
        static_cast<void>(stream.read_some(bytes, threads::within(10ms)));
        return;
      }
      case 2:
        return stream.finish_writing();
      default:
        streams_.erase(streams_.begin() + how % static_cast<int>(streams_.size()));
        return;
    }
  }

  /// Somebody reaches for the guest.
  void call() {
    Endpoint const published{here_.address(), kPublishedPort};
    if (script_.byte() % 2 == 0) {
      static_cast<void>(socket_->send_to(script_.bytes(8), published, threads::within(10ms)));
      return;
    }
    auto stream = server_.world().network().connect(published, {}, threads::within(20ms));
    if (stream && streams_.size() < kStreamsMax) streams_.push_back(*std::move(stream));
  }

  void check_bounds() {
    MUT_ASSERT(router_->counts().tcp <= nat::TcpFlows::kFlowsMax);
    MUT_ASSERT(router_->counts().udp <= nat::UdpFlows::kFlowsMax);
  }

  sim::Host& here_;
  sim::Host& server_;
  Script script_;
  TestGuest guest_;
  std::unique_ptr<world::Listener> listener_;
  std::unique_ptr<world::DatagramSocket> socket_;
  std::deque<std::unique_ptr<world::Stream>> streams_;
  std::array<Known, 4> known_{};
  std::unique_ptr<nat::Nat> router_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size > 4096) return 0;
  sim::Simulation simulation;
  simulation.run([&](sim::Simulation& inside) { Play{inside, Script{{data, size}}}.run(); });
  return 0;
}
