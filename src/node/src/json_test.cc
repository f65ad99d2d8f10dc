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
                    .transfers = {}};
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

TEST(Json, tells_a_transfer_without_loss) {
  auto const text = to_json(full_transfer());
  auto const back = transfer_from_json(text);
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_EQ(to_json(*back), text);
  EXPECT_EQ(back->status.time_left, Duration{12s});
  EXPECT_EQ(back->status.peers.at(0).endpoint.to_string(), "10.0.0.3:6881");
}

TEST(Json, tells_a_node_without_loss) {
  auto const text = to_json(full_status());
  auto const back = node_status_from_json(text);
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_EQ(to_json(*back), text);
}

TEST(Json, reads_back_a_thread_report) {
  threads::runtime_report report;
  report.info.lwps = 3;
  report.info.lwps_blocked = 1;
  report.info.lwps_resting = 4;
  report.info.lwps_refused = 5;
  report.info.stalls = 6;
  report.info.switches = 10;
  report.info.steals = 2;
  report.info.guard = "madvise";
  report.info.files = "io_uring";
  report.processors = {
      {.index = 0, .queued = 1, .switches = 10, .steals = 2, .in_blocking_call = true}};
  threads::thread_info thread;
  thread.id = 7;
  thread.name = "peer 10.0.0.3:6881";
  thread.scope = "main > swarm";
  thread.depth = 2;
  thread.state = threads::thread_state::parked;
  thread.waits_for = threads::wait_kind::readable;
  thread.wait = "reading descriptor 9";
  thread.since = 1500ms;
  thread.age = 90s;
  thread.stop_requested = true;
  report.threads = {thread};
  auto const text = to_json(report);
  auto const back = thread_report_from_json(text);
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_EQ(to_json(*back), text);
  EXPECT_THAT(text, testing::HasSubstr(R"("waits_for":"readable")"));
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

TEST(Json, refuses_what_is_not_a_request_with_a_reason) {
  for (std::string_view const text :
       {"", "{", "[]", "{\"get\":{}}", "{\"get\":{\"what\":7}}", "{\"get\":null}"}) {
    auto const request = get_request_from_json(text);
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error().fault, Fault::invalid);
    EXPECT_FALSE(request.error().what.empty());
  }
  EXPECT_FALSE(share_request_from_json(R"({"share":{"path":"/a","format":"v3"}})"));
}

TEST(Json, tells_the_lines_of_a_stream_apart) {
  EXPECT_EQ(json_kind(to_json(swarm::MakeProgress{1, 2})), "hashing");
  EXPECT_EQ(json_kind(to_json(Error{Fault::io, "x", ""})), "error");
  EXPECT_EQ(json_kind("[]"), "");
  EXPECT_EQ(json_kind("nonsense"), "");
}

}  // namespace
}  // namespace mutirao::node
