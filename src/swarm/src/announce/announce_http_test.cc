#include "announce/announce_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "announce/announce_parts.h"

namespace mutirao::swarm {
namespace {

using testing::HasSubstr;

Result<AnnounceAnswer> parse(std::string_view body) {
  return parse_http_announce_answer(base::view_of(body));
}

AnnounceRequest query_request() {
  AnnounceRequest request;
  request.info_hash.fill(0x12);
  request.info_hash[0] = ' ';
  request.peer_id.fill('A');
  request.port = 6881;
  request.left = 99;
  request.key = 0xbeef;
  return request;
}

TEST(AnnounceHttp, asks_in_the_words_of_the_standard) {
  auto const target = http_announce_target("/announce", query_request());
  EXPECT_EQ(target,
            "/announce?info_hash=%20%12%12%12%12%12%12%12%12%12%12%12%12%12%12%12%12%12%12%12"
            "&peer_id=AAAAAAAAAAAAAAAAAAAA&port=6881&uploaded=0&downloaded=0&left=99&compact=1&no_"
            "peer_id=1"
            "&numwant=50&key=0000BEEF");
}

TEST(AnnounceHttp, keeps_the_query_of_a_private_tracker_and_escapes_its_id) {
  auto asked = query_request();
  asked.event = AnnounceEvent::started;
  asked.tracker_id = "a b&c";
  auto const target = http_announce_target("/announce?passkey=s3cret", asked);
  EXPECT_TRUE(target.starts_with("/announce?passkey=s3cret&info_hash=")) << target;
  EXPECT_TRUE(target.ends_with("&event=started&trackerid=a%20b%26c")) << target;
}

TEST(AnnounceHttp, scrapes_only_addresses_that_the_convention_allows) {
  Sha1Digest info_hash{};
  info_hash.fill('x');
  EXPECT_EQ(http_scrape_target("/a/announce.php?k=1", info_hash).value(),
            "/a/scrape.php?k=1&info_hash=xxxxxxxxxxxxxxxxxxxx");
  EXPECT_EQ(http_scrape_target("/announce", info_hash).value(),
            "/scrape?info_hash=xxxxxxxxxxxxxxxxxxxx");
  EXPECT_EQ(http_scrape_target("/a", info_hash).error().fault, Fault::unsupported);
  EXPECT_EQ(http_scrape_target("/announce/x", info_hash).error().fault, Fault::unsupported);
}

TEST(AnnounceHttp, reads_compact_peers_of_both_families) {
  std::string const peers{"\x0a\x00\x00\x01\x1a\xe1\x0a\x00\x00\x02\x00\x00",
                          12};  // the second has port 0
  auto const v6 =
      std::string("\x20\x01") + std::string(13, '\0') + "\x09" + std::string("\x00\x50", 2);
  auto const answer =
      parse("d8:completei3e10:incompletei4e8:intervali1800e12:min intervali60e5:peers12:" + peers +
            "6:peers618:" + v6 + "10:tracker id2:id15:warning message4:slowe");
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(answer->interval, 1800s);
  EXPECT_EQ(answer->interval_min, 60s);
  EXPECT_EQ(answer->seeds, 3u);
  EXPECT_EQ(answer->leeches, 4u);
  ASSERT_EQ(answer->peers.size(), 2u);
  EXPECT_EQ(answer->peers[0].to_string(), "10.0.0.1:6881");
  EXPECT_EQ(answer->peers[1].to_string(), "[2001::9]:80");
  EXPECT_EQ(answer->tracker_id, "id");
  EXPECT_EQ(answer->warning, "slow");
}

TEST(AnnounceHttp, reads_the_long_form_and_resolves_no_names) {
  auto const answer = parse(
      "d8:intervali60e5:peersl"
      "d2:ip8:10.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881ee"
      "d2:ip11:example.org4:porti6881ee"
      "d2:ip3:::24:porti1ee"
      "ee");
  ASSERT_TRUE(answer) << answer.error().what;
  ASSERT_EQ(answer->peers.size(), 2u);
  EXPECT_EQ(answer->peers[0].to_string(), "10.0.0.1:6881");
  EXPECT_EQ(answer->peers[1].to_string(), "[::2]:1");
}

TEST(AnnounceHttp, tells_the_trackers_own_reason_and_the_wait_that_it_asks_for) {
  auto const answer = parse("d14:failure reason9:not\x01today8:retry ini5ee");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().fault, Fault::refused);
  EXPECT_EQ(answer.error().what, "the tracker says: not today");
  EXPECT_THAT(answer.error().mend, HasSubstr("5 min"));
}

TEST(AnnounceHttp, refuses_what_does_not_say_what_it_should) {
  for (std::string const body : {
           "",                                                       // nothing
           "i1e",                                                    // no dictionary
           "d8:intervali60e5:peers5:aaaaae",                         // odd compact length
           "d8:intervali60e6:peers617:aaaaaaaaaaaaaaaaae",           // odd compact length, IPv6
           "d8:intervali60e5:peersi1ee",                             // wrong type
           "d8:interval2:605:peers0:e",                              // wrong type
           "d8:intervali-1e5:peers0:e",                              // negative
           "d8:intervali60e5:peersld2:ip7:1.2.3.44:porti70000eeee",  // port out of range
           "d8:intervali60e5:peersld2:ip7:1.2.3.4eee",               // no port
           "d8:intervali60e5:peersl1:aee",                           // a peer that is no dictionary
           "d8:intervali60e5:peers0:exx",                            // more behind the answer
       }) {
    auto const answer = parse(body);
    ASSERT_FALSE(answer) << body;
    EXPECT_EQ(answer.error().fault, Fault::corrupt) << body << ": " << answer.error().what;
  }
}

TEST(AnnounceHttp, takes_no_more_peers_than_its_limit) {
  std::string peers;
  for (int i = 0; i < 3000; ++i) peers += std::string("\x0a\x00\x00\x01\x1a\xe1", 6);
  auto const answer = parse("d8:intervali60e5:peers18000:" + peers + "e");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->peers.size(), kAnswerPeersMax);
}

TEST(AnnounceHttp, is_neither_made_to_hammer_nor_silenced) {
  EXPECT_EQ(parse("d8:intervali0ee")->interval, 5s);
  EXPECT_EQ(parse("d8:intervali999999999ee")->interval, 24h);
  EXPECT_EQ(parse("de")->interval, 30min);
}

TEST(AnnounceHttp, reads_a_scrape_of_one_torrent) {
  Sha1Digest info_hash{};
  info_hash.fill('x');
  auto const scrape = [&](std::string_view body) {
    return parse_http_scrape_answer(base::view_of(body), info_hash);
  };
  auto const answer =
      scrape("d5:filesd20:xxxxxxxxxxxxxxxxxxxxd8:completei5e10:downloadedi50e10:incompletei10eeee");
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(answer->seeds, 5u);
  EXPECT_EQ(answer->completed, 50u);
  EXPECT_EQ(answer->leeches, 10u);
  EXPECT_EQ(scrape("d5:filesdee").error().fault, Fault::not_found);
  EXPECT_EQ(scrape("de").error().fault, Fault::corrupt);
}

TEST(AnnounceHttp, a_strangers_text_is_cut_between_characters) {
  std::string const text(150, 'a');
  EXPECT_EQ(readable(text + std::string(49, 'b') + "\u00e7\u00e3o"), text + std::string(49, 'b'));
}

}  // namespace
}  // namespace mutirao::swarm
