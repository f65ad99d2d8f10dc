#include "mutirao/world/address.h"

#include <gtest/gtest.h>

namespace mutirao::world {
namespace {

TEST(IpAddress, reads_and_writes_both_families) {
  for (auto const* text :
       {"0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::8:800:200c:417a"}) {
    auto const address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(IpAddress, refuses_what_is_no_address) {
  for (auto const* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ",
                           ":::", "g::1", "::1%lo", "localhost"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string(1000, '1')));
  EXPECT_FALSE(IpAddress::parse(std::string_view{"1.2.3.4\0", 8}));
}

TEST(IpAddress, keeps_a_mapped_v4_address_as_v4) {
  auto const mapped = IpAddress::parse("::ffff:192.0.2.7");
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(mapped->is_v4());
  EXPECT_EQ(*mapped, *IpAddress::parse("192.0.2.7"));
}

TEST(IpAddress, knows_what_no_public_server_may_name) {
  for (auto const* text :
       {"127.0.0.1", "127.255.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "::1",
        "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::"}) {
    EXPECT_TRUE(IpAddress::parse(text)->is_internal()) << text;
  }
  for (auto const* text : {"1.1.1.1", "172.32.0.1", "100.128.0.1", "192.169.0.1", "223.255.255.255",
                           "2606:4700::1111", "2002:101:101::"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_internal()) << text;
  }
}

TEST(IpAddress, comes_from_compact_lists) {
  std::array<std::uint8_t, 16> const bytes{1, 2, 3, 4};
  EXPECT_EQ(IpAddress::from_bytes(ByteView{bytes}.first(4))->to_string(), "1.2.3.4");
  EXPECT_EQ(IpAddress::from_bytes(bytes)->to_string(), "102:304::");
  EXPECT_FALSE(IpAddress::from_bytes(ByteView{bytes}.first(5)));
}

TEST(Endpoint, reads_and_writes_both_families) {
  for (auto const* text : {"10.0.0.1:80", "[::1]:65535", "0.0.0.0:0"}) {
    auto const endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, refuses_what_is_ambiguous_or_out_of_range) {
  for (auto const* text :
       {"", ":", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:+1",
        "10.0.0.1: 1", "::1:80", "[10.0.0.1]:80", "[::1]", "[::1:80", "host:80"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(Endpoint, hashes_port_and_address) {
  std::hash<Endpoint> const hash;
  EXPECT_NE(hash(*Endpoint::parse("1.2.3.4:5")), hash(*Endpoint::parse("1.2.3.4:6")));
  EXPECT_NE(hash(*Endpoint::parse("1.2.3.4:5")), hash(*Endpoint::parse("1.2.3.5:5")));
}

}  // namespace
}  // namespace mutirao::world
