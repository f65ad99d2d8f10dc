// Packets, addresses and names, with frames that were written by hand.
#include <algorithm>

#include <gtest/gtest.h>

#include "nat/dhcp.h"
#include "nat/dns.h"
#include "nat/packet.h"
#include "testing/test_guest.h"

namespace mutirao::machine::nat {
namespace {

Ipv4Packet inner(Frame const& frame) {
  auto const packet = parse_ipv4(ByteView{frame.bytes}.subspan(kEthernetHeader));
  EXPECT_TRUE(packet);
  return *packet;
}

// A packet from the Wireshark of somebody else: the header of RFC 1071's best known example.
TEST(Ipv4, has_the_checksum_that_others_have) {
  Bytes packet{0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
               0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
  packet.resize(0x73);
  ASSERT_TRUE(parse_ipv4(packet));
  EXPECT_EQ(parse_ipv4(packet)->source, (Ipv4Address{192, 168, 0, 1}));
  EXPECT_EQ(parse_ipv4(packet)->payload.size(), 0x73u - 20);
  packet[8] ^= 1;
  EXPECT_FALSE(parse_ipv4(packet));
}

TEST(Ipv4, is_refused_when_its_sizes_contradict_each_other) {
  auto const good = by_hand::udp(1, kRouterAddress, 2, base::view_of("x"));
  auto const with = [&](std::size_t at, std::uint8_t value) {
    Bytes packet(good.begin() + kEthernetHeader, good.end());
    packet[at] = value;
    base::store_be<std::uint16_t>(MutableBytes{packet}.subspan(10), 0);
    base::store_be(MutableBytes{packet}.subspan(10), by_hand::checksum(ByteView{packet}.first(20)));
    return parse_ipv4(packet).has_value();
  };
  EXPECT_TRUE(with(3, 29));
  EXPECT_FALSE(with(0, 0x65)) << "another version";
  EXPECT_FALSE(with(0, 0x44)) << "a header that is too short";
  EXPECT_FALSE(with(3, 19)) << "shorter than its header";
  EXPECT_FALSE(with(3, 30)) << "longer than the frame";
  EXPECT_FALSE(with(6, 0x20)) << "a fragment";
  EXPECT_FALSE(with(7, 1)) << "the end of a fragment";
  EXPECT_FALSE(parse_ipv4(Bytes(19, 0x45)));
}

TEST(Udp, goes_both_ways_and_needs_a_right_checksum_or_none) {
  FrameMaker const maker;
  for (std::size_t const size : {0u, 1u, 2u, 7u, 8u, 9u, 1000u, 1001u}) {
    Bytes payload(size);
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::uint8_t>(255 - i);
    auto const frame = maker.udp(kRouterAddress, 67, 68, payload);
    auto const datagram = parse_udp(inner(frame), Checksum::verify);
    ASSERT_TRUE(datagram);
    EXPECT_EQ(datagram->destination_port, 68);
    EXPECT_TRUE(std::ranges::equal(datagram->payload, payload));
  }
  auto frame = by_hand::udp(1, kRouterAddress, 2, base::view_of("text"));
  frame.back() ^= 1;
  EXPECT_FALSE(parse_udp(inner({frame}), Checksum::verify));
  EXPECT_TRUE(parse_udp(inner({frame}), Checksum::missing));
  frame[40] = frame[41] = 0;
  EXPECT_TRUE(parse_udp(inner({frame}), Checksum::verify));
  frame[39] = 200;
  EXPECT_FALSE(parse_udp(inner({frame}), Checksum::missing)) << "longer than its packet";
}

TEST(Tcp, options_of_a_syn_are_read_and_nonsense_among_them_is_not) {
  TcpSegment const syn{.source_port = 1,
                       .destination_port = 2,
                       .sequence = 3,
                       .acknowledged = 4,
                       .flags = TcpSegment::kSyn,
                       .window = 5,
                       .segment_bytes_max = 1400,
                       .window_scale = 7};
  auto frame = by_hand::tcp(kRouterAddress, syn);
  auto const parsed = parse_tcp(inner({frame}), Checksum::verify);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->segment_bytes_max, 1400);
  EXPECT_EQ(parsed->window_scale, 7);
  EXPECT_EQ(parsed->length(), 1u);
  for (int const length : {0, 1, 3, 200}) {
    frame[34 + 20 + 1] = static_cast<std::uint8_t>(length);
    auto const odd = parse_tcp(inner({frame}), Checksum::missing);
    ASSERT_TRUE(odd);
    EXPECT_FALSE(odd->segment_bytes_max);
  }
  frame[34 + 12] = 0xF0;
  EXPECT_FALSE(parse_tcp(inner({frame}), Checksum::missing)) << "options beyond the packet";
  frame[34 + 12] = 0x40;
  EXPECT_FALSE(parse_tcp(inner({frame}), Checksum::missing)) << "a header that is too short";
}

TEST(Tcp, leaves_its_checksum_to_a_guest_that_offers_to_make_it) {
  FrameMaker maker;
  Bytes const payload(3000, 0xAB);
  TcpSegment const segment{.source_port = 80,
                           .destination_port = 4000,
                           .sequence = 1,
                           .acknowledged = 2,
                           .flags = TcpSegment::kAck,
                           .window = 3};
  auto const whole = maker.tcp(kRouterAddress, segment, {payload, payload}, 1460);
  EXPECT_TRUE(parse_tcp(inner(whole), Checksum::verify));
  EXPECT_FALSE(whole.missing_checksum);
  EXPECT_EQ(whole.segment_bytes, 1460);
  maker.leaves_checksums = true;
  auto left = maker.tcp(kRouterAddress, segment, {payload, payload}, 1460);
  ASSERT_TRUE(left.missing_checksum);
  EXPECT_FALSE(parse_tcp(inner(left), Checksum::verify));
  // As the guest makes it: over all from there on, with what stands at its place.
  auto const from = MutableBytes{left.bytes}.subspan(left.missing_checksum->begin);
  base::store_be(from.subspan(left.missing_checksum->offset), by_hand::checksum(from));
  EXPECT_TRUE(parse_tcp(inner(left), Checksum::verify));
}

TEST(Icmp, tells_about_which_packet_it_is) {
  FrameMaker const maker;
  auto const sent = by_hand::udp(5000, {9, 9, 9, 9}, 53, base::view_of("a long question"));
  auto const packet = *parse_ipv4(ByteView{sent}.subspan(kEthernetHeader));
  auto const frame = maker.unreachable(FrameMaker::Unreachable::prohibited, packet.beginning());
  auto const message = inner(frame).payload;
  EXPECT_EQ(by_hand::checksum(message), 0);
  EXPECT_EQ(message[0], 3);
  EXPECT_EQ(message[1], 13);
  EXPECT_TRUE(std::ranges::equal(message.subspan(8), packet.whole.first(28)));
}

/// A DHCP message as busybox sends them.
Bytes dhcp_message(std::uint8_t type, Bytes const& options = {}) {
  Bytes message(236);
  message[0] = 1;
  message[1] = 1;
  message[2] = 6;
  base::store_be<std::uint32_t>(MutableBytes{message}.subspan(4), 0xCAFEBABE);
  std::ranges::copy(kGuestMac, message.begin() + 28);
  Bytes const rest{0x63, 0x82, 0x53, 0x63, 53, 1, type};
  message.insert(message.end(), rest.begin(), rest.end());
  message.insert(message.end(), options.begin(), options.end());
  message.push_back(255);
  return message;
}
std::optional<Bytes> option(ByteView message, std::uint8_t wanted) {
  for (std::size_t at = 240; at + 1 < message.size() && message[at] != 255;
       at += 2 + message[at + 1])
    if (message[at] == wanted) {
      auto const value = message.subspan(at + 2, message[at + 1]);
      return Bytes(value.begin(), value.end());
    }
  return std::nullopt;
}

TEST(Dhcp, offers_and_confirms_the_one_address_that_there_is) {
  auto const offer = dhcp_answer(dhcp_message(1));
  ASSERT_TRUE(offer);
  EXPECT_EQ((*offer)[0], 2);
  EXPECT_EQ(base::load_be<std::uint32_t>(ByteView{*offer}.subspan(4)), 0xCAFEBABE);
  EXPECT_TRUE(std::ranges::equal(ByteView{*offer}.subspan(16, 4), kGuestAddress));
  EXPECT_TRUE(std::ranges::equal(ByteView{*offer}.subspan(28, 6), kGuestMac));
  EXPECT_EQ(option(*offer, 53), Bytes{2});
  EXPECT_EQ(option(*offer, 1), (Bytes{255, 255, 255, 0}));
  EXPECT_EQ(option(*offer, 3), (Bytes{10, 0, 2, 2}));
  EXPECT_EQ(option(*offer, 6), (Bytes{10, 0, 2, 3}));
  auto const confirmed = dhcp_answer(dhcp_message(3, {50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2}));
  ASSERT_TRUE(confirmed);
  EXPECT_EQ(option(*confirmed, 53), Bytes{5});
}

TEST(Dhcp, refuses_another_address_and_leaves_other_servers_alone) {
  auto const refused = dhcp_answer(dhcp_message(3, {50, 4, 192, 168, 0, 7}));
  ASSERT_TRUE(refused);
  EXPECT_EQ(option(*refused, 53), Bytes{6});
  EXPECT_FALSE(dhcp_answer(dhcp_message(3, {50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 9})));
  EXPECT_FALSE(dhcp_answer(dhcp_message(7))) << "a release";
}

TEST(Dhcp, reads_no_further_than_a_message_goes) {
  auto const whole = dhcp_message(3, {0, 0, 50, 4, 10, 0, 2, 15});
  for (std::size_t size = 0; size < whole.size() - 1; ++size)
    static_cast<void>(dhcp_answer(Bytes(whole.begin(), whole.begin() + static_cast<int>(size))));
  EXPECT_FALSE(dhcp_answer(Bytes(whole.begin(), whole.begin() + 239)));
  EXPECT_FALSE(dhcp_answer(Bytes(300)));
}

Bytes question_for(Bytes const& name, std::uint16_t type = 1) {
  Bytes message{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  message.insert(message.end(), name.begin(), name.end());
  base::append_be(message, type);
  base::append_be<std::uint16_t>(message, 1);
  return message;
}

TEST(Dns, reads_a_question_and_answers_it) {
  auto const message = question_for({3, 'd', 'e', 'b', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0});
  auto const question = parse_dns_question(message);
  ASSERT_TRUE(question);
  EXPECT_EQ(question->name, "deb.example");
  EXPECT_TRUE(question->wants_address());
  std::vector<Ipv4Address> const addresses(20, Ipv4Address{1, 2, 3, 4});
  auto const answer = dns_answer(*question, DnsOutcome::found, addresses);
  EXPECT_LE(answer.size(), 512u);
  EXPECT_EQ(base::load_be<std::uint16_t>(answer), 0x1234);
  EXPECT_EQ(answer[2], 0x81);
  EXPECT_EQ(answer[3], 0x80);
  EXPECT_EQ(answer[7], 8) << "records";
  auto const refused = dns_answer(*question, DnsOutcome::refused);
  EXPECT_EQ(refused[3], 0x85);
  EXPECT_EQ(refused.size(), message.size());
}

TEST(Dns, takes_names_of_hosts_only) {
  EXPECT_FALSE(parse_dns_question(question_for({0}))) << "the root";
  EXPECT_FALSE(parse_dns_question(question_for({1, '%', 0})));
  EXPECT_FALSE(parse_dns_question(question_for({2, 'a', 0, 0}))) << "a zero within";
  EXPECT_FALSE(parse_dns_question(question_for({0xC0, 12}))) << "a pointer to itself";
  EXPECT_FALSE(parse_dns_question(question_for({200, 'a', 0})));
  Bytes long_name;
  for (int i = 0; i < 60; ++i) long_name.insert(long_name.end(), {5, 'a', 'b', 'c', 'd', 'e'});
  long_name.push_back(0);
  EXPECT_FALSE(parse_dns_question(question_for(long_name)));
  auto const whole = question_for({1, 'a', 0});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_dns_question(ByteView{whole}.first(size)));
  auto answer = whole;
  answer[2] |= 0x80;
  EXPECT_FALSE(parse_dns_question(answer)) << "an answer is no question";
}

}  // namespace
}  // namespace mutirao::machine::nat
