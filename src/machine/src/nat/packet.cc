#include "nat/packet.h"

#include <algorithm>
#include <bit>

namespace mutirao::machine::nat {
namespace {

constexpr std::uint8_t kEchoRequest = 8, kEchoReply = 0, kUnreachableType = 3;
constexpr std::uint16_t kMoreFragments = 0x2000, kFragmentOffset = 0x1FFF;
constexpr std::size_t kIcmpHeader = 8;
constexpr std::size_t kUdpChecksumAt = 6, kTcpChecksumAt = 16;

std::uint32_t fold(std::uint64_t sum) noexcept {
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint32_t>(sum);
}

/// The sum of RFC 1071, not inverted, of bytes that begin at an even place.
std::uint32_t sum_of(ByteView bytes) noexcept {
  // In the machine's byte order; the sum is turned around at its end.
  std::uint64_t sum = 0;
  while (bytes.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof word);
    sum += (word & 0xFFFFFFFF) + (word >> 32);
    bytes = bytes.subspan(8);
  }
  std::uint64_t rest = 0;
  if (!bytes.empty()) std::memcpy(&rest, bytes.data(), bytes.size());
  sum += (rest & 0xFFFFFFFF) + (rest >> 32);
  auto const folded = static_cast<std::uint16_t>(fold(sum));
  return std::endian::native == std::endian::little ? std::byteswap(folded) : folded;
}

std::uint32_t pseudo_header_sum(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol,
                                std::size_t size) noexcept {
  return sum_of(source) + sum_of(destination) + protocol + static_cast<std::uint32_t>(size);
}

std::uint16_t inverted(std::uint64_t sum) noexcept {
  return static_cast<std::uint16_t>(~fold(sum) & 0xFFFF);
}

bool sums_up(Ipv4Packet const& packet) noexcept {
  return fold(std::uint64_t{pseudo_header_sum(packet.source, packet.destination, packet.protocol,
                                              packet.payload.size())} +
              sum_of(packet.payload)) == 0xFFFF;
}

template <class T>
void append(Bytes& out, T const& bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <std::size_t N>
std::array<std::uint8_t, N> array_at(ByteView bytes, std::size_t at) noexcept {
  std::array<std::uint8_t, N> array;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), N, array.begin());
  return array;
}

void read_options(ByteView options, TcpSegment& segment) {
  constexpr std::uint8_t kEnd = 0, kNothing = 1, kSegmentBytesMax = 2, kWindowScale = 3;
  while (!options.empty() && options[0] != kEnd) {
    if (options[0] == kNothing) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return;
    ByteView const option = options.first(options[1]);
    if (option[0] == kSegmentBytesMax && option.size() == 4)
      segment.segment_bytes_max = base::load_be<std::uint16_t>(option.subspan(2));
    if (option[0] == kWindowScale && option.size() == 3) segment.window_scale = option[2];
    options = options.subspan(option.size());
  }
}

Bytes ethernet_header(MacAddress const& destination, EtherType type, std::size_t room) {
  Bytes bytes;
  bytes.reserve(kEthernetHeader + room);
  append(bytes, destination);
  append(bytes, kRouterMac);
  base::append_be(bytes, static_cast<std::uint16_t>(type));
  return bytes;
}

MutableBytes behind_ip(Bytes& frame) {
  return MutableBytes{frame}.subspan(kEthernetHeader + kIpv4Header);
}

/// Of what an IPv4 frame carries, UDP or TCP.
void put_checksum(Bytes& frame, std::size_t at) {
  auto const payload = behind_ip(frame);
  ByteView const header = ByteView{frame}.subspan(kEthernetHeader, kIpv4Header);
  auto const checksum =
      inverted(std::uint64_t{pseudo_header_sum(array_at<4>(header, 12), array_at<4>(header, 16),
                                               header[9], payload.size())} +
               sum_of(payload));
  // For UDP a zero says that there is none; the other zero is as good for both (RFC 768).
  base::store_be<std::uint16_t>(payload.subspan(at), checksum == 0 ? 0xFFFF : checksum);
}

}  // namespace

std::optional<EthernetFrame> parse_ethernet(ByteView frame) {
  if (frame.size() < kEthernetHeader) return std::nullopt;
  return EthernetFrame{array_at<6>(frame, 0), array_at<6>(frame, 6),
                       base::load_be<std::uint16_t>(frame.subspan(12)),
                       frame.subspan(kEthernetHeader)};
}

