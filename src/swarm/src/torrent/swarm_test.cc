#include "mutirao/swarm/swarm.h"

#include "torrent/sim_swarm.h"

namespace mutirao::swarm {
namespace {

using namespace test;

struct PairCase {
  char const* name;
  TorrentFormat format;
  std::size_t size;
  std::uint32_t piece_length;
  /// Else googletest prints the bytes, those in between too.
  friend void PrintTo(PairCase const& one, std::ostream* out) { *out << one.name; }
};

class SwarmOfTwo : public testing::TestWithParam<PairCase> {};

// Goal: whatever the format of a torrent, a node gets its content from another, byte for byte.
TEST_P(SwarmOfTwo, carries_a_file_from_one_to_the_other) {
  auto const& param = GetParam();
  for (auto const seed : sim::seeds(3)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    sim::Simulation simulation{{.seed = seed, .network = {}}};
    simulation.run([&](sim::Simulation& network) {
      auto& a = network.add_host("a");
      auto& b = network.add_host("b");
      auto const content = make_content(seed, param.size, param.format, param.piece_length);
      ASSERT_NE(content.metainfo, nullptr);
      Node giver{a};
      Node taker{b};
      giver.seed(content);
      auto const id = taker.leech(content, {giver.endpoint()});
      auto const done = taker->wait_until_complete(id, threads::within(5min));
      ASSERT_TRUE(done) << done.error().what;
      EXPECT_TRUE(taker.has(content));
      auto const status = taker->status(id);
      ASSERT_TRUE(status);
      EXPECT_EQ(status->phase, TorrentPhase::seeding);
      EXPECT_EQ(status->bytes_verified, param.size);
      EXPECT_EQ(status->downloaded, param.size);
      EXPECT_EQ(status->wasted, 0u);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, SwarmOfTwo,
    testing::Values(PairCase{"v1", TorrentFormat::v1, 3'000'001, 256 * 1024},
                    PairCase{"v2", TorrentFormat::v2, 3'000'001, 256 * 1024},
                    PairCase{"hybrid", TorrentFormat::hybrid, 3'000'001, 256 * 1024},
                    PairCase{"small_pieces", TorrentFormat::hybrid, 1'000'000, 16 * 1024},
                    PairCase{"one_byte", TorrentFormat::hybrid, 1, 16 * 1024},
                    PairCase{"less_than_a_piece_v2", TorrentFormat::v2, 100'000, 256 * 1024}),
    [](auto const& info) { return std::string{info.param.name}; });

}  // namespace
}  // namespace mutirao::swarm
