#include "torrent/sim_swarm.h"

// What goes wrong in the life of a torrent: crashes, full disks, pauses, missing metadata, bad
// disks.
namespace mutirao::swarm {
namespace {

using namespace test;

TEST(SwarmTrouble, gets_the_metadata_of_a_magnet_from_peers_and_then_the_content) {
  for (auto const format : {TorrentFormat::v1, TorrentFormat::hybrid, TorrentFormat::v2}) {
    for_seeds(2, [&](sim::Simulation& network, std::uint64_t seed) {
      auto const content = make_content(seed, 3'000'000, format, 64 * 1024);
      Node giver{network.add_host("giver")};
      giver.seed(content);
      Node taker{network.add_host("taker")};
      Magnet magnet;
      magnet.info_hash = content.metainfo->info_hash();
      magnet.peers = {giver.endpoint()};
      auto const id =
          taker->add({.what = magnet, .folder = std::string{kFolder}, .peers = {}, .trackers = {}});
      ASSERT_TRUE(id);
      EXPECT_EQ(taker->status(*id)->phase, TorrentPhase::metadata);
      auto const done = taker->wait_until_complete(*id, threads::within(5min));
      ASSERT_TRUE(done) << done.error().what;
      EXPECT_TRUE(taker.has(content));
    });
  }
}

TEST(SwarmTrouble, says_for_what_it_waits_when_nobody_has_the_metadata) {
  for_seeds(1, [&](sim::Simulation& network, std::uint64_t seed) {
    Node taker{network.add_host("taker")};
    Magnet magnet;
    magnet.info_hash = make_content(seed, 100, TorrentFormat::v1, 16 * 1024).metainfo->info_hash();
    auto const id =
        taker->add({.what = magnet, .folder = std::string{kFolder}, .peers = {}, .trackers = {}});
    auto const metainfo = taker->metainfo(*id, threads::within(10s));
    ASSERT_FALSE(metainfo);
    EXPECT_EQ(metainfo.error().fault, Fault::timed_out);
    EXPECT_TRUE(metainfo.error().what.contains("no peer known")) << metainfo.error().what;
    EXPECT_FALSE(metainfo.error().mend.empty());
  });
}

TEST(SwarmTrouble, goes_on_after_a_crash_with_what_was_on_disk) {
  for_seeds(4, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(
        seed, 20 << 20, seed % 2 ? TorrentFormat::hybrid : TorrentFormat::v1, 256 * 1024);
    Node giver{network.add_host("giver")};
    giver.seed(content);
    auto& host = network.add_host("taker");
    std::uint64_t before = 0;
    {
      Node taker{host};
      auto const id = taker.leech(content, {giver.endpoint()});
      static_cast<void>(threads::sleep_for(1200ms + 100ms * static_cast<int>(seed)));
      before = taker->status(id)->bytes_verified;
      network.crash(host);
    }
    Node taker{host.restart(), host.address()};
    ASSERT_TRUE(taker->restore());
    auto const all = taker->list();
    ASSERT_EQ(all.size(), 1u) << "the torrent itself must survive";
    taker->suggest_peer(all[0].id, giver.endpoint());
    auto const done = taker->wait_until_complete(all[0].id, threads::within(10min));
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_TRUE(taker.has(content));
    EXPECT_GT(before, 0u);
  });
}

TEST(SwarmTrouble, waits_with_its_reason_while_the_disk_is_full_and_goes_on_when_there_is_room) {
  for_seeds(2, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 20 << 20, TorrentFormat::hybrid, 256 * 1024);
    Node giver{network.add_host("giver")};
    giver.seed(content);
    auto& host = network.add_host("taker");
    Node taker{host};
    auto const id = taker.leech(content, {giver.endpoint()});
    static_cast<void>(threads::sleep_for(1s));
    host.disk().set_full(true);
    static_cast<void>(threads::sleep_for(10s));
    auto const full = taker->status(id);
    ASSERT_TRUE(full);
    EXPECT_EQ(full->phase, TorrentPhase::paused);
    EXPECT_TRUE(full->why.contains("disk full: needs")) << full->why;
    EXPECT_FALSE(full->mend.empty());
    host.disk().set_full(false);
    auto const done = taker->wait_until_complete(id, threads::within(10min));
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_TRUE(taker.has(content));
  });
}

