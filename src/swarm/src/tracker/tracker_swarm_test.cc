#include "tracker/tracker_swarm.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tracker/tracker_connection_id.h"
#include "tracker/tracker_limit.h"

namespace mutirao::swarm {
namespace {

constexpr SipKey kKey{1, 2};

world::Endpoint endpoint(std::string_view text) { return world::Endpoint::parse(text).value(); }
world::Endpoint nth(std::uint32_t i) {
  return {world::IpAddress::v4({198, static_cast<std::uint8_t>(18 + (i >> 16)),
                                static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}),
          6881};
}
/// A public address that is_internal() leaves alone.
world::Endpoint open(std::uint32_t i) {
  return {world::IpAddress::v4({8, static_cast<std::uint8_t>(i >> 16),
                                static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}),
          6881};
}

std::vector<std::string> picked(TrackerSwarm const& swarm, TrackerSwarm::Wish const& wish,
                                PickRandom& random) {
  Bytes out;
  swarm.pick(wish, random, out);
  std::size_t const size = wish.v6 ? 18 : 6;
  EXPECT_EQ(out.size() % size, 0u);
  std::vector<std::string> peers;
  for (auto rest = ByteView{out}; !rest.empty(); rest = rest.subspan(size))
    peers.push_back(world::Endpoint{*world::IpAddress::from_bytes(rest.first(size - 2)),
                                    base::load_be<std::uint16_t>(rest.subspan(size - 2))}
                        .to_string());
  return peers;
}

void join(TrackerSwarm& swarm, world::Endpoint peer, bool seed, std::uint32_t now_s = 1) {
  ASSERT_TRUE(swarm.update({.peer = peer, .seed = seed}, now_s, 1'000'000, kKey));
}

TEST(SipHash, gives_the_values_of_its_paper) {
  SipKey const key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  Bytes input;
  for (std::uint8_t i = 0; i < 15; ++i) input.push_back(i);
  EXPECT_EQ(siphash(key, input), 0xa129ca6149be45e5u);  // appendix A
  EXPECT_EQ(siphash(key, {}), 0x726fdb47dd0e0e31u);
}

// Method: a long random walk of joins, changes and leaves beside a std::map that can't be wrong.
TEST(PeerList, agrees_with_a_simple_map_over_a_long_random_walk) {
  PeerList<6> list;
  std::map<PeerList<6>::Compact, std::pair<bool, std::uint32_t>> model;
  PickRandom random{7};
  for (std::uint32_t step = 0; step < 50'000; ++step) {
    PeerList<6>::Compact peer{10, 0, 0, static_cast<std::uint8_t>(random.below(200)), 1, 1};
    auto const dice = random.below(10);
    if (dice < 6) {
      bool const seed = random.below(2) == 0;
      auto const before = list.put(peer, seed, step, kKey);
      auto const found = model.find(peer);
      ASSERT_EQ(before.has_value(), found != model.end());
      if (before) {
        ASSERT_EQ(before->seed, found->second.first);
      }
      model[peer] = {seed, step};
    } else if (dice < 9) {
      ASSERT_EQ(list.remove(peer, kKey), model.erase(peer) == 1);
    } else if (step > 300) {
      auto const before_s = step - 300 + random.below(100);
      list.expire(before_s, kKey);
      std::erase_if(model, [&](auto const& entry) { return entry.second.second < before_s; });
    }
    ASSERT_EQ(list.size(), model.size());
    std::size_t seeds = 0;
    for (auto const& [known, state] : model) seeds += state.first;
    ASSERT_EQ(list.seeds(), seeds);
  }
  for (std::size_t i = 0; i < list.size(); ++i)
    ASSERT_EQ(model.at(list.at(i)).first, i < list.seeds());
}

TEST(PeerList, a_peer_costs_at_most_48_bytes) {
  for (std::uint32_t count : {1000u, 1025u, 50'000u, 100'000u}) {
    PeerList<6> list;
    for (std::uint32_t i = 0; i < count; ++i)
      list.put({1, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8),
                static_cast<std::uint8_t>(i), 1, 1},
               i % 3 == 0, 1, kKey);
    EXPECT_LE(list.memory_bytes(), 48 * count) << count;
  }
}

TEST(TrackerSwarm, never_tells_a_peer_of_itself_and_never_twice_of_another) {
  TrackerSwarm swarm;
  PickRandom random{1};
  for (std::uint32_t i = 0; i < 300; ++i) join(swarm, open(i), i % 2 == 0);
  for (std::uint32_t round = 0; round < 200; ++round) {
    auto const asker = open(round);
    auto const peers = picked(swarm, {.asker = asker, .wanted = 50}, random);
    EXPECT_EQ(peers.size(), 50u);
    std::set<std::string> const different{peers.begin(), peers.end()};
    EXPECT_EQ(different.size(), peers.size());
    EXPECT_FALSE(different.contains(asker.to_string()));
  }
}

TEST(TrackerSwarm, tells_everybody_of_everybody_while_they_are_few) {
  TrackerSwarm swarm;
  PickRandom random{1};
  for (std::uint32_t i = 0; i < 11; ++i) join(swarm, open(i), false);
  EXPECT_EQ(picked(swarm, {.asker = open(3), .wanted = 50}, random).size(), 10u);
  EXPECT_EQ(picked(swarm, {.asker = open(3), .wanted = 10}, random).size(), 10u);
  EXPECT_EQ(picked(swarm, {.asker = open(99), .wanted = 50}, random).size(), 11u);
  EXPECT_EQ(picked(swarm, {.asker = open(3), .wanted = 0}, random).size(), 0u);
}

TEST(TrackerSwarm, chooses_every_peer_equally_often) {
  TrackerSwarm swarm;
  PickRandom random{42};
  for (std::uint32_t i = 0; i < 103; ++i) join(swarm, open(i), i < 20);
  std::map<std::string, int> times;
  constexpr int kRounds = 20'000;
  for (int round = 0; round < kRounds; ++round)
    for (auto const& peer : picked(swarm, {.asker = open(5000), .wanted = 10}, random))
      ++times[peer];
  EXPECT_EQ(times.size(), 103u);
  double const expected = kRounds * 10.0 / 103;
  for (auto const& [peer, count] : times) EXPECT_NEAR(count, expected, expected * 0.15) << peer;
}

TEST(TrackerSwarm, tells_seeds_of_leeches_alone) {
  TrackerSwarm swarm;
  PickRandom random{1};
  for (std::uint32_t i = 0; i < 20; ++i) join(swarm, open(i), i >= 5);
  auto const peers = picked(swarm, {.asker = open(19), .seed = true, .wanted = 50}, random);
  EXPECT_EQ(peers.size(), 5u);
  // A leech that completes is a seed from then on.
  join(swarm, open(0), true);
  EXPECT_EQ(swarm.seeds(), 16u);
  EXPECT_EQ(picked(swarm, {.asker = open(19), .seed = true, .wanted = 50}, random).size(), 4u);
}

TEST(TrackerSwarm, tells_private_addresses_only_to_those_who_can_reach_them) {
  TrackerSwarm swarm;
  PickRandom random{1};
  join(swarm, endpoint("127.0.0.1:1"), false);
  join(swarm, endpoint("192.168.1.7:1"), false);
  join(swarm, open(1), false);
  EXPECT_EQ(picked(swarm, {.asker = open(2), .wanted = 50}, random),
            (std::vector{open(1).to_string()}));
  EXPECT_EQ(picked(swarm, {.asker = endpoint("10.0.0.1:1"), .wanted = 50}, random).size(), 2u);
  EXPECT_EQ(picked(swarm, {.asker = endpoint("127.0.0.1:2"), .wanted = 50}, random).size(), 3u);
}

TEST(TrackerSwarm, keeps_the_families_apart) {
  TrackerSwarm swarm;
  PickRandom random{1};
  join(swarm, endpoint("[2a00::1]:1"), false);
  join(swarm, open(1), false);
  EXPECT_EQ(picked(swarm, {.asker = endpoint("[2a00::2]:1"), .v6 = true, .wanted = 9}, random),
            (std::vector<std::string>{"[2a00::1]:1"}));
  EXPECT_EQ(picked(swarm, {.asker = endpoint("[2a00::2]:1"), .v6 = false, .wanted = 9}, random),
            (std::vector{open(1).to_string()}));
}

TEST(TrackerSwarm, forgets_who_stopped_and_who_fell_silent) {
  TrackerSwarm swarm;
  join(swarm, open(1), false, 1000);
  join(swarm, open(2), false, 1000);
  join(swarm, open(3), true, 2000);
  EXPECT_TRUE(swarm.update({.peer = open(1), .stopped = true}, 1001, 100, kKey));
  EXPECT_EQ(swarm.size(), 2u);
  swarm.expire(1500, 2000, kKey);
  EXPECT_EQ(swarm.size(), 1u);
  EXPECT_TRUE(swarm.contains(open(3), kKey));
}

TEST(TrackerSwarm, counts_a_completion_once_and_only_of_a_peer_that_it_saw_download) {
  TrackerSwarm swarm;
  join(swarm, open(1), false);
  TrackerSwarm::Update const done{.peer = open(1), .seed = true, .completed = true};
  swarm.update(done, 2, 100, kKey);
  swarm.update(done, 3, 100, kKey);
  swarm.update({.peer = open(2), .seed = true, .completed = true}, 3, 100, kKey);
  EXPECT_EQ(swarm.completed(), 1u);
}

TEST(TrackerSwarm, takes_no_more_peers_than_its_limit_but_keeps_those_it_has) {
  TrackerSwarm swarm;
  for (std::uint32_t i = 0; i < 10; ++i) EXPECT_TRUE(swarm.update({.peer = open(i)}, 1, 10, kKey));
  EXPECT_FALSE(swarm.update({.peer = open(10)}, 1, 10, kKey));
  EXPECT_TRUE(swarm.update({.peer = open(3), .seed = true}, 1, 10, kKey));
  EXPECT_EQ(swarm.size(), 10u);
  EXPECT_EQ(swarm.seeds(), 1u);
}

TEST(TrackerSwarm, names_its_own_node_first_where_it_can_be_reached) {
  TrackerSwarm swarm;
  PickRandom random{1};
  swarm.set_own({endpoint("127.0.0.1:7"), open(77)}, true);
  for (std::uint32_t i = 0; i < 60; ++i) join(swarm, open(i), false);
  auto const peers = picked(swarm, {.asker = open(1), .wanted = 50}, random);
  EXPECT_EQ(peers.size(), 50u);
  EXPECT_EQ(peers.front(), open(77).to_string());
  EXPECT_EQ(std::ranges::count(peers, "127.0.0.1:7"), 0);
  auto const for_seed = picked(swarm, {.asker = open(1), .seed = true, .wanted = 50}, random);
  EXPECT_EQ(std::ranges::count(for_seed, open(77).to_string()), 0);
}

TEST(ConnectionIds, prove_the_address_for_two_to_four_minutes) {
  ConnectionIds const ids{kKey};
  auto const client = world::IpAddress::v4({1, 2, 3, 4});
  auto const id = ids.make(client, 239);
  EXPECT_TRUE(ids.check(id, client, 239));
  EXPECT_TRUE(ids.check(id, client, 359));
  EXPECT_FALSE(ids.check(id, client, 360));
  EXPECT_FALSE(ids.check(id, world::IpAddress::v4({1, 2, 3, 5}), 239));
  EXPECT_FALSE(ids.check(id + 1, client, 239));
  ConnectionIds const others{SipKey{3, 4}};
  EXPECT_FALSE(others.check(id, client, 239));
}

TimePoint at(Duration duration) { return TimePoint{duration}; }

TEST(SourceLimit, gives_a_burst_and_then_the_rate) {
  SourceLimit limit{{.per_second = 2, .burst = 5}, kKey};
  auto const source = world::IpAddress::v4({1, 2, 3, 4});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(limit.allow(source, at(10s)));
  EXPECT_FALSE(limit.allow(source, at(10s)));
  EXPECT_TRUE(limit.allow(source, at(11s)));
  EXPECT_TRUE(limit.allow(source, at(11s)));
  EXPECT_FALSE(limit.allow(source, at(11s)));
  EXPECT_TRUE(limit.allow(world::IpAddress::v4({1, 2, 3, 5}), at(11s)));
}

TEST(SourceLimit, counts_one_ipv6_customer_as_one_source) {
  SourceLimit limit{{.per_second = 1, .burst = 1}, kKey};
  auto const v6 = [](std::string_view text) { return world::IpAddress::parse(text).value(); };
  EXPECT_TRUE(limit.allow(v6("2a00:1:2:3::1"), at(1s)));
  EXPECT_FALSE(limit.allow(v6("2a00:1:2:3:ffff::2"), at(1s)));
  EXPECT_TRUE(limit.allow(v6("2a00:1:2:4::1"), at(1s)));
}

TEST(SourceLimit, a_flood_of_sources_takes_no_memory_and_shuts_nobody_out) {
  SourceLimit limit{{.per_second = 1, .burst = 2, .rows = 4}, kKey};
  for (std::uint32_t i = 0; i < 10'000; ++i)
    EXPECT_TRUE(limit.allow(nth(i).address, at(Duration{i * 1'000'000ll})));
}

}  // namespace
}  // namespace mutirao::swarm
