#include "mutirao/swarm/magnet.h"

#include <gtest/gtest.h>

#include "mutirao/base/bytes.h"

namespace mutirao::swarm {
namespace {

std::string const kV1 = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
std::string const kV2 = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

using Ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

TEST(Magnet, reads_hashes_in_hex_and_base32) {
  auto const hex = Magnet::parse("magnet:?xt=urn:btih:" + kV1);
  ASSERT_TRUE(hex.has_value());
  EXPECT_EQ(base::to_hex(*hex->info_hash.v1), kV1);
  EXPECT_FALSE(hex->info_hash.v2.has_value());
  for (std::string const base32 :
       {"YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK", "yex6dqdlxisuvhoj6um3gnnkpqjwpkek"}) {
    auto const same = Magnet::parse("MAGNET:?XT=URN:BTIH:" + base32);
    ASSERT_TRUE(same.has_value()) << same.error().what;
    EXPECT_EQ(same->info_hash, hex->info_hash);
  }
}

TEST(Magnet, reads_a_hybrid_with_its_multihash) {
  auto const magnet = Magnet::parse("magnet:?xt=urn:btih:" + kV1 + "&xt=urn:btmh:1220" + kV2);
  ASSERT_TRUE(magnet.has_value());
  EXPECT_EQ(base::to_hex(*magnet->info_hash.v1), kV1);
  EXPECT_EQ(base::to_hex(*magnet->info_hash.v2), kV2);
  EXPECT_EQ(magnet->info_hash.id(), kV2);
  EXPECT_EQ(base::to_hex(*magnet->info_hash.v2_truncated()), kV2.substr(0, 40));
  EXPECT_TRUE(magnet->info_hash.matches(*magnet->info_hash.v1));
  EXPECT_TRUE(magnet->info_hash.matches(*magnet->info_hash.v2_truncated()));
  EXPECT_FALSE(magnet->info_hash.matches(Sha1Digest{}));
}

/// The example that BEP 53 prints.
TEST(Magnet, reads_the_file_selection_of_bep_53) {
  auto const magnet =
      Magnet::parse("magnet:?xt=urn:btih:" + kV1 + "&dn=NAME&tr=TRACKER&so=0,2,4,6-8");
  ASSERT_TRUE(magnet.has_value());
  EXPECT_EQ(magnet->name, "NAME");
  EXPECT_EQ(magnet->trackers, std::vector<std::string>{"TRACKER"});
  EXPECT_EQ(magnet->selected_files, (Ranges{{0, 0}, {2, 2}, {4, 4}, {6, 8}}));
  EXPECT_TRUE(magnet->to_string().ends_with("&so=0,2,4,6-8"));
}

TEST(Magnet, reads_numbered_repeated_and_escaped_parameters) {
  auto const magnet = Magnet::parse(
      "magnet:?xt.1=urn:btih:" + kV1 +
      "&dn=a+b%20%C3%A9&tr.1=http%3A%2F%2Ft%3A80%2Fa%3Fx%3D1&tr.2=udp://u:1&tr=udp://u:1"
      "&ws=http://w/&x.pe=10.0.0.1:6881&x.pe=[::1]:7&x.pe=host:1&x.pe=10.0.0.1:0&junk&=&xl=5");
  ASSERT_TRUE(magnet.has_value()) << magnet.error().what;
  EXPECT_EQ(magnet->name, "a b é");
  EXPECT_EQ(magnet->trackers, (std::vector<std::string>{"http://t:80/a?x=1", "udp://u:1"}));
  EXPECT_EQ(magnet->web_seeds, std::vector<std::string>{"http://w/"});
  ASSERT_EQ(magnet->peers.size(), 2u);
  EXPECT_EQ(magnet->peers[0].to_string(), "10.0.0.1:6881");
  EXPECT_EQ(magnet->peers[1].to_string(), "[::1]:7");
}

TEST(Magnet, says_the_same_once_written) {
  auto const magnet = Magnet::parse("magnet:?xt=urn:btih:" + kV1 + "&xt=urn:btmh:1220" + kV2 +
                                    "&dn=a%26b&tr=http://t/%2526&ws=http://w/&x.pe=[::1]:7&so=1-3");
  ASSERT_TRUE(magnet.has_value());
  auto const again = Magnet::parse(magnet->to_string());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->info_hash, magnet->info_hash);
  EXPECT_EQ(again->name, "a&b");
  EXPECT_EQ(again->trackers, magnet->trackers);
  EXPECT_EQ(again->web_seeds, magnet->web_seeds);
  EXPECT_EQ(again->peers, magnet->peers);
  EXPECT_EQ(again->selected_files, magnet->selected_files);
}

TEST(Magnet, keeps_lists_bounded) {
  std::string text = "magnet:?xt=urn:btih:" + kV1;
  for (int i = 0; i < 200; ++i)
    text += "&tr=http://t" + std::to_string(i) + "/&ws=http://w" + std::to_string(i) +
            "/&x.pe=10.0.0.1:" + std::to_string(i + 1);
  auto const magnet = Magnet::parse(text);
  ASSERT_TRUE(magnet.has_value());
  EXPECT_EQ(magnet->trackers.size(), 64u);
  EXPECT_EQ(magnet->web_seeds.size(), 64u);
  EXPECT_EQ(magnet->peers.size(), 64u);
  EXPECT_FALSE(Magnet::parse(text + std::string(70'000, '&')).has_value());
}

TEST(Magnet, drops_a_name_that_could_not_be_shown) {
  EXPECT_EQ(Magnet::parse("magnet:?xt=urn:btih:" + kV1 + "&dn=a%1b[2J")->name, "");
  EXPECT_EQ(Magnet::parse("magnet:?xt=urn:btih:" + kV1 + "&dn=%ff")->name, "");
}

TEST(Magnet, refuses_what_it_cannot_mean) {
  std::string const ok = "magnet:?xt=urn:btih:" + kV1;
  auto const why = [](std::string const& text) {
    auto const parsed = Magnet::parse(text);
    return parsed ? std::string{"accepted"} : parsed.error().what;
  };
  EXPECT_EQ(why("http://x/"), "'http://x/' is not a magnet link");
  EXPECT_EQ(why("magnet:?dn=x"), "the magnet link names no torrent");
  EXPECT_EQ(why("magnet:?xt=urn:sha1:ABC"), "the magnet link names no torrent");
  EXPECT_EQ(why("magnet:?xt=urn:btih:1234"),
            "the v1 hash '1234' is neither 40 hex digits nor 32 of base32");
  EXPECT_EQ(why("magnet:?xt=urn:btih:" + std::string(40, 'g')),
            "the v1 hash '" + std::string(40, 'g') + "' is neither 40 hex digits nor 32 of base32");
  EXPECT_EQ(why("magnet:?xt=urn:btmh:1114" + kV1),
            "the v2 hash '1114" + kV1 + "' is not a SHA-256 multihash (1220...)");
  EXPECT_EQ(why("magnet:?xt=urn:btmh:1220abcd"),
            "the v2 hash '1220abcd' is not 1220 and 64 hex digits");
  EXPECT_EQ(why(ok + "&xt=urn:btih:" + std::string(40, '0')),
            "the magnet link has two different v1 hashes");
  EXPECT_EQ(why(ok + "&xt=urn:btih:" + kV1), "accepted");
  EXPECT_EQ(why(ok + "&tr=%zz"), "the magnet link's 'tr' has a broken escape");
  for (std::string const bad : {"", "a", "1-", "-1", "3-2", "1,,2", "1,", "4294967296", "200000"})
    EXPECT_TRUE(why(ok + "&so=" + bad).starts_with("'so' holds ")) << bad;
}

}  // namespace
}  // namespace mutirao::swarm
