// Bytes that a guest sends as a frame, as a DHCP message and as a question for a name.
#include <algorithm>
#include <cstdint>

#include "mutirao/base/check.h"

#include "nat/dhcp.h"
#include "nat/dns.h"
#include "nat/packet.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine::nat;

bool within(ByteView part, ByteView whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void look_at_packet(ByteView bytes) {
  auto const packet = parse_ipv4(bytes);
  if (!packet) return;
  MUT_ASSERT(within(packet->payload, bytes) && within(packet->whole, bytes));
  MUT_ASSERT(within(packet->beginning(), bytes));
  FrameMaker const maker;
  auto const about = maker.unreachable(FrameMaker::Unreachable::host, packet->beginning());
  MUT_ASSERT(parse_ipv4(ByteView{about.bytes}.subspan(kEthernetHeader)));
  for (auto const checksum : {Checksum::verify, Checksum::missing}) {
    if (auto const datagram = parse_udp(*packet, checksum))
      MUT_ASSERT(within(datagram->payload, bytes));
    auto const segment = parse_tcp(*packet, checksum);
    if (!segment) continue;
    MUT_ASSERT(within(segment->payload, bytes));
    // What was read is what would be written.
    auto const again = maker.tcp(packet->source, *segment, {segment->payload, {}}, 1460);
    auto const inner = parse_ipv4(ByteView{again.bytes}.subspan(kEthernetHeader));
    if (!inner) continue;  // with our options it is longer than a packet can be
    auto const copy = parse_tcp(*inner, Checksum::verify);
    MUT_ASSERT(copy && copy->sequence == segment->sequence && copy->window == segment->window &&
               copy->segment_bytes_max == segment->segment_bytes_max &&
               std::ranges::equal(copy->payload, segment->payload));
  }
  if (auto const echo = parse_echo_request(*packet)) MUT_ASSERT(within(echo->message, bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const bytes{data, size};
  if (auto const frame = parse_ethernet(bytes)) look_at_packet(frame->payload);
  // As a packet it rarely has the checksum that it needs: here it gets it.
  if (size >= kIpv4Header && size <= 0xFFFF) {
    Bytes packet(bytes.begin(), bytes.end());
    packet[0] = static_cast<std::uint8_t>(0x40 | (packet[0] & 15));
    base::store_be<std::uint16_t>(MutableBytes{packet}.subspan(2),
                                  static_cast<std::uint16_t>(size));
    auto const header = std::min<std::size_t>((packet[0] & 15u) * 4, size);
    std::uint32_t sum = 0;
    packet[10] = packet[11] = 0;
    for (std::size_t i = 0; i + 1 < header; i += 2)
      sum += static_cast<std::uint32_t>(packet[i] << 8 | packet[i + 1]);
    while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
    base::store_be(MutableBytes{packet}.subspan(10), static_cast<std::uint16_t>(~sum));
    look_at_packet(packet);
  }
  if (auto const answer = dhcp_answer(bytes)) MUT_ASSERT(answer->size() <= 576);
  if (auto const question = parse_dns_question(bytes)) {
    std::array<Ipv4Address, 20> const addresses{};
    MUT_ASSERT(dns_answer(*question, DnsOutcome::found, addresses).size() <= 512);
  }
  return 0;
}
