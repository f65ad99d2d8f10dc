#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "mutirao/base/bytes.h"
#include "mutirao/world/address.h"

#include "nat/frame.h"

/// What goes over the cable, taken apart and put together: Ethernet II, IPv4 (RFC 791), ICMP (RFC
/// 792), UDP (RFC 768), TCP (RFC 9293). Views point into what was parsed.
namespace mutirao::machine::nat {

using MacAddress = std::array<std::uint8_t, 6>;
using Ipv4Address = std::array<std::uint8_t, 4>;

/// The network inside, as QEMU's user network has it, so that guests made for that one work here.
inline constexpr Ipv4Address kGuestAddress{10, 0, 2, 15}, kRouterAddress{10, 0, 2, 2},
    kNameServerAddress{10, 0, 2, 3}, kNetmask{255, 255, 255, 0}, kBroadcastAddress{10, 0, 2, 255};
inline constexpr MacAddress kRouterMac{0x52, 0x55, 10, 0, 2, 2},
    kGuestMac{0x52, 0x54, 0, 0x12, 0x34, 0x56}, kBroadcastMac{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

enum class EtherType : std::uint16_t { ipv4 = 0x0800, arp = 0x0806 };
enum class IpProtocol : std::uint8_t { icmp = 1, tcp = 6, udp = 17 };

/// Payload of an IPv4 packet on our cable, whose MTU is that of Ethernet.
inline constexpr std::size_t kMtu = 1500, kIpv4Header = 20, kTcpHeader = 20, kUdpHeader = 8,
                             kEthernetHeader = 14;

[[nodiscard]] inline world::IpAddress ip_address(Ipv4Address address) noexcept {
  return world::IpAddress::v4(address);
}

struct EthernetFrame {
  MacAddress destination, source;
  std::uint16_t type;
  ByteView payload;
};
[[nodiscard]] std::optional<EthernetFrame> parse_ethernet(ByteView frame);

struct Ipv4Packet {
  Ipv4Address source, destination;
  std::uint8_t protocol;
  ByteView payload;
  ByteView whole;  ///< with its header

  /// As much as it takes to find whose it was: the header, and eight bytes behind it (RFC 792).
  [[nodiscard]] ByteView beginning() const noexcept {
    return whole.first(std::min(whole.size(), whole.size() - payload.size() + 8));
  }
};
/// Nothing for what is damaged or a fragment.
[[nodiscard]] std::optional<Ipv4Packet> parse_ipv4(ByteView bytes);

/// Whether the checksum of a packet's payload is to be looked at.
enum class Checksum : std::uint8_t { verify, missing };

struct UdpDatagram {
  std::uint16_t source_port, destination_port;
  ByteView payload;
};
[[nodiscard]] std::optional<UdpDatagram> parse_udp(Ipv4Packet const& packet, Checksum checksum);

struct TcpSegment {
  static constexpr std::uint8_t kFin = 1, kSyn = 2, kReset = 4, kPush = 8, kAck = 16;
  std::uint16_t source_port, destination_port;
  std::uint32_t sequence, acknowledged;
  std::uint8_t flags;
  std::uint16_t window;
  std::optional<std::uint16_t> segment_bytes_max{};  ///< options of a SYN (RFC 9293 3.2, RFC 7323)
  std::optional<std::uint8_t> window_scale{};
  ByteView payload{};

  [[nodiscard]] bool has(std::uint8_t flag) const noexcept { return (flags & flag) != 0; }
  /// In sequence numbers: SYN and FIN have one each.
  [[nodiscard]] std::uint32_t length() const noexcept {
    return static_cast<std::uint32_t>(payload.size()) + (has(kSyn) ? 1 : 0) + (has(kFin) ? 1 : 0);
  }
};
[[nodiscard]] std::optional<TcpSegment> parse_tcp(Ipv4Packet const& packet, Checksum checksum);

struct IcmpEcho {
  ByteView message;  ///< from its identifier on
};
[[nodiscard]] std::optional<IcmpEcho> parse_echo_request(Ipv4Packet const& packet);

/// Bytes in two pieces, as a ring buffer has them.
struct Pieces {
  ByteView first{}, second{};
  [[nodiscard]] std::size_t size() const noexcept { return first.size() + second.size(); }
};

/// Makes the frames that the router sends to the guest.
class FrameMaker {
 public:
  MacAddress guest_mac = kGuestMac;
  bool leaves_checksums = false;  ///< to the guest, of TCP

  [[nodiscard]] Frame arp_reply(Ipv4Address whose, MacAddress asker,
                                Ipv4Address asker_address) const;
  [[nodiscard]] Frame udp(Ipv4Address source, std::uint16_t source_port,
                          std::uint16_t destination_port, ByteView payload) const;
  /// To all: for a guest that has no address yet.
  [[nodiscard]] Frame udp_broadcast(Ipv4Address source, std::uint16_t source_port,
                                    std::uint16_t destination_port, ByteView payload) const;
  /// The segment's own payload is not looked at: it is in `payload`. `segment_bytes` is how much of
  /// it fits into one segment.
  [[nodiscard]] Frame tcp(Ipv4Address source, TcpSegment const& segment, Pieces payload,
                          std::uint16_t segment_bytes) const;
  [[nodiscard]] Frame echo_reply(Ipv4Address source, IcmpEcho const& request) const;
  /// Destination unreachable (RFC 792, codes also RFC 1812 5.2.7.1), about a packet of the guest
  /// that began so.
  enum class Unreachable : std::uint8_t { host = 1, prohibited = 13 };
  [[nodiscard]] Frame unreachable(Unreachable code, ByteView beginning) const;

 private:
  [[nodiscard]] Bytes begin(Ipv4Address source, Ipv4Address destination, IpProtocol protocol,
                            std::size_t payload_bytes) const;
};

}  // namespace mutirao::machine::nat
