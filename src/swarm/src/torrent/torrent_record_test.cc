#include "torrent/torrent_record.h"

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

TEST(TorrentRecord, comes_back_as_it_was) {
  TorrentRecord const record{.info_hash = {},
                             .folder = "/a b/c",
                             .magnet = "magnet:?xt=x",
                             .trackers = {"http://t/a", "udp://u:1"},
                             .paused = true,
                             .on_demand = true,
                             .uploaded = 123456789012,
                             .downloaded = 7};
  auto const back = parse_torrent_record(to_bencode(record));
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_EQ(back->folder, record.folder);
  EXPECT_EQ(back->magnet, record.magnet);
  EXPECT_EQ(back->trackers, record.trackers);
  EXPECT_TRUE(back->paused);
  EXPECT_TRUE(back->on_demand);
  EXPECT_EQ(back->uploaded, record.uploaded);
  EXPECT_EQ(back->downloaded, record.downloaded);
}

TEST(TorrentRecord, refuses_what_is_not_one) {
  EXPECT_FALSE(parse_torrent_record(base::view_of("")));
  EXPECT_FALSE(parse_torrent_record(base::view_of("le")));
  EXPECT_FALSE(parse_torrent_record(base::view_of("d6:pausedi1ee")));
}

}  // namespace
}  // namespace mutirao::swarm
