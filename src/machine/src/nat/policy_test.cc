#include "nat/policy.h"

#include <gtest/gtest.h>

namespace mutirao::machine::nat {
namespace {

using Reach = NetworkOptions::Reach;
using world::Endpoint;
using world::IpAddress;

constexpr Ipv4Address kPublic{9, 9, 9, 9}, kPrivate{192, 168, 1, 20}, kShared{100, 64, 3, 4},
    kMetadata{169, 254, 169, 254}, kOwnPublic{8, 8, 4, 4}, kOwnPrivate{192, 168, 1, 5},
    kLoopback{127, 0, 0, 1}, kMulticast{224, 0, 0, 251}, kNobody{0, 0, 0, 0},
    kEverybody{255, 255, 255, 255}, kInside{10, 0, 2, 77};

Policy policy(Reach reach, std::vector<Policy::Allowed> allowed = {}) {
  Policy made{reach, std::move(allowed)};
  made.set_host_addresses({IpAddress::loopback(), ip_address(kOwnPublic), ip_address(kOwnPrivate)});
  return made;
}

TEST(Policy, a_guest_reaches_as_far_as_one_word_says) {
  EXPECT_FALSE(policy(Reach::nothing).target(kPublic, 80));
  EXPECT_EQ(policy(Reach::internet).target(kPublic, 80), (Endpoint{ip_address(kPublic), 80}));
  EXPECT_EQ(policy(Reach::lan).target(kPublic, 80), (Endpoint{ip_address(kPublic), 80}));
  for (auto const each : {kPrivate, kShared}) {
    EXPECT_FALSE(policy(Reach::internet).target(each, 80));
    EXPECT_TRUE(policy(Reach::lan).target(each, 80));
  }
}

TEST(Policy, no_word_reaches_the_host_or_what_is_no_machine) {
  for (auto const reach : {Reach::nothing, Reach::internet, Reach::lan})
    for (auto const each : {kMetadata, kOwnPublic, kOwnPrivate, kLoopback, kMulticast, kNobody,
                            kEverybody, kInside, kRouterAddress, kNameServerAddress})
      EXPECT_FALSE(policy(reach).target(each, 80)) << ip_address(each).to_string();
}

TEST(Policy, what_is_allowed_is_reached_and_nothing_beside_it) {
  auto const allows =
      policy(Reach::nothing, {{"", ip_address(kOwnPrivate), 80}, {"", ip_address(kMetadata), 0}});
  EXPECT_TRUE(allows.target(kOwnPrivate, 80));
  EXPECT_FALSE(allows.target(kOwnPrivate, 81));
  EXPECT_TRUE(allows.target(kMetadata, 1234));
  EXPECT_FALSE(allows.target(kMetadata, 0));
  EXPECT_FALSE(allows.target(kPrivate, 80));
}

TEST(Policy, the_loopback_of_the_host_is_found_at_the_router_alone) {
  auto const allows = policy(Reach::lan, {{"", IpAddress::loopback(), 8080}});
  EXPECT_EQ(allows.target(kRouterAddress, 8080), (Endpoint{IpAddress::loopback(), 8080}));
  EXPECT_FALSE(allows.target(kRouterAddress, 8081));
  EXPECT_FALSE(allows.target(kLoopback, 8080));
  EXPECT_FALSE(allows.target(kOwnPrivate, 8080));
}

TEST(Policy, names_are_looked_up_for_who_may_reach_something_by_itself) {
  auto const closed = policy(Reach::nothing, {{"mirror.example", ip_address(kPrivate), 80}});
  EXPECT_TRUE(closed.may_look_up("Mirror.Example"));
  EXPECT_FALSE(closed.may_look_up("secret.attacker.example"));
  EXPECT_TRUE(policy(Reach::internet).may_look_up("anything.example"));
}

TEST(NetworkOptions, are_read_as_people_write_them) {
  EXPECT_EQ(*parse_reach("lan"), Reach::lan);
  EXPECT_FALSE(parse_reach("everything"));

  EXPECT_EQ(parse_allowed("127.0.0.1:8080")->host, "127.0.0.1");
  EXPECT_EQ(parse_allowed("127.0.0.1:8080")->port, 8080);
  EXPECT_EQ(parse_allowed("mirror.example:*")->port, 0);
  EXPECT_EQ(parse_allowed("[::1]:80")->host, "::1");
  for (auto const* wrong : {"", "host", ":80", "host:", "host:0", "host:70000", "::1:80", "host:x"})
    EXPECT_FALSE(parse_allowed(wrong)) << wrong;

  auto const plain = parse_published("2222:22");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->at, (Endpoint{IpAddress::loopback(), 2222}));
  EXPECT_EQ(plain->guest_port, 22);
  EXPECT_EQ(plain->protocol, NetworkOptions::Protocol::tcp);
  auto const whole = parse_published("0.0.0.0:5353:53/udp");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->at, (Endpoint{IpAddress::any(), 5353}));
  EXPECT_EQ(whole->protocol, NetworkOptions::Protocol::udp);
  EXPECT_TRUE(parse_published("[::1]:2222:22"));
  for (auto const* wrong : {"", "22", "0:22", "22:0", "a:22", "1:2:3", "2222:22/sctp", ":22"}) {
    auto const got = parse_published(wrong);
    ASSERT_FALSE(got) << wrong;
    EXPECT_FALSE(got.error().mend.empty());
  }
}

}  // namespace
}  // namespace mutirao::machine::nat