std::optional<Ipv4Packet> parse_ipv4(ByteView bytes) {
  if (bytes.size() < kIpv4Header || bytes[0] >> 4 != 4) return std::nullopt;
  std::size_t const header = (bytes[0] & 15u) * 4;
  std::size_t const size = base::load_be<std::uint16_t>(bytes.subspan(2));
  if (header < kIpv4Header || size < header || size > bytes.size()) return std::nullopt;
  if (sum_of(bytes.first(header)) != 0xFFFF) return std::nullopt;
  auto const fragment = base::load_be<std::uint16_t>(bytes.subspan(6));
  if ((fragment & (kMoreFragments | kFragmentOffset)) != 0) return std::nullopt;
  return Ipv4Packet{array_at<4>(bytes, 12), array_at<4>(bytes, 16), bytes[9],
                    bytes.subspan(header, size - header), bytes.first(size)};
}

std::optional<UdpDatagram> parse_udp(Ipv4Packet const& packet, Checksum checksum) {
  auto const bytes = packet.payload;
  if (bytes.size() < kUdpHeader) return std::nullopt;
  std::size_t const size = base::load_be<std::uint16_t>(bytes.subspan(4));
  if (size < kUdpHeader || size > bytes.size()) return std::nullopt;
  bool const has_checksum = base::load_be<std::uint16_t>(bytes.subspan(kUdpChecksumAt)) != 0;
  if (checksum == Checksum::verify && has_checksum) {
    Ipv4Packet covered = packet;
    covered.payload = bytes.first(size);
    if (!sums_up(covered)) return std::nullopt;
  }
  return UdpDatagram{base::load_be<std::uint16_t>(bytes),
                     base::load_be<std::uint16_t>(bytes.subspan(2)),
                     bytes.subspan(kUdpHeader, size - kUdpHeader)};
}

std::optional<TcpSegment> parse_tcp(Ipv4Packet const& packet, Checksum checksum) {
  auto const bytes = packet.payload;
  if (bytes.size() < kTcpHeader) return std::nullopt;
  std::size_t const header = (bytes[12] >> 4) * 4u;
  if (header < kTcpHeader || header > bytes.size()) return std::nullopt;
  if (checksum == Checksum::verify && !sums_up(packet)) return std::nullopt;
  TcpSegment segment{.source_port = base::load_be<std::uint16_t>(bytes),
                     .destination_port = base::load_be<std::uint16_t>(bytes.subspan(2)),
                     .sequence = base::load_be<std::uint32_t>(bytes.subspan(4)),
                     .acknowledged = base::load_be<std::uint32_t>(bytes.subspan(8)),
                     .flags = static_cast<std::uint8_t>(bytes[13] & 0x3F),
                     .window = base::load_be<std::uint16_t>(bytes.subspan(14)),
                     .payload = bytes.subspan(header)};
  if (segment.has(TcpSegment::kSyn))
    read_options(bytes.subspan(kTcpHeader, header - kTcpHeader), segment);
  return segment;
}

std::optional<IcmpEcho> parse_echo_request(Ipv4Packet const& packet) {
  auto const bytes = packet.payload;
  if (bytes.size() < kIcmpHeader || bytes[0] != kEchoRequest || bytes[1] != 0) return std::nullopt;
  if (sum_of(bytes) != 0xFFFF) return std::nullopt;
  return IcmpEcho{bytes.subspan(4)};
}

Bytes FrameMaker::begin(Ipv4Address source, Ipv4Address destination, IpProtocol protocol,
                        std::size_t payload_bytes) const {
  bool const to_all = destination == Ipv4Address{255, 255, 255, 255};
  std::size_t const size = kIpv4Header + payload_bytes;
  Bytes bytes = ethernet_header(to_all ? kBroadcastMac : guest_mac, EtherType::ipv4, size);
  append(bytes, std::array<std::uint8_t, 2>{0x45, 0});
  base::append_be(bytes, static_cast<std::uint16_t>(size));
  // No identification: nothing of ours is cut into fragments (RFC 6864).
  constexpr std::uint16_t kDontFragment = 0x4000;
  base::append_be<std::uint16_t>(bytes, 0);
  base::append_be(bytes, kDontFragment);
  append(bytes, std::array<std::uint8_t, 4>{64, static_cast<std::uint8_t>(protocol), 0, 0});
  append(bytes, source);
  append(bytes, destination);
  auto const header = MutableBytes{bytes}.subspan(kEthernetHeader);
  base::store_be<std::uint16_t>(header.subspan(10), inverted(sum_of(header)));
  return bytes;
}

