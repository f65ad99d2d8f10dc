#include "announce/announce_udp.h"

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

AnnounceRequest datagram_request() {
  AnnounceRequest request;
  request.info_hash.fill(1);
  request.peer_id.fill(2);
  request.port = 0x1ae1;
  request.uploaded = 3;
  request.downloaded = 4;
  request.left = 5;
  request.event = AnnounceEvent::started;
  request.key = 6;
  request.peers_wanted = 7;
  return request;
}

TEST(AnnounceUdp, the_connect_question_is_the_one_of_the_standard) {
  EXPECT_EQ(base::to_hex(write_udp(UdpConnectQuestion{0x01020304})),
            "0000041727101980"
            "00000000"
            "01020304");
}

TEST(AnnounceUdp, the_announce_lays_its_fields_where_the_standard_has_them) {
  auto const bytes = write_udp(
      UdpAnnounceQuestion{0x1122334455667788, 0x01020304, datagram_request(), "/announce"});
  EXPECT_EQ(base::to_hex(bytes),
            "1122334455667788"
            "00000001"
            "01020304"
            "0101010101010101010101010101010101010101"
            "0202020202020202020202020202020202020202"
            "0000000000000004"
            "0000000000000005"
            "0000000000000003"
            "00000002"
            "00000000"
            "00000006"
            "00000007"
            "1ae1"
            "0209"
            "2f616e6e6f756e6365");
}

TEST(AnnounceUdp, the_tracker_reads_what_the_client_wrote) {
  std::string const url(600, 'u');
  auto const question =
      parse_udp_question(write_udp(UdpAnnounceQuestion{8, 9, datagram_request(), url}));
  ASSERT_TRUE(question) << question.error().what;
  auto const& announce = std::get<UdpAnnounceQuestion>(*question);
  EXPECT_EQ(announce.connection, 8u);
  EXPECT_EQ(announce.transaction, 9u);
  EXPECT_EQ(announce.url_data, url);
  auto const wanted = datagram_request();
  EXPECT_EQ(announce.request.info_hash, wanted.info_hash);
  EXPECT_EQ(announce.request.peer_id, wanted.peer_id);
  EXPECT_EQ(announce.request.port, wanted.port);
  EXPECT_EQ(announce.request.uploaded, wanted.uploaded);
  EXPECT_EQ(announce.request.downloaded, wanted.downloaded);
  EXPECT_EQ(announce.request.left, wanted.left);
  EXPECT_EQ(announce.request.event, wanted.event);
  EXPECT_EQ(announce.request.key, wanted.key);
  EXPECT_EQ(announce.request.peers_wanted, wanted.peers_wanted);
}

TEST(AnnounceUdp, minus_one_peers_leaves_the_number_to_the_tracker) {
  auto bytes = write_udp(UdpAnnounceQuestion{8, 9, datagram_request(), {}});
  base::store_be<std::uint32_t>(MutableBytes{bytes}.subspan(92), 0xffffffff);
  EXPECT_EQ(std::get<UdpAnnounceQuestion>(parse_udp_question(bytes).value()).request.peers_wanted,
            kPeersWantedDefault);
}

TEST(AnnounceUdp, options_that_nobody_knows_are_passed_over_and_cut_ones_refused) {
  auto const plain = write_udp(UdpAnnounceQuestion{8, 9, datagram_request(), {}});
  auto const with = [&](std::initializer_list<std::uint8_t> options) {
    auto bytes = plain;
    bytes.insert(bytes.end(), options);
    return parse_udp_question(bytes);
  };
  EXPECT_EQ(
      std::get<UdpAnnounceQuestion>(with({1, 1, 9, 2, 'x', 'x', 2, 1, '/', 0, 2, 200}).value())
          .url_data,
      "/");
  EXPECT_FALSE(with({2}));
  EXPECT_FALSE(with({2, 3, 'a', 'b'}));
}

TEST(AnnounceUdp, refuses_questions_that_are_cut_unknown_or_of_another_protocol) {
  auto announce = write_udp(UdpAnnounceQuestion{8, 9, datagram_request(), {}});
  for (std::size_t size = 0; size < announce.size(); ++size)
    EXPECT_FALSE(parse_udp_question(ByteView{announce}.first(size))) << size;
  auto connect = write_udp(UdpConnectQuestion{1});
  connect[0] = 1;
  EXPECT_FALSE(parse_udp_question(connect));
  connect = write_udp(UdpConnectQuestion{1});
  connect[11] = 7;
  EXPECT_FALSE(parse_udp_question(connect));
  announce[83] = 9;  // an event that does not exist
  EXPECT_FALSE(parse_udp_question(announce));
  auto scrape = write_udp(UdpScrapeQuestion{1, 2, {Sha1Digest{}, Sha1Digest{}}});
  EXPECT_EQ(std::get<UdpScrapeQuestion>(parse_udp_question(scrape).value()).info_hashes.size(), 2u);
  scrape.pop_back();
  EXPECT_FALSE(parse_udp_question(scrape));
  EXPECT_FALSE(parse_udp_question(ByteView{scrape}.first(16)));
}

TEST(AnnounceUdp, reads_an_answer_with_peers_of_the_trackers_family) {
  Bytes answer;
  write_udp_announce_answer(answer, 1, 1800, 2, 3);
  auto const peers = base::from_hex(
                         "0a0000011ae1"
                         "0a0000030000"
                         "0a0000021ae2")
                         .value();
  answer.insert(answer.end(), peers.begin(), peers.end());
  auto const v4 = parse_udp_announce_answer(answer, false);
  ASSERT_TRUE(v4) << v4.error().what;
  EXPECT_EQ(v4->interval, 1800s);
  EXPECT_EQ(v4->leeches, 2u);
  EXPECT_EQ(v4->seeds, 3u);
  ASSERT_EQ(v4->peers.size(), 2u);  // port 0 is dropped
  EXPECT_EQ(v4->peers[1].to_string(), "10.0.0.2:6882");
  auto const v6 = parse_udp_announce_answer(answer, true);
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->peers.size(), 1u);
  answer.pop_back();
  EXPECT_FALSE(parse_udp_announce_answer(answer, false));
  EXPECT_FALSE(parse_udp_announce_answer(ByteView{answer}.first(19), false));
}

TEST(AnnounceUdp, an_error_carries_the_trackers_words) {
  Bytes answer;
  write_udp_error(answer, 5, "no\nway");
  EXPECT_EQ(read_udp_answer_head(answer)->action, UdpAction::error);
  EXPECT_EQ(read_udp_answer_head(answer)->transaction, 5u);
  EXPECT_EQ(parse_udp_error(answer).what, "the tracker says: no way");
  EXPECT_FALSE(read_udp_answer_head(ByteView{answer}.first(7)));
}

}  // namespace
}  // namespace mutirao::swarm
