#include "torrent/choker.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

using namespace std::chrono_literals;

/// A sequence that is a function of its seed.
class SeededEntropy final : public world::Entropy {
 public:
  explicit SeededEntropy(std::uint64_t seed) : state_{seed} {}
  void fill(MutableBytes bytes) override {
    for (std::uint8_t& byte : bytes) {
      std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
      z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
      z = (z ^ z >> 27) * 0x94d049bb133111eb;
      byte = static_cast<std::uint8_t>(z >> 56);
    }
  }

 private:
  std::uint64_t state_;
};

constexpr TimePoint kStart{1h};

/// Peers and a choker, and the rounds that its owner would run.
struct TorrentOfPeers {
  std::vector<ChokerPeer> peers;
  TimePoint now = kStart;

  ChokerPeer& add(std::uint64_t id, double from = 0, double to = 0) {
    peers.push_back({.id = ConnectionId{id},
                     .interested = true,
                     .bytes_per_s_from = from,
                     .bytes_per_s_to = to,
                     .connected_at = now - 10min});
    return peers.back();
  }
  std::set<std::uint64_t> round(Choker& choker, bool seeding = false) {
    auto const picked = choker.pick(peers, seeding, now);
    std::set<std::uint64_t> ids;
    for (ConnectionId const id : picked) ids.insert(id.value);
    EXPECT_EQ(ids.size(), picked.size()) << "a peer was picked twice";
    EXPECT_LE(picked.size(), choker.slots());
    for (ChokerPeer& peer : peers) {
      peer.unchoked = ids.contains(peer.id.value);
      EXPECT_TRUE(peer.interested || !peer.unchoked)
          << "a slot wasted on a peer that wants nothing";
    }
    now += 10s;
    return ids;
  }
};

TEST(TitForTat, gives_its_slots_to_those_who_give_most) {
  SeededEntropy entropy{1};
  TitForTat choker{{.unchoked_max = 4}, entropy};
  TorrentOfPeers torrent;
  for (std::uint64_t id = 1; id <= 10; ++id) torrent.add(id, 1000.0 * static_cast<double>(id));
  for (int i = 0; i < 50; ++i) {
    auto const picked = torrent.round(choker);
    EXPECT_TRUE(picked.contains(10) && picked.contains(9) && picked.contains(8));
    EXPECT_EQ(picked.size(), 4u);
  }
}

TEST(TitForTat, takes_the_slot_from_a_peer_that_stopped_giving_at_the_next_round) {
  SeededEntropy entropy{2};
  TitForTat choker{{.unchoked_max = 3}, entropy};
  TorrentOfPeers torrent;
  for (std::uint64_t id = 1; id <= 3; ++id) torrent.add(id, 5000);
  torrent.add(4, 1000);
  torrent.round(choker);
  auto const optimistic =
      [&] {  // the one of the five that holds the slot for newcomers is not meant
        torrent.peers[0].bytes_per_s_from = 0;
        torrent.peers[0].snubbed = true;
        for (std::uint64_t id = 5; id <= 40; ++id) torrent.add(id, 0);
        int rounds_with_a_slot = 0;
        for (int i = 0; i < 60; ++i) rounds_with_a_slot += torrent.round(choker).contains(1);
        return rounds_with_a_slot;
      }();
  EXPECT_LE(optimistic, 60 / 4) << "a free rider kept a slot";
}

TEST(TitForTat, does_not_trade_places_between_equal_peers) {
  SeededEntropy entropy{3};
  TitForTat choker{{.unchoked_max = 4, .optimistic_interval = 1h}, entropy};
  TorrentOfPeers torrent;
  for (std::uint64_t id = 1; id <= 12; ++id) torrent.add(id, 0);
  auto const first = torrent.round(choker);
  for (int i = 0; i < 30; ++i) {
    std::ranges::reverse(torrent.peers);
    EXPECT_EQ(torrent.round(choker), first);
  }
}

TEST(TitForTat, moves_the_optimistic_slot_every_interval_and_not_sooner) {
  SeededEntropy entropy{4};
  TitForTat choker{{.unchoked_max = 2, .optimistic_interval = 30s}, entropy};
  TorrentOfPeers torrent;
  torrent.add(1, 9000);
  for (std::uint64_t id = 2; id <= 9; ++id) torrent.add(id, 0);
  std::uint64_t before = 0;
  for (int turn = 0; turn < 40; ++turn) {
    std::set<std::uint64_t> holders;
    for (int i = 0; i < 3; ++i)
      for (std::uint64_t const id : torrent.round(choker))
        if (id != 1) holders.insert(id);
    ASSERT_EQ(holders.size(), 1u) << "moved within its interval";
    EXPECT_NE(*holders.begin(), before) << "did not move";
    before = *holders.begin();
  }
}

TEST(TitForTat, lets_nobody_starve) {
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    SeededEntropy entropy{seed};
    TitForTat choker{{.unchoked_max = 4}, entropy};
    TorrentOfPeers torrent;
    for (std::uint64_t id = 1; id <= 3; ++id) torrent.add(id, 1e6);
    for (std::uint64_t id = 4; id <= 13; ++id) torrent.add(id, 0);
    std::set<std::uint64_t> served;
    for (int i = 0; i < 600; ++i) served.merge(torrent.round(choker));
    EXPECT_EQ(served.size(), 13u) << "seed " << seed;
  }
}

