#include "protocol/message.h"
#include "torrent/sim_swarm.h"

// Peers that lie: in the content they send, in every field of every message, and by being slow.
namespace mutirao::swarm {
namespace {

using namespace test;

bool connected_to(Node& node, TorrentId const& id, world::Endpoint peer) {
  auto const status = node->status(id);
  return status && std::ranges::any_of(status->peers, [&](PeerStatus const& each) {
           return each.endpoint == peer;
         });
}

// Goal: who sends wrong content is found out and sent away, and the content is right in the end.
// Method: one peer whose copy is wrong in every piece, beside an honest one.
TEST(SwarmHostile, bans_a_peer_that_sends_wrong_pieces_and_completes_from_the_others) {
  for (auto const format : {TorrentFormat::v1, TorrentFormat::v2, TorrentFormat::hybrid}) {
    for_seeds(3, [&](sim::Simulation& network, std::uint64_t seed) {
      auto const content = make_content(seed, 10 << 20, format, 256 * 1024);
      Node honest{network.add_host("honest")};
      honest.seed(content);
      auto wrong = content;
      for (std::size_t at = 5000; at < wrong.bytes.size(); at += 100'000) wrong.bytes[at] ^= 1;
      Node liar{network.add_host("liar")};
      liar.seed(wrong);
      Node taker{network.add_host("taker")};
      auto const id = taker.leech(content, {honest.endpoint(), liar.endpoint()});
      auto const done = taker->wait_until_complete(id, threads::within(10min));
      ASSERT_TRUE(done) << done.error().what;
      EXPECT_TRUE(taker.has(content));
      EXPECT_FALSE(connected_to(taker, id, liar.endpoint()));
      EXPECT_GT(taker->status(id)->wasted, 0u);
      // Within two wrong pieces, and what was on its way then.
      EXPECT_LT(taker->status(id)->wasted, 3'000'000u);
    });
  }
}

// Slow enough that pieces are shared: then one wrong piece has several possible culprits.
TEST(SwarmHostile, finds_the_liar_among_several_sources_of_a_wrong_piece) {
  for_seeds(4, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 6 << 20, TorrentFormat::v1, 2 << 20);
    std::vector<std::unique_ptr<Node>> nodes;
    std::vector<world::Endpoint> peers;
    auto wrong = content;
    for (std::size_t at = 0; at < wrong.bytes.size(); at += 10'000) wrong.bytes[at] ^= 1;
    for (int i = 0; i < 4; ++i) {
      auto& host = network.add_host(
          fmt::format("peer{}", i),
          {.addresses = {}, .uplink_bytes_per_s = 100'000, .downlink_bytes_per_s = {}, .disk = {}});
      nodes.push_back(std::make_unique<Node>(host));
      nodes.back()->seed(i == 2 ? wrong : content);
      peers.push_back(nodes.back()->endpoint());
    }
    Node taker{network.add_host("taker")};
    auto const id = taker.leech(content, peers);
    auto const done = taker->wait_until_complete(id, threads::within(30min));
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_TRUE(taker.has(content));
  });
}

/// Speaks raw bytes to a node, after an honest handshake.
class RawPeer {
 public:
  RawPeer(sim::Host& host, world::Endpoint victim, Content const& content, bool fast = true) {
    auto stream = host.world().network().connect(victim, {}, threads::within(10s));
    EXPECT_TRUE(stream) << stream.error().what;
    if (!stream) return;
    stream_ = std::move(*stream);
    Handshake ours{.info_hash = {}, .peer_id = {}, .extended = true, .fast = fast, .v2 = true};
    auto const& hash = content.metainfo->info_hash();
    ours.info_hash = hash.v1 ? *hash.v1 : *hash.v2_truncated();
    host.world().entropy().fill(ours.peer_id);
    std::array<std::uint8_t, kHandshakeBytes> bytes;
    write_handshake(bytes, ours);
    EXPECT_TRUE(stream_->write_all(bytes, threads::within(10s)));
    EXPECT_TRUE(stream_->read_exactly(bytes, threads::within(10s)));
  }
  void say(ByteView bytes) { static_cast<void>(stream_->write_all(bytes, threads::within(10s))); }
  /// Reads on until the other side closes; false when it has not after `patience`.
  bool sent_away(Duration patience) {
    std::array<std::uint8_t, 4096> sink;
    auto const deadline = threads::within(patience);
    while (true) {
      auto const got = stream_->read_some(MutableBytes{sink}, deadline);
      if (!got) return got.error().fault != Fault::timed_out;
      if (*got == 0) return true;
    }
  }
  world::Stream& stream() noexcept { return *stream_; }

 private:
  std::unique_ptr<world::Stream> stream_;
};

Bytes words(std::initializer_list<std::uint32_t> values) {
  Bytes bytes;
  for (auto const value : values) base::append_be(bytes, value);
  return bytes;
}

Bytes message(std::uint32_t length, std::uint8_t id, Bytes const& rest = {}) {
  Bytes bytes;
  base::append_be(bytes, length);
  bytes.push_back(id);
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

Bytes extended(std::uint8_t id, std::string_view text) {
  Bytes rest{id};
  rest.insert(rest.end(), text.begin(), text.end());
  return message(static_cast<std::uint32_t>(rest.size() + 1), 20, rest);
}

struct Lie {
  char const* name;
  Bytes bytes;
  bool ends_it;  // the peer must be sent away for it
};

Bytes later_bitfield() {
  auto bytes = message(1, 15);
  auto const bitfield = message(11, 5, Bytes(10, 0x11));
  bytes.insert(bytes.end(), bitfield.begin(), bitfield.end());
  return bytes;
}

std::vector<Lie> lies() {
  Bytes hashes(48);
  return {
      {"a length of 4 GiB", message(~0u, 7), true},
      {"a have with a length of 4", message(4, 4, {0, 0, 0}), true},
      {"a have of a piece that is not there", message(5, 4, words({1'000'000})), true},
      {"a choke with a payload", message(2, 0, {0}), true},
      {"a bitfield that is too short", message(2, 5, {0xff}), true},
      {"a bitfield that is too long", message(1001, 5, Bytes(1000, 0xff)), true},
      {"a bitfield after have none, as aria2 sends it", later_bitfield(), false},
      {"a bitfield of 1 GiB", message(1 << 30, 5), true},
      {"two have all", Bytes{0, 0, 0, 1, 14, 0, 0, 0, 1, 14}, true},
      {"a request of nothing", message(13, 6, words({0, 0, 0})), true},
      {"a request of 16 MiB", message(13, 6, words({0, 0, 16 << 20})), true},
      {"a request beyond the piece", message(13, 6, words({0, 1 << 30, 16384})), true},
      {"a request that overflows", message(13, 6, words({0, ~0u - 100, 16384})), true},
      {"a request of a piece that is not there", message(13, 6, words({~0u, 0, 16384})), true},
      {"a piece of nothing", message(9, 7, words({0, 0})), true},
      {"a piece of 1 MiB", message(9 + (1 << 20), 7, words({0, 0})), true},
      {"a piece that nobody asked for", message(9 + 4, 7, words({0, 16384, 1})), false},
      {"a piece with an index that is not there", message(9 + 4, 7, words({~0u, 0, 1})), true},
      {"a piece with an offset that is not there", message(9 + 4, 7, words({0, ~0u, 1})), true},
      {"a cancel of what was not asked for", message(13, 8, words({0, 0, 16384})), false},
      {"a reject of what was not asked for", message(13, 16, words({0, 0, 16384})), false},
      {"an allowed fast of a piece that is not there", message(5, 17, words({~0u})), true},
      {"a suggest of a piece that is not there", message(5, 13, words({~0u})), true},
      {"an extension message without an id", message(1, 20), true},
      {"an extension handshake that is no dictionary", extended(0, "li1ee"), true},
      {"an extension handshake that is cut off", extended(0, "d1:m"), true},
      {"an extension handshake of depth 1000", extended(0, std::string(1000, 'l')), true},
      {"an extension handshake with absurd numbers",
       extended(0,
                "d1:md11:ut_metadatai300e6:mu_neti-4ee13:metadata_sizei-1e4:reqqi-5e1:pi70000ee"),
       false},
      {"an extension message of 1 GiB", message(1 << 30, 20, {0}), true},
      {"a metadata request for piece 4 billion", extended(1, "d8:msg_typei0e5:piecei4294967295ee"),
       true},
      {"a metadata request for piece -1", extended(1, "d8:msg_typei0e5:piecei-1ee"), true},
      {"metadata that nobody asked for",
       extended(1, "d8:msg_typei1e5:piecei0e10:total_sizei5eexxxxx"), false},
      {"a network proof from nowhere", extended(2, "xxxx"), false},
      {"a hash request with nothing right", message(49, 21, hashes), false},
      {"a hash request that is too short", message(10, 21, Bytes(9)), true},
      {"hashes that nobody asked for", message(49 + 64, 22, Bytes(48 + 64)), false},
      {"an unknown message", message(100, 99, Bytes(99)), false},
      {"an unknown message of 1 GiB", message(1 << 30, 99), true},
  };
}

// Goal: a magnet's piece layers come from whoever has them, whoever else was asked before.
// Method: three peers that answer nothing, one that has the content but not its layers, and, later
// than all of them, one that has both. The torrent has v2 only: without layers nothing can be
// fetched.
TEST(SwarmHostile, gets_the_hashes_of_a_magnet_past_peers_that_are_silent_or_lack_them) {
  for_seeds(4, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 20 << 20, TorrentFormat::v2, 64 * 1024);
    auto bare = content;
    bare.metainfo =
        *Metainfo::from_info(content.metainfo->info(), content.metainfo->info_hash(), {}, {});
    ASSERT_FALSE(bare.metainfo->missing_piece_layers().empty());
    Node lacking{network.add_host("lacking")};
    lacking.seed(bare);
    Node honest{network.add_host("honest")};
    Node taker{network.add_host("taker")};
    Magnet magnet;
    magnet.info_hash = content.metainfo->info_hash();
    auto const id =
        taker->add({.what = magnet, .folder = std::string{kFolder}, .peers = {}, .trackers = {}});
    ASSERT_TRUE(id);
    static_cast<void>(threads::sleep_for(1s));
    std::vector<std::unique_ptr<RawPeer>> silent;
    for (int i = 0; i < 3; ++i)
      silent.push_back(std::make_unique<RawPeer>(network.add_host(fmt::format("silent{}", i)),
                                                 taker.endpoint(), content));
    taker->suggest_peer(*id, lacking.endpoint());
    ASSERT_TRUE(taker->metainfo(*id, threads::within(10s)));
    honest.seed(content);
    taker->suggest_peer(*id, honest.endpoint());
    auto const began = threads::now();
    auto const done = taker->wait_until_complete(*id, threads::within(1min));
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_TRUE(taker.has(content));
    EXPECT_LT(threads::now() - began, 8s) << "of virtual time; the content alone takes 2 s";
  });
}

// Goal: whatever a peer says in whatever field, nobody else notices.
// Method: each lie is told to a node while it fetches from an honest one; it completes, and tellers
// of what no honest peer says are sent away.
TEST(SwarmHostile, is_not_disturbed_by_a_lie_in_any_field_of_any_message) {
  for_seeds(1, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 20 << 20, TorrentFormat::hybrid, 256 * 1024);
    Node honest{network.add_host("honest")};
    honest.seed(content);
    Node victim{network.add_host("victim")};
    auto const id = victim.leech(content, {honest.endpoint()});
    static_cast<void>(threads::sleep_for(500ms));
    int number = 0;
    for (auto const& lie : lies()) {
      SCOPED_TRACE(lie.name);
      auto& host = network.add_host(fmt::format("liar{}", ++number));
      RawPeer liar{host, victim.endpoint(), content};
      liar.say(lie.bytes);
      EXPECT_EQ(liar.sent_away(2s), lie.ends_it);
    }
    auto const done = victim->wait_until_complete(id, threads::within(10min));
    ASSERT_TRUE(done) << done.error().what;
    EXPECT_TRUE(victim.has(content));
    EXPECT_EQ(honest->list()[0].phase, TorrentPhase::seeding);
  });
}

TEST(SwarmHostile, is_not_disturbed_by_random_bytes) {
  for_seeds(20, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(1, 200'000, TorrentFormat::hybrid, 32 * 1024);
    Node victim{network.add_host("victim")};
    auto const id = victim.seed(content);
    auto& host = network.add_host("liar");
    for (int i = 0; i < 5; ++i) {
      RawPeer liar{host, victim.endpoint(), content, i % 2 == 0};
      // Real message ids with random fields and mostly right lengths get deeper than pure noise.
      Bytes noise;
      for (int k = 0; k < 50; ++k) {
        auto const size = static_cast<std::uint32_t>(network.entropy().below(60));
        auto rest = content_of(network.entropy().next() | seed, size);
        auto const told = network.entropy().below(10) == 0 ? size : size + 1;
        auto const one = message(static_cast<std::uint32_t>(told),
                                 static_cast<std::uint8_t>(network.entropy().below(24)), rest);
        noise.insert(noise.end(), one.begin(), one.end());
      }
      liar.say(noise);
      static_cast<void>(liar.sent_away(1s));
    }
    Node taker{network.add_host("taker")};
    auto const taken = taker.leech(content, {victim.endpoint()});
    ASSERT_TRUE(taker->wait_until_complete(taken, threads::within(1min)));
    EXPECT_EQ(victim->status(id)->phase, TorrentPhase::seeding);
  });
}

TEST(SwarmHostile, sends_away_who_does_not_finish_the_handshake) {
  for_seeds(1, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 200'000, TorrentFormat::hybrid, 32 * 1024);
    Node victim{network.add_host("victim")};
    victim.seed(content);
    auto& host = network.add_host("slow");
    auto stream = host.world().network().connect(victim.endpoint(), {}, threads::within(10s));
    ASSERT_TRUE(stream);
    // One byte a second, for as long as it is let.
    int sent = 0;
    std::array<std::uint8_t, kHandshakeBytes> bytes;
    write_handshake(bytes, {.info_hash = *content.metainfo->info_hash().v1, .peer_id = {}});
    for (; sent < 60; ++sent) {
      if (!(*stream)->write_all(ByteView{bytes}.subspan(static_cast<std::size_t>(sent), 1),
                                threads::within(1s)))
        break;
      static_cast<void>(threads::sleep_for(1s));
    }
    EXPECT_LT(sent, 15);
  });
}

