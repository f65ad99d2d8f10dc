#include "torrent/peer_priority.h"

#include <string>

#include <gtest/gtest.h>

#include "hash/crc32c.h"

namespace mutirao::swarm {
namespace {

world::Endpoint at(std::string const& address, std::uint16_t port = 0) {
  return {*world::IpAddress::parse(address), port};
}

std::uint32_t crc_of(std::string const& hex) { return crc32c(*base::from_hex(hex)); }

TEST(PeerPriority, is_what_BEP_40_prints) {
  EXPECT_EQ(peer_priority(at("123.213.32.10"), at("98.76.54.32")), 0xec2d7224u);
  EXPECT_EQ(peer_priority(at("123.213.32.10"), at("123.213.32.234")), 0x99568189u);
}

TEST(PeerPriority, is_the_same_from_both_ends) {
  EXPECT_EQ(peer_priority(at("98.76.54.32", 1), at("123.213.32.10", 2)), 0xec2d7224u);
  EXPECT_EQ(peer_priority(at("10.0.0.1", 80), at("2001:db8::1", 81)),
            peer_priority(at("2001:db8::1", 81), at("10.0.0.1", 80)));
  EXPECT_EQ(peer_priority(at("10.0.0.1", 80), at("10.0.0.1", 81)),
            peer_priority(at("10.0.0.1", 81), at("10.0.0.1", 80)));
}

TEST(PeerPriority, counts_more_of_an_address_the_nearer_the_peers_are) {
  // /16 differs, /16 shared, /24 shared.
  EXPECT_EQ(peer_priority(at("230.120.23.1"), at("230.12.123.3")), crc_of("e60c5101"
                                                                          "e6781501"));
  EXPECT_EQ(peer_priority(at("230.12.23.1"), at("230.12.123.3")), crc_of("e60c1701"
                                                                         "e60c7b01"));
  EXPECT_EQ(peer_priority(at("230.12.123.1"), at("230.12.123.3")), crc_of("e60c7b01"
                                                                          "e60c7b03"));
  // /48 differs; /48 shared; /56 shared.
  EXPECT_EQ(peer_priority(at("ffff:ffff:ffff:ffff::ff"), at("ffff:ffff:fffe:ffff::ff")),
            crc_of("fffffffffffe55550000000000000055"
                   "ffffffffffff55550000000000000055"));
  EXPECT_EQ(peer_priority(at("ffff:ffff:ffff:ffff::ff"), at("ffff:ffff:ffff:feff::ff")),
            crc_of("fffffffffffffe550000000000000055"
                   "ffffffffffffff550000000000000055"));
  EXPECT_EQ(peer_priority(at("ffff:ffff:ffff:ffff::ff"), at("ffff:ffff:ffff:fffe::ff")),
            crc_of("fffffffffffffffe0000000000000055"
                   "ffffffffffffffff0000000000000055"));
}

TEST(PeerPriority, is_that_of_the_ports_between_programs_of_one_address) {
  EXPECT_EQ(peer_priority(at("230.12.123.3", 0x4d2), at("230.12.123.3", 0x12c)),
            crc_of("012c04d2"));
}

}  // namespace
}  // namespace mutirao::swarm
