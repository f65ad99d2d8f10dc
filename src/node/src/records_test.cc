#include "mutirao/node/records.h"

#include <gtest/gtest.h>

#include "mutirao/node/objects.h"

namespace mutirao::node {
namespace {

template <class T>
T sent_and_read(T const& value) {
  wire::MsgpackWriter out;
  middleware::write(out, value);
  middleware::Decoder from{out.written()};
  auto back = middleware::read<T>(from);
  EXPECT_TRUE(from.finish());
  return back;
}

TEST(Records, carry_a_transfer_without_loss) {
  Transfer transfer;
  auto& status = transfer.status;
  status.id = std::string(64, 'a');
  status.name = "caf\xe9.iso";  // not UTF-8: an odd file name
  status.phase = swarm::TorrentPhase::downloading;
  status.why = "fetching from 3 peers";
  status.since = 1500ms;
  status.bytes_total = 7'000'000'000;
  status.download_rate = 48.2e6;
  status.time_left = 12s;
  auto& peer = status.peers.emplace_back();
  peer.endpoint = *world::Endpoint::parse("10.0.0.3:6881");
  peer.incoming = true;
  auto& tracker = status.trackers.emplace_back();
  tracker.url = "http://10.0.0.1:6881/announce";
  tracker.seeds = 1;
  transfer.origin = Origin::shared;
  transfer.files.push_back({.path = "debian.iso", .bytes = 7'000'000'000});
  transfer.piece_map = {100, 50, 0};
  auto const back = sent_and_read(transfer);
  EXPECT_EQ(back.status.name, status.name);
  EXPECT_EQ(back.status.phase, status.phase);
  EXPECT_EQ(back.status.since, status.since);
  EXPECT_EQ(back.status.bytes_total, status.bytes_total);
  EXPECT_EQ(back.status.download_rate, status.download_rate);
  EXPECT_EQ(back.status.time_left, Duration{12s});
  ASSERT_EQ(back.status.peers.size(), 1u);
  EXPECT_EQ(back.status.peers[0].endpoint.to_string(), "10.0.0.3:6881");
  EXPECT_EQ(back.status.trackers.at(0).seeds, 1u);
  EXPECT_FALSE(back.status.trackers.at(0).leeches);
  EXPECT_EQ(back.origin, Origin::shared);
  EXPECT_EQ(back.files.at(0).path, "debian.iso");
  EXPECT_EQ(back.piece_map, transfer.piece_map);
}

TEST(Records, skip_a_field_that_they_do_not_know_and_keep_the_default_of_one_that_is_missing) {
  wire::MsgpackWriter out;
  out.map(2).integer(1).string("page").integer(99).array(2).integer(1).integer(2);
  middleware::Decoder from{out.written()};
  auto const links = middleware::read<Links>(from);
  EXPECT_TRUE(from.finish());
  EXPECT_EQ(links.magnet, "page");
  EXPECT_EQ(links.torrent, "");
}

TEST(Records, refuse_an_address_that_is_none) {
  wire::MsgpackWriter out;
  out.map(1).integer(1).string("nowhere");
  middleware::Decoder from{out.written()};
  static_cast<void>(middleware::read<swarm::PeerStatus>(from));
  EXPECT_EQ(from.finish().error().fault, Fault::corrupt);
}

}  // namespace
}  // namespace mutirao::node