// Goal: when everything is here and only its record finds no room, the node waits for room like
// anybody, and does not try again and again without a pause.
TEST(SwarmTrouble, rests_while_there_is_no_room_for_the_record_of_what_it_has) {
  for_seeds(2, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 128 * 1024, TorrentFormat::hybrid, 32 * 1024);
    Node giver{network.add_host("giver")};
    giver.seed(content);
    auto& host = network.add_host("taker");
    TorrentId id;
    {
      Node taker{host};
      id = taker.leech(content, {giver.endpoint()});
      ASSERT_TRUE(taker->wait_until_complete(id, threads::within(1min)));
      static_cast<void>(threads::sleep_for(5s));  // until it is synced
      network.crash(host);
    }
    // Somebody touched the file: it is looked at again, and what is found is to be recorded.
    auto& world = host.restart();
    write_file(world, content.name, content.bytes);
    host.disk().set_full(true);
    Node taker{world, host.address()};
    ASSERT_TRUE(taker->restore());
    static_cast<void>(threads::sleep_for(5s));
    auto const before = network.trace_events();
    static_cast<void>(threads::sleep_for(20s));
    EXPECT_LT(network.trace_events() - before, 500u);
    EXPECT_TRUE(taker->status(id)->why.contains("disk full: needs")) << taker->status(id)->why;
    host.disk().set_full(false);
    auto const done = taker->wait_until_complete(id, threads::within(10s));
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_TRUE(taker.has(content));
  });
}

TEST(SwarmTrouble, stops_when_paused_and_goes_on_when_resumed) {
  for_seeds(2, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 20 << 20, TorrentFormat::v1, 256 * 1024);
    Node giver{network.add_host("giver")};
    giver.seed(content);
    Node taker{network.add_host("taker")};
    auto const id = taker.leech(content, {giver.endpoint()});
    static_cast<void>(threads::sleep_for(700ms));
    ASSERT_TRUE(taker->pause(id));
    static_cast<void>(threads::sleep_for(5s));
    auto const paused = taker->status(id);
    EXPECT_EQ(paused->phase, TorrentPhase::paused);
    EXPECT_TRUE(paused->peers.empty());
    EXPECT_EQ(paused->download_rate, 0);
    static_cast<void>(threads::sleep_for(1min));
    EXPECT_EQ(taker->status(id)->bytes_verified, paused->bytes_verified);
    EXPECT_LT(paused->bytes_verified, content.bytes.size());
    ASSERT_TRUE(taker->resume(id));
    ASSERT_TRUE(taker->wait_until_complete(id, threads::within(10min)));
    EXPECT_TRUE(taker.has(content));
  });
}

TEST(SwarmTrouble, finds_and_mends_what_rotted_on_disk_when_told_to_verify) {
  for_seeds(2, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 4 << 20, TorrentFormat::hybrid, 256 * 1024);
    Node giver{network.add_host("giver")};
    giver.seed(content);
    auto& host = network.add_host("taker");
    Node taker{host};
    auto const id = taker.leech(content, {giver.endpoint()});
    ASSERT_TRUE(taker->wait_until_complete(id, threads::within(10min)));
    ASSERT_TRUE(host.disk().flip_bit("/data/file.bin", 1'000'000));
    EXPECT_FALSE(taker.has(content));
    ASSERT_TRUE(taker->verify(id));
    static_cast<void>(threads::sleep_for(1min));
    ASSERT_TRUE(taker->wait_until_complete(id, threads::within(10min)));
    EXPECT_TRUE(taker.has(content));
  });
}

TEST(SwarmTrouble, says_which_piece_no_peer_has) {
  for_seeds(1, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 4 << 20, TorrentFormat::hybrid, 256 * 1024);
    auto& host = network.add_host("giver");
    auto half = content.bytes;
    std::fill(half.begin() + 1'000'000, half.begin() + 1'000'001,
              std::uint8_t(half[1'000'000] ^ 1));
    write_file(host.world(), content.name, half);
    Node giver{host};
    auto const given = giver.leech(content, {});
    ASSERT_TRUE(giver->verify(given));
    Node taker{network.add_host("taker")};
    auto const id = taker.leech(content, {giver.endpoint()});
    ASSERT_FALSE(taker->wait_until_complete(id, threads::within(1min)));
    auto const status = taker->status(id);
    EXPECT_TRUE(
        status->why.contains("no peer has piece 3: 1 peer connected, 15 of 16 pieces available"))
        << status->why;
  });
}