TEST(TitForTat, prefers_newcomers_three_to_one_for_the_optimistic_slot) {
  SeededEntropy entropy{5};
  int newcomer = 0;
  int constexpr kDraws = 4000;
  for (int i = 0; i < kDraws; ++i) {
    TitForTat choker{{.unchoked_max = 2}, entropy};
    TorrentOfPeers torrent;
    torrent.add(1, 9000);
    torrent.add(2);
    torrent.add(3).connected_at = kStart - 5s;
    newcomer += torrent.round(choker).contains(3);
  }
  EXPECT_NEAR(newcomer, kDraws * 3 / 4, kDraws / 25);
}

TEST(TitForTat, gives_a_peer_that_snubs_us_no_slot_but_the_optimistic_one) {
  SeededEntropy entropy{6};
  TitForTat choker{{.unchoked_max = 3}, entropy};
  TorrentOfPeers torrent;
  torrent.add(1, 9000).snubbed = true;
  torrent.add(2, 10);
  torrent.add(3, 5);
  torrent.add(4, 0);
  int served = 0;
  for (int i = 0; i < 300; ++i) {
    auto const picked = torrent.round(choker);
    EXPECT_TRUE(picked.contains(2) && picked.contains(3));
    served += picked.contains(1);
  }
  EXPECT_GT(served, 100);
  EXPECT_LT(served, 200);
}

TEST(TitForTat, unchokes_all_when_there_are_slots_enough) {
  SeededEntropy entropy{7};
  TitForTat choker{{.unchoked_max = 8}, entropy};
  TorrentOfPeers torrent;
  for (std::uint64_t id = 1; id <= 8; ++id) torrent.add(id, id % 2 ? 0 : 100);
  for (bool const seeding : {false, true})
    for (int i = 0; i < 20; ++i) EXPECT_EQ(torrent.round(choker, seeding).size(), 8u);
}

TEST(TitForTat, ignores_peers_that_want_nothing) {
  SeededEntropy entropy{8};
  TitForTat choker{{.unchoked_max = 2}, entropy};
  TorrentOfPeers torrent;
  torrent.add(1, 9e9).interested = false;
  torrent.add(2, 1);
  for (bool const seeding : {false, true})
    EXPECT_EQ(torrent.round(choker, seeding), (std::set<std::uint64_t>{2}));
  EXPECT_TRUE(choker.pick({}, true, torrent.now).empty());
}

TEST(TitForTat, serves_the_fastest_receivers_while_seeding_and_all_others_by_turns) {
  SeededEntropy entropy{9};
  TitForTat choker{{.unchoked_max = 4, .seeding_turn = 30s}, entropy};
  TorrentOfPeers torrent;
  torrent.add(1, 0, 9e6);
  torrent.add(2, 0, 8e6);
  for (std::uint64_t id = 3; id <= 12; ++id) torrent.add(id, 0, 100);
  // Ten peers share two slots in turns of three rounds: in 15 rounds each has had one turn.
  std::map<std::uint64_t, int> rounds;
  for (int i = 0; i < 15; ++i) {
    auto const picked = torrent.round(choker, true);
    EXPECT_TRUE(picked.contains(1) && picked.contains(2));
    for (std::uint64_t const id : picked) ++rounds[id];
  }
  for (std::uint64_t id = 3; id <= 12; ++id) EXPECT_EQ(rounds[id], 3) << "peer " << id;
}

TEST(TitForTat, is_a_function_of_its_inputs_and_its_seed) {
  auto const history = [] {
    SeededEntropy entropy{10};
    TitForTat choker{{.unchoked_max = 4}, entropy};
    TorrentOfPeers torrent;
    for (std::uint64_t id = 1; id <= 20; ++id) torrent.add(id, static_cast<double>(id * 37 % 11));
    std::vector<std::set<std::uint64_t>> rounds;
    for (int i = 0; i < 100; ++i) rounds.push_back(torrent.round(choker, i > 50));
    return rounds;
  };
  EXPECT_EQ(history(), history());
}

TEST(Cooperative, chokes_nobody_below_its_limit) {
  Cooperative choker{32};
  TorrentOfPeers torrent;
  for (std::uint64_t id = 1; id <= 32; ++id) torrent.add(id, 0);
  for (bool const seeding : {false, true})
    for (int i = 0; i < 10; ++i) EXPECT_EQ(torrent.round(choker, seeding).size(), 32u);
}

TEST(Cooperative, lets_who_is_served_finish_and_then_the_first_who_came) {
  Cooperative choker{2};
  TorrentOfPeers torrent;
  for (std::uint64_t id = 1; id <= 4; ++id)
    torrent.add(id).connected_at = kStart - std::chrono::seconds{id};
  EXPECT_EQ(torrent.round(choker), (std::set<std::uint64_t>{3, 4}));
  torrent.add(5).connected_at = kStart - 1h;
  EXPECT_EQ(torrent.round(choker), (std::set<std::uint64_t>{3, 4}));
  torrent.peers[3].interested = false;
  EXPECT_EQ(torrent.round(choker), (std::set<std::uint64_t>{3, 5}));
}

}  // namespace
}  // namespace mutirao::swarm
