#include "mutirao/node/json.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::node {
namespace {

Transfer full_transfer() {
  Transfer transfer;
  auto& status = transfer.status;
  status.id = std::string(64, 'a');
  status.name = "debian.iso";
  status.phase = swarm::TorrentPhase::downloading;
  status.why = "fetching from 3 peers";
  status.mend = "";
  status.since = 1500ms;
  status.bytes_total = 7'000'000'000;
  status.bytes_verified = 5;
  status.pieces_total = 351;
  status.pieces_verified = 214;
  status.download_rate = 48.2e6;
  status.time_left = 12s;
  status.peers.push_back({.endpoint = *world::Endpoint::parse("10.0.0.3:6881"),
                          .client = "libtorrent 2.0.8",
                          .incoming = true,
                          .progress = 0.5});
  status.trackers.push_back({.url = "http://10.0.0.1:6881/announce",
                             .state = "working",
                             .why = "next announce in 25 min",
                             .peers = 4,
                             .seeds = 1,
                             .leeches = {}});
  status.web_seeds.push_back({.url = "http://10.0.0.1/files/",
                              .state = "working",
                              .why = "fetching",
                              .downloaded = 1'000});
  transfer.origin = Origin::shared;
  transfer.folder = "/srv";
  transfer.added_s = 1'700'000'000;
  transfer.peers_connected = 1;
  transfer.files_total = 1;
  transfer.links = {.magnet = "magnet:?xt=1",
                    .page = "http://10.0.0.1:6881/",
                    .torrent = "http://10.0.0.1:6881/torrents/a.torrent"};
  transfer.files.push_back({.path = "debian.iso", .bytes = 7'000'000'000});
  transfer.piece_map = {100, 50, 0};
  return transfer;
}

NodeStatus full_status() {
  NodeStatus status{.version = "0.1.0",
                    .process_id = 412,
                    .uptime = 90s,
                    .state_folder = "/s",
                    .listen = "0.0.0.0:6881",
                    .page = "http://10.0.0.1:6881/",
                    .tracker = "t",
                    .udp_tracker = "u",
                    .download_rate = 1,
                    .upload_rate = 2,
                    .downloaded = 3,
                    .uploaded = 4,
                    .threads_alive = 5,
                    .lwps = 6,
                    .file_engine = "io_uring",
                    .hash_engine = "AVX2, 8 lanes",
                    .transfers = {},
                    .control = "0.0.0.0:6880",
                    .key = "ed25519:k"};
  status.transfers.push_back(full_transfer());
  return status;
}

// Programs read these keys: one that goes away or changes its place must be seen in review.
// MUTIRAO_UPDATE_GOLDEN=1 writes the file anew.
TEST(Json, has_exactly_the_documented_keys) {
  auto const path = std::string{MUTIRAO_SOURCE_DIR} + "/src/node/golden/status.json";
  auto const now = pretty_json(to_json(full_status())) + "\n";
  if (std::getenv("MUTIRAO_UPDATE_GOLDEN") != nullptr) std::ofstream{path} << now;
  std::stringstream expected;
  expected << std::ifstream{path}.rdbuf();
  EXPECT_EQ(now, expected.str());
}

TEST(Json, keeps_fault_and_mend_of_an_error_across_the_socket) {
  auto const back =
      error_from_json(to_json(Error{Fault::refused, "address in use", "take another"}));
  EXPECT_EQ(back.fault, Fault::refused);
  EXPECT_EQ(back.what, "address in use");
  EXPECT_EQ(back.mend, "take another");
}

TEST(Json, mends_names_that_are_not_text_instead_of_failing) {
  Transfer transfer;
  transfer.status.name = "caf\xe9";
  EXPECT_THAT(to_json(transfer), testing::HasSubstr("caf\xef\xbf\xbd"));
}

}  // namespace
}  // namespace mutirao::node