TEST(SwarmTrouble, reads_what_is_not_here_yet_at_once_in_the_middle_of_a_bulk_download) {
  for_seeds(3, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(
        seed, 40 << 20, seed % 2 ? TorrentFormat::hybrid : TorrentFormat::v1, 256 * 1024);
    Node giver{network.add_host("giver")};
    giver.seed(content);
    Node taker{network.add_host("taker")};
    auto const id = taker.leech(content, {giver.endpoint()});
    static_cast<void>(threads::sleep_for(1s));
    auto worst = Duration{0};
    for (int i = 0; i < 10; ++i) {
      auto const offset = network.entropy().below(content.bytes.size() - 100'000);
      Bytes bytes(100'000);
      auto const begun = threads::now();
      auto const read = taker->read(id, FileIndex{0}, offset, bytes, threads::within(5s));
      ASSERT_TRUE(read) << read.error().what;
      EXPECT_TRUE(std::ranges::equal(bytes, ByteView{content.bytes}.subspan(offset, bytes.size())));
      worst = std::max(worst, threads::now() - begun);
    }
    // Two pieces take 42 ms at the full rate of the line, a round trip 40 ms: virtual time, no
    // luck.
    EXPECT_LT(worst, 500ms);
    ASSERT_TRUE(taker->wait_until_complete(id, threads::within(10min)));
    EXPECT_TRUE(taker.has(content));
  });
}

// Goal: a reader of single ranges gets them at once and nothing else, also after a restart; and all
// of it when somebody wants all.
TEST(SwarmTrouble, fetches_on_demand_only_what_is_read) {
  for_seeds(3, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content =
        make_content(seed, 8 << 20, seed % 2 ? TorrentFormat::v2 : TorrentFormat::v1, 256 * 1024);
    Node giver{network.add_host("giver")};
    giver.seed(content);
    auto& host = network.add_host("taker");
    auto const read = [&](Node& taker, TorrentId const& id, std::uint64_t offset) {
      Bytes bytes(kBlockBytes);
      auto const done = taker->read(id, FileIndex{0}, offset, bytes, threads::within(5s));
      ASSERT_TRUE(done) << done.error().what;
      EXPECT_TRUE(std::ranges::equal(bytes, ByteView{content.bytes}.subspan(offset, bytes.size())));
    };
    TorrentId id;
    AddRequest const wanted{.what = content.metainfo,
                            .folder = std::string{kFolder},
                            .on_demand = true,
                            .peers = {giver.endpoint()},
                            .trackers = {}};
    {
      Node taker{host};
      id = *taker->add(wanted);
      read(taker, id, 3 << 20);
      static_cast<void>(threads::sleep_for(10s));
      EXPECT_EQ(taker->status(id)->pieces_verified, 1u);
      EXPECT_EQ(taker->status(id)->phase, TorrentPhase::downloading);
      EXPECT_TRUE(taker->status(id)->why.contains("fetches what is read"))
          << taker->status(id)->why;
    }
    Node taker{host};
    ASSERT_TRUE(taker->restore());
    ASSERT_TRUE(taker->add(wanted));
    read(taker, id, 5 << 20);
    static_cast<void>(threads::sleep_for(10s));
    EXPECT_EQ(taker->status(id)->pieces_verified, 2u);
    EXPECT_EQ(taker.leech(content, {}), id);
    auto const done = taker->wait_until_complete(id, threads::within(5min));
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_TRUE(taker.has(content));
  });
}

// Goal: a torrent whose last piece arrives while the disk is being synced is complete once that is
// done.
TEST(SwarmTrouble, is_complete_at_once_when_its_last_piece_arrives_during_a_sync) {
  for_seeds(4, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content =
        make_content(seed, (15 + seed % 4) << 20, TorrentFormat::hybrid, 256 * 1024);
    Node giver{network.add_host("giver")};
    giver.seed(content);
    sim::HostOptions slow;
    slow.disk.sync_latency = 300ms;
    Node taker{network.add_host("taker", slow)};
    auto const id = taker.leech(content, {giver.endpoint()});
    while (taker->status(id)->pieces_verified < content.metainfo->piece_count())
      static_cast<void>(threads::sleep_for(5ms));
    auto const arrived = threads::now();
    ASSERT_TRUE(taker->wait_until_complete(id, threads::within(1min)));
    // What is left of one flush, and another one: two syncs each.
    EXPECT_LT(threads::now() - arrived, 4 * slow.disk.sync_latency + 100ms);
  });
}

TEST(SwarmTrouble, refuses_a_read_beyond_the_end_and_of_no_file) {
  for_seeds(1, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 100, TorrentFormat::hybrid, 16 * 1024);
    Node giver{network.add_host("giver")};
    auto const id = giver.seed(content);
    Bytes bytes(10);
    EXPECT_EQ(giver->read(id, FileIndex{0}, 95, bytes, threads::within(5s)).error().fault,
              Fault::invalid);
    EXPECT_EQ(giver->read(id, FileIndex{0}, ~0ull - 2, bytes, threads::within(5s)).error().fault,
              Fault::invalid);
    EXPECT_EQ(giver->read(id, FileIndex{7}, 0, bytes, threads::within(5s)).error().fault,
              Fault::not_found);
    EXPECT_TRUE(giver->read(id, FileIndex{0}, 90, bytes, threads::within(5s)));
  });
}

TEST(SwarmTrouble, removes_a_torrent_with_and_without_its_content) {
  for_seeds(1, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 100'000, TorrentFormat::hybrid, 16 * 1024);
    Node giver{network.add_host("giver")};
    auto id = giver.seed(content);
    ASSERT_TRUE(giver->remove(id, false));
    EXPECT_FALSE(giver->status(id));
    EXPECT_TRUE(giver.has(content));
    id = giver.seed(content);
    ASSERT_TRUE(giver->wait_until_complete(id, threads::within(1min)));
    ASSERT_TRUE(giver->remove(id, true));
    EXPECT_FALSE(giver.has(content));
    EXPECT_FALSE(giver->remove(id, true));
  });
}

}  // namespace
}  // namespace mutirao::swarm
