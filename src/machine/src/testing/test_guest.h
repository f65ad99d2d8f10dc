#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/this_thread.h"

#include "nat/frame_link.h"
#include "nat/packet.h"

namespace mutirao::machine {

using nat::EtherType;
using nat::Frame;
using nat::IpProtocol;
using nat::Ipv4Address;
using nat::TcpSegment;

/// What a guest sends, byte by byte: none of the code that is tested.
namespace by_hand {

inline std::uint16_t checksum(ByteView bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

inline Bytes joined(std::initializer_list<ByteView> parts) {
  Bytes bytes;
  for (auto const part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

inline Bytes ethernet(EtherType type, ByteView payload,
                      nat::MacAddress destination = nat::kRouterMac) {
  std::array<std::uint8_t, 2> number;
  base::store_be(number, static_cast<std::uint16_t>(type));
  return joined({destination, nat::kGuestMac, number, payload});
}

inline Bytes ipv4(IpProtocol protocol, Ipv4Address destination, ByteView payload,
                  Ipv4Address source = nat::kGuestAddress) {
  std::array<std::uint8_t, 20> header{0x45, 0, 0, 0,  0,
                                      1,    0, 0, 64, static_cast<std::uint8_t>(protocol)};
  base::store_be(MutableBytes{header}.subspan(2), static_cast<std::uint16_t>(20 + payload.size()));
  std::ranges::copy(source, header.begin() + 12);
  std::ranges::copy(destination, header.begin() + 16);
  base::store_be(MutableBytes{header}.subspan(10), checksum(header));
  return ethernet(EtherType::ipv4, joined({header, payload}));
}

/// With the pseudo header of RFC 768 and 9293.
inline void put_checksum(Bytes& payload, std::size_t at, IpProtocol protocol, Ipv4Address source,
                         Ipv4Address destination) {
  std::uint32_t sum =
      static_cast<std::uint32_t>(protocol) + static_cast<std::uint32_t>(payload.size());
  for (auto const& address : {source, destination})
    sum += (address[0] << 8 | address[1]) + (address[2] << 8 | address[3]);
  base::store_be(MutableBytes{payload}.subspan(at), checksum(payload, sum));
}

inline Bytes udp(std::uint16_t source_port, Ipv4Address destination, std::uint16_t port,
                 ByteView payload, Ipv4Address source = nat::kGuestAddress) {
  Bytes bytes;
  base::append_be(bytes, source_port);
  base::append_be(bytes, port);
  base::append_be(bytes, static_cast<std::uint16_t>(8 + payload.size()));
  base::append_be<std::uint16_t>(bytes, 0);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  put_checksum(bytes, 6, IpProtocol::udp, source, destination);
  return ipv4(IpProtocol::udp, destination, bytes, source);
}

inline Bytes tcp(Ipv4Address destination, TcpSegment const& segment) {
  Bytes bytes;
  base::append_be(bytes, segment.source_port);
  base::append_be(bytes, segment.destination_port);
  base::append_be(bytes, segment.sequence);
  base::append_be(bytes, segment.acknowledged);
  Bytes options;
  if (segment.segment_bytes_max) {
    options = {2, 4, 0, 0};
    base::store_be(MutableBytes{options}.subspan(2), *segment.segment_bytes_max);
  }
  if (segment.window_scale) {
    Bytes const scale{1, 3, 3, *segment.window_scale};
    options.insert(options.end(), scale.begin(), scale.end());
  }
  bytes.push_back(static_cast<std::uint8_t>((20 + options.size()) / 4 << 4));
  bytes.push_back(segment.flags);
  base::append_be(bytes, segment.window);
  base::append_be<std::uint32_t>(bytes, 0);
  bytes.insert(bytes.end(), options.begin(), options.end());
  bytes.insert(bytes.end(), segment.payload.begin(), segment.payload.end());
  put_checksum(bytes, 16, IpProtocol::tcp, nat::kGuestAddress, destination);
  return ipv4(IpProtocol::tcp, destination, bytes);
}

inline Bytes echo_request(Ipv4Address destination, ByteView content) {
  Bytes message{8, 0, 0, 0, 0x12, 0x34, 0, 1};
  message.insert(message.end(), content.begin(), content.end());
  base::store_be(MutableBytes{message}.subspan(2), checksum(message));
  return ipv4(IpProtocol::icmp, destination, message);
}

inline Bytes arp_request(Ipv4Address wanted) {
  std::array<std::uint8_t, 8> const head{0, 1, 8, 0, 6, 4, 0, 1};
  nat::MacAddress const nobody{};
  return ethernet(EtherType::arp,
                  joined({head, nat::kGuestMac, nat::kGuestAddress, nobody, wanted}),
                  nat::kBroadcastMac);
}

}  // namespace by_hand

/// The guest's end of the cable.
class TestGuest {
 public:
  nat::FrameLink link{[this] {
    std::lock_guard const lock{mutex_};
    news_ = true;
    came_.notify_all();
  }};

  void send(Bytes frame) { link.send({std::move(frame)}); }

  /// The next frame; nothing when none came in time.
  std::optional<Frame> next(Duration patience = 5s) {
    auto const deadline = threads::within(patience);
    for (;;) {
      if (auto frame = link.receive()) return frame;
      std::unique_lock lock{mutex_};
      if (!came_.wait(lock, [this] { return news_; }, deadline)) return std::nullopt;
      news_ = false;
    }
  }

 private:
  threads::mutex mutex_;
  threads::condition_variable came_;
  bool news_ = false;
};

/// A TCP connection of the guest: plain, and in its own words.
class TestTcp {
 public:
  TestTcp(TestGuest& guest, Ipv4Address remote, std::uint16_t port, std::uint16_t own_port = 40000)
      : guest_{guest}, remote_{remote}, port_{port}, own_port_{own_port} {}

  std::uint32_t sequence = 1000, expected = 0;
  std::uint16_t window = 0xFFFF;
  Bytes received{};
  bool finished = false, reset = false, unreachable = false;
  std::uint32_t acknowledged = 0;  // of ours
  std::uint32_t room = 0;          // that we may send, from there

  void send(std::uint8_t flags, ByteView payload = {}) {
    TcpSegment segment{.source_port = own_port_,
                       .destination_port = port_,
                       .sequence = sequence,
                       .acknowledged = expected,
                       .flags = flags,
                       .window = window,
                       .payload = payload};
    if (segment.has(TcpSegment::kSyn)) segment.segment_bytes_max = 1460;
    guest_.send(by_hand::tcp(remote_, segment));
    sequence += segment.length();
  }

  /// Takes in what comes; false when nothing did in time.
  bool take(Duration patience = 5s) {
    auto const frame = guest_.next(patience);
    if (!frame) return false;
    auto const packet = nat::parse_ipv4(ByteView{frame->bytes}.subspan(14));
    if (!packet) return true;
    if (packet->protocol == static_cast<std::uint8_t>(IpProtocol::icmp)) {
      unreachable = packet->payload[0] == 3;
      return true;
    }
    auto const segment = nat::parse_tcp(*packet, nat::Checksum::verify);
    if (!segment || segment->destination_port != own_port_) return true;
    last_flags = segment->flags;
    if (segment->has(TcpSegment::kReset)) {
      reset = true;
      return true;
    }
    if (segment->has(TcpSegment::kSyn)) expected = segment->sequence + 1;
    acknowledged = segment->acknowledged;
    room = segment->window;
    if (segment->length() == 0 || segment->sequence != expected) return true;
    received.insert(received.end(), segment->payload.begin(), segment->payload.end());
    expected += static_cast<std::uint32_t>(segment->payload.size());
    if (segment->has(TcpSegment::kFin)) {
      finished = true;
      ++expected;
    }
    if (acknowledges) send(TcpSegment::kAck);
    return true;
  }

  bool connect(Duration patience = 60s) {
    send(TcpSegment::kSyn);
    auto const deadline = threads::within(patience);
    while (expected == 0 && !reset && !unreachable && !deadline.passed(threads::now()))
      take(patience);
    if (expected == 0) return false;
    send(TcpSegment::kAck);
    return true;
  }
  /// All of it, as the window allows; false when the other side stopped taking it.
  bool send_all(ByteView bytes, Duration patience = 60s) {
    auto const end = sequence + static_cast<std::uint32_t>(bytes.size());
    while (!reset && acknowledged != end) {
      auto const in_flight = sequence - acknowledged;
      std::size_t const count =
          in_flight < room ? std::min<std::size_t>({bytes.size(), room - in_flight, 1460}) : 0;
      if (count != 0) {
        send(TcpSegment::kAck | TcpSegment::kPush, bytes.first(count));
        bytes = bytes.subspan(count);
      } else if (!take(patience)) {
        return false;
      }
    }
    return !reset;
  }
  /// Until the other side ends.
  void receive_all(Duration patience = 60s) {
    while (!finished && !reset && take(patience)) {
    }
  }

  bool acknowledges = true;  // at once, all that comes
  std::uint8_t last_flags = 0;

 private:
  TestGuest& guest_;
  Ipv4Address remote_;
  std::uint16_t port_, own_port_;
};

}  // namespace mutirao::machine
