#include "tracker/tracker_query.h"

#include <gtest/gtest.h>

#include "announce/announce_http.h"

namespace mutirao::swarm {
namespace {

constexpr std::string_view kHash = "info_hash=%00%01%02%03%04%05%06%07%08%09xxxxxxxxxx";
constexpr std::string_view kPeer = "peer_id=-MU0001-abcdefghijkl";

wire::HttpTarget target(std::string text) { return wire::HttpTarget::parse(text).value(); }
wire::HttpTarget announce(std::string_view more) {
  return target(std::string{"/announce?"}.append(kHash).append("&").append(kPeer).append(more));
}

TEST(TrackerQuery, reads_an_announce) {
  auto const question =
      parse_announce_query(announce("&port=6881&uploaded=1&downloaded=2&left=3&event=completed&"
                                    "numwant=4&key=0000BEEF&compact=1&ip=1.2.3.4"));
  ASSERT_TRUE(question) << question.error().what;
  auto const& request = question->request;
  EXPECT_EQ(base::to_hex(request.info_hash),
            "00010203040506070809"
            "78787878787878787878");
  EXPECT_EQ(base::text_of(request.peer_id), "-MU0001-abcdefghijkl");
  EXPECT_EQ(request.port, 6881);
  EXPECT_EQ(request.uploaded, 1u);
  EXPECT_EQ(request.downloaded, 2u);
  EXPECT_EQ(request.left, 3u);
  EXPECT_EQ(request.event, AnnounceEvent::completed);
  EXPECT_EQ(request.peers_wanted, 4u);
  EXPECT_TRUE(question->compact);
}

TEST(TrackerQuery, who_does_not_say_what_is_missing_is_no_seed) {
  EXPECT_GT(parse_announce_query(announce("&port=1"))->request.left, 0u);
}

TEST(TrackerQuery, says_what_is_wrong_with_a_question) {
  auto const refused = [](wire::HttpTarget const& asked, std::string_view why) {
    auto const question = parse_announce_query(asked);
    ASSERT_FALSE(question);
    EXPECT_EQ(question.error().what, why);
  };
  refused(target("/announce"), "info_hash is missing");
  refused(target("/announce?info_hash=abc"), "info_hash has 3 bytes instead of 20");
  refused(target(std::string{"/announce?"}.append(kHash)), "peer_id is missing");
  refused(announce(""), "port is missing");
  refused(announce("&port=65536"), "port is no number from 0 to 65535");
  refused(announce("&port=-1"), "port is no number from 0 to 65535");
  refused(announce("&port=+1"), "port is no number from 0 to 65535");
  refused(announce("&port=1&port=2"), "port is given twice");
  refused(announce("&port=1&left=1e9"), "left is no number from 0 to 18446744073709551615");
  refused(announce("&port=1&left=18446744073709551616"),
          "left is no number from 0 to 18446744073709551615");
  refused(announce(std::string{"&port=1&"}.append(kHash)), "info_hash is given twice");
}

TEST(TrackerQuery, its_answers_are_read_by_our_own_client) {
  HttpAnnounceAnswer const answer{.interval_seconds = 1800,
                                  .interval_min_seconds = 30,
                                  .seeds = 1,
                                  .leeches = 2,
                                  .completed = 3,
                                  .peers = base::from_hex("0a0000011ae1").value(),
                                  .peers6 = base::from_hex("2a000000000000000000000000000001"
                                                           "0050")
                                                .value()};
  for (bool const compact : {true, false}) {
    auto const read = parse_http_announce_answer(write_announce_answer(answer, compact));
    ASSERT_TRUE(read) << read.error().what;
    EXPECT_EQ(read->interval, 1800s);
    EXPECT_EQ(read->interval_min, 30s);
    EXPECT_EQ(read->seeds, 1u);
    EXPECT_EQ(read->leeches, 2u);
    ASSERT_EQ(read->peers.size(), 2u);
    EXPECT_EQ(read->peers[0].to_string(), "10.0.0.1:6881");
    EXPECT_EQ(read->peers[1].to_string(), "[2a00::1]:80");
  }
  auto const failure = parse_http_announce_answer(write_tracker_failure("no", 3));
  ASSERT_FALSE(failure);
  EXPECT_EQ(failure.error().what, "the tracker says: no");
}

TEST(TrackerQuery, a_scrape_lists_each_torrent_once_and_sorted) {
  Sha1Digest first{};
  Sha1Digest second{};
  second.fill(0xff);
  auto const body =
      write_scrape_answer({{second, {4, 5, 6}}, {first, {1, 2, 3}}, {second, {4, 5, 6}}});
  EXPECT_EQ(parse_http_scrape_answer(body, first)->completed, 2u);
  EXPECT_EQ(parse_http_scrape_answer(body, second)->seeds, 4u);
  EXPECT_EQ(
      parse_scrape_query(target(std::string{"/scrape?"}.append(kHash).append("&").append(kHash)))
          ->size(),
      2u);
  EXPECT_TRUE(parse_scrape_query(target("/scrape"))->empty());
  EXPECT_FALSE(parse_scrape_query(target("/scrape?info_hash=1")));
}

}  // namespace
}  // namespace mutirao::swarm
