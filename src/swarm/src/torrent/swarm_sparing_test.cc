#include "torrent/sim_swarm.h"

// How much of a swarm's work falls to the node that had the content first.
namespace mutirao::swarm {
namespace {

using namespace test;

struct Sparing {
  TorrentFormat format = TorrentFormat::v1;
  std::size_t leechers = 6;
  std::size_t size = 24 << 20;
  std::uint32_t piece_length = 64 * 1024;
  Duration between = 0s;               ///< from the start of one leecher to that of the next
  std::uint64_t slow_bytes_per_s = 0;  ///< both ways, of the last leecher; 0: as the others
};

struct Spared {
  double copies = 0;   ///< that the seed uploaded
  double seconds = 0;  ///< until all had everything (the slow one left out)
};

Spared run_sparing(std::uint64_t seed, Sparing const& how) {
  Spared outcome;
  sim::Simulation simulation{
      {.seed = seed, .network = {.link = {.latency = 1ms, .jitter = 200us}}}};
  simulation.run([&](sim::Simulation& network) {
    auto const content = make_content(seed, how.size, how.format, how.piece_length);
    Node giver{network.add_host("seed")};
    auto const given = giver.seed(content);
    std::vector<std::unique_ptr<Node>> takers;
    std::vector<TorrentId> ids;
    std::vector<world::Endpoint> known{giver.endpoint()};
    auto const began = threads::now();
    for (std::size_t i = 0; i < how.leechers; ++i) {
      sim::HostOptions options;
      if (how.slow_bytes_per_s > 0 && i + 1 == how.leechers) {
        options.uplink_bytes_per_s = how.slow_bytes_per_s;
        options.downlink_bytes_per_s = how.slow_bytes_per_s;
      }
      auto& host = network.add_host(fmt::format("leech{}", i), options);
      takers.push_back(std::make_unique<Node>(host));
      ids.push_back((*takers.back()).leech(content, known));
      known.push_back(takers.back()->endpoint());
      static_cast<void>(threads::sleep_for(how.between));
    }
    auto const waited_for = how.leechers - (how.slow_bytes_per_s > 0 ? 1 : 0);
    for (std::size_t i = 0; i < waited_for; ++i) {
      auto const done = (*takers[i])->wait_until_complete(ids[i], threads::within(30min));
      EXPECT_TRUE(done) << done.error().what;
      EXPECT_TRUE(takers[i]->has(content));
    }
    outcome.seconds = std::chrono::duration<double>(threads::now() - began).count();
    outcome.copies =
        static_cast<double>(giver->status(given)->uploaded) / static_cast<double>(how.size);
    takers.clear();
  });
  return outcome;
}

// Goal: nodes that begin together take one copy from the seed and exchange it among themselves.
TEST(SwarmSparing, takes_one_copy_from_a_seed_for_six_equal_nodes) {
  for (auto const seed : sim::seeds(4)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    auto const format = seed % 2 == 0 ? TorrentFormat::v1 : TorrentFormat::hybrid;
    EXPECT_LE(run_sparing(seed, {.format = format}).copies, 1.15);
  }
}

// v1 pieces are fetched side by side and get whole late; there are 16 of them for each of four
// nodes.
TEST(SwarmSparing, takes_one_copy_when_there_are_few_large_pieces) {
  for (auto const seed : sim::seeds(2)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    EXPECT_LE(run_sparing(seed, {.leechers = 4, .piece_length = 512 * 1024}).copies, 1.15);
  }
}

TEST(SwarmSparing, takes_one_copy_for_nodes_that_come_one_after_the_other) {
  for (auto const seed : sim::seeds(2)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    EXPECT_LE(run_sparing(seed, {.between = 300ms}).copies, 1.15);
  }
}

// Goal: what falls to a neighbour with a thin line is not waited for.
// Method: its share alone would take it 8 s; the others take it over and are done long before.
TEST(SwarmSparing, waits_for_no_slow_neighbour) {
  for (auto const seed : sim::seeds(2)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    auto const outcome = run_sparing(seed, {.slow_bytes_per_s = 500'000});
    EXPECT_LE(outcome.copies, 1.15);
    EXPECT_LE(outcome.seconds, 7);
  }
}

}  // namespace
}  // namespace mutirao::swarm