TEST(SwarmHostile, sends_away_who_drips_a_message_byte_by_byte) {
  for_seeds(1, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 200'000, TorrentFormat::hybrid, 32 * 1024);
    Node victim{network.add_host("victim")};
    victim.seed(content);
    RawPeer slow{network.add_host("slow"), victim.endpoint(), content};
    auto const block = message(9 + 16384, 7, words({0, 0}));
    slow.say(block);
    int sent = 0;
    for (; sent < 600; ++sent) {
      if (!slow.stream().write_all(ByteView{block}.first(1), threads::within(1s))) break;
      static_cast<void>(threads::sleep_for(1s));
    }
    EXPECT_LT(sent, 250);
  });
}

TEST(SwarmHostile, keeps_a_bounded_queue_for_who_asks_without_reading) {
  for_seeds(1, [&](sim::Simulation& network, std::uint64_t seed) {
    auto const content = make_content(seed, 4 << 20, TorrentFormat::hybrid, 256 * 1024);
    Node victim{network.add_host("victim")};
    victim.seed(content);
    RawPeer greedy{network.add_host("greedy"), victim.endpoint(), content};
    greedy.say(message(1, 2));
    Bytes requests;
    for (int i = 0; i < 10'000; ++i) {
      auto const one = message(13, 6, words({0, 0, 16384}));
      requests.insert(requests.end(), one.begin(), one.end());
    }
    for (int i = 0; i < 20; ++i) {
      if (!greedy.stream().write_all(ByteView{requests}, threads::within(10s))) break;
    }
    Node taker{network.add_host("taker")};
    auto const id = taker.leech(content, {victim.endpoint()});
    ASSERT_TRUE(taker->wait_until_complete(id, threads::within(5min)));
  });
}

}  // namespace
}  // namespace mutirao::swarm
