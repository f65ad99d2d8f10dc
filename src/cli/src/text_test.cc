#include "text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::cli {
namespace {

node::Transfer downloading() {
  node::Transfer transfer;
  auto& status = transfer.status;
  status.id = std::string(40, 'a');
  status.name = "debian.iso";
  status.phase = swarm::TorrentPhase::downloading;
  status.bytes_total = 1000;
  status.bytes_verified = 610;
  status.pieces_total = 351;
  status.pieces_verified = 214;
  status.download_rate = 48.2e6;
  status.time_left = 12s;
  transfer.peers_connected = 3;
  return transfer;
}

TEST(ProgressLine, tells_amount_rate_peers_and_time_left) {
  EXPECT_EQ(progress_line(downloading()),
            "debian.iso 61% 214/351 pieces 48.2 MB/s 3 peers 12 s left");
}

TEST(ProgressLine, tells_what_it_waits_for_and_since_when) {
  auto transfer = downloading();
  transfer.status.download_rate = 0;
  transfer.status.time_left.reset();
  transfer.status.why = "all 3 peers choke us";
  transfer.status.since = 21s;
  EXPECT_EQ(progress_line(transfer),
            "debian.iso 61% 214/351 pieces 3 peers: all 3 peers choke us (21 s)");
  transfer.status.phase = swarm::TorrentPhase::metadata;
  transfer.status.why = "asking 2 peers for the metadata";
  EXPECT_EQ(progress_line(transfer), "debian.iso metadata: asking 2 peers for the metadata (21 s)");
}

TEST(ProgressLine, names_a_torrent_without_a_name_by_its_id) {
  auto transfer = downloading();
  transfer.status.name = "";
  EXPECT_THAT(progress_line(transfer), testing::StartsWith("aaaaaaaaaaaa 61%"));
}

TEST(ProgressLine, lets_no_name_reach_into_the_terminal) {
  auto transfer = downloading();
  transfer.status.name =
      "a\x1b[2Jb\r\xc2\x9b"
      "c";
  EXPECT_THAT(progress_line(transfer), testing::StartsWith("a?[2Jb??c 61%"));
  transfer.status.name = "\u202egnp.exe \u05d0";
  EXPECT_THAT(progress_line(transfer), testing::StartsWith("?gnp.exe \u05d0 61%"));
}

TEST(Percent, says_100_only_when_everything_is_there) {
  EXPECT_EQ(percent(999'999'999, 1'000'000'000), 99u);
  EXPECT_EQ(percent(1'000'000'000, 1'000'000'000), 100u);
  EXPECT_EQ(percent(0, 0), 0u);
  EXPECT_EQ(percent(5, 10), 50u);
}

TEST(CutTo, counts_letters_and_not_bytes) {
  EXPECT_EQ(cut_to("mutirão é", 20), "mutirão é");
  EXPECT_EQ(cut_to("mutirão é", 9), "mutirão é");
  EXPECT_EQ(cut_to("mutirão é bom", 8), "mutirão…");
  EXPECT_EQ(columns_of(cut_to("ãããããããã", 4)), 4u);
  EXPECT_EQ(cut_to("abc", 0), "");
}

TEST(Table, aligns_columns_by_letters) {
  EXPECT_EQ(table({{"ação", "x"}, {"ab", "y"}}), "ação  x\nab    y\n");
}

}  // namespace
}  // namespace mutirao::cli