Frame FrameMaker::arp_reply(Ipv4Address whose, MacAddress asker, Ipv4Address asker_address) const {
  // RFC 826: Ethernet, IPv4, sizes of their addresses, a reply.
  constexpr std::array<std::uint8_t, 8> kReply{0, 1, 8, 0, 6, 4, 0, 2};
  Bytes bytes = ethernet_header(asker, EtherType::arp, 28);
  append(bytes, kReply);
  append(bytes, kRouterMac);
  append(bytes, whose);
  append(bytes, asker);
  append(bytes, asker_address);
  return {std::move(bytes)};
}

namespace {
void append_udp(Bytes& bytes, std::uint16_t source_port, std::uint16_t destination_port,
                ByteView payload) {
  base::append_be(bytes, source_port);
  base::append_be(bytes, destination_port);
  base::append_be(bytes, static_cast<std::uint16_t>(kUdpHeader + payload.size()));
  base::append_be<std::uint16_t>(bytes, 0);
  append(bytes, payload);
  put_checksum(bytes, kUdpChecksumAt);
}
}  // namespace

Frame FrameMaker::udp(Ipv4Address source, std::uint16_t source_port, std::uint16_t destination_port,
                      ByteView payload) const {
  Bytes bytes = begin(source, kGuestAddress, IpProtocol::udp, kUdpHeader + payload.size());
  append_udp(bytes, source_port, destination_port, payload);
  return {std::move(bytes)};
}

Frame FrameMaker::udp_broadcast(Ipv4Address source, std::uint16_t source_port,
                                std::uint16_t destination_port, ByteView payload) const {
  Bytes bytes = begin(source, {255, 255, 255, 255}, IpProtocol::udp, kUdpHeader + payload.size());
  append_udp(bytes, source_port, destination_port, payload);
  return {std::move(bytes)};
}

Frame FrameMaker::tcp(Ipv4Address source, TcpSegment const& segment, Pieces payload,
                      std::uint16_t segment_bytes) const {
  Bytes options;
  if (segment.segment_bytes_max) {
    append(options, std::array<std::uint8_t, 2>{2, 4});
    base::append_be(options, *segment.segment_bytes_max);
  }
  if (segment.window_scale)
    append(options, std::array<std::uint8_t, 4>{1, 3, 3, *segment.window_scale});
  std::size_t const header = kTcpHeader + options.size();
  Bytes bytes = begin(source, kGuestAddress, IpProtocol::tcp, header + payload.size());
  base::append_be(bytes, segment.source_port);
  base::append_be(bytes, segment.destination_port);
  base::append_be(bytes, segment.sequence);
  base::append_be(bytes, segment.acknowledged);
  bytes.push_back(static_cast<std::uint8_t>(header / 4 << 4));
  bytes.push_back(segment.flags);
  base::append_be(bytes, segment.window);
  base::append_be<std::uint32_t>(bytes, 0);  // checksum, urgent pointer
  append(bytes, options);
  append(bytes, payload.first);
  append(bytes, payload.second);
  Frame frame{std::move(bytes)};
  if (payload.size() > segment_bytes) frame.segment_bytes = segment_bytes;
  if (leaves_checksums && payload.size() != 0) {
    frame.missing_checksum = {kEthernetHeader + kIpv4Header, kTcpChecksumAt};
    auto const sum =
        fold(pseudo_header_sum(source, kGuestAddress, static_cast<std::uint8_t>(IpProtocol::tcp),
                               header + payload.size()));
    base::store_be<std::uint16_t>(behind_ip(frame.bytes).subspan(kTcpChecksumAt),
                                  static_cast<std::uint16_t>(sum));
  } else {
    put_checksum(frame.bytes, kTcpChecksumAt);
  }
  return frame;
}

namespace {
/// ICMP has its checksum over itself alone.
void put_icmp_checksum(Bytes& frame) {
  auto const message = behind_ip(frame);
  base::store_be<std::uint16_t>(message.subspan(2), inverted(sum_of(message)));
}
}  // namespace

Frame FrameMaker::echo_reply(Ipv4Address source, IcmpEcho const& request) const {
  Bytes bytes = begin(source, kGuestAddress, IpProtocol::icmp, 4 + request.message.size());
  append(bytes, std::array<std::uint8_t, 4>{kEchoReply, 0, 0, 0});
  append(bytes, request.message);
  put_icmp_checksum(bytes);
  return {std::move(bytes)};
}

Frame FrameMaker::unreachable(Unreachable code, ByteView beginning) const {
  Bytes bytes =
      begin(kRouterAddress, kGuestAddress, IpProtocol::icmp, kIcmpHeader + beginning.size());
  append(bytes,
         std::array<std::uint8_t, kIcmpHeader>{kUnreachableType, static_cast<std::uint8_t>(code)});
  append(bytes, beginning);
  put_icmp_checksum(bytes);
  return {std::move(bytes)};
}

}  // namespace mutirao::machine::nat
