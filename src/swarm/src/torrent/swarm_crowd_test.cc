#include "torrent/sim_swarm.h"

// Many nodes at once, on a network that loses segments, with nodes that come and go.
namespace mutirao::swarm {
namespace {

using namespace test;

struct Outcome {
  std::size_t complete = 0;
  bool right = true;
  double seed_copies = 0;
};

/// `leeches` peers fetch from one seed; each minute one in ten of them goes and comes back with
/// what it had on disk.
Outcome run_crowd(std::uint64_t seed, std::size_t leeches, TorrentFormat format) {
  Outcome outcome;
  sim::Simulation simulation{{.seed = seed,
                              .network = {.link = {.loss = 0.01},
                                          .uplink_bytes_per_s = 2'000'000,
                                          .downlink_bytes_per_s = 4'000'000}}};
  simulation.run([&](sim::Simulation& network) {
    auto const content = make_content(seed, 8 << 20, format, 128 * 1024);
    auto& source = network.add_host("seed");
    Node giver{source};
    auto const given = giver.seed(content);
    struct Member {
      sim::Host* host;
      std::unique_ptr<Node> node;
      TorrentId id;
    };
    std::vector<Member> members;
    std::vector<world::Endpoint> known{giver.endpoint()};
    auto const enter = [&](Member& member) {
      member.node = std::make_unique<Node>(*member.host);
      std::vector<world::Endpoint> some{giver.endpoint()};
      for (int i = 0; i < 10; ++i) some.push_back(known[network.entropy().below(known.size())]);
      member.id = member.node->leech(content, some);
    };
    for (std::size_t i = 0; i < leeches; ++i) {
      members.push_back({&network.add_host(fmt::format("leech{}", i)), nullptr, {}});
      enter(members.back());
      known.push_back(members.back().node->endpoint());
    }
    auto const until = threads::now() + 60min;
    auto const all_done = [&] {
      return std::ranges::all_of(members, [](Member& each) {
        auto const status = (*each.node)->status(each.id);
        return status && status->phase == TorrentPhase::seeding;
      });
    };
    while (!all_done() && threads::now() < until) {
      static_cast<void>(threads::sleep_for(6s));
      // 10 % a minute: one of a hundred each 6 s, drawn by chance.
      for (auto& member : members) {
        if (network.entropy().below(100) != 0) continue;
        member.node.reset();
        enter(member);
      }
    }
    for (auto& member : members) {
      auto const status = (*member.node)->status(member.id);
      if (status && status->phase == TorrentPhase::seeding) ++outcome.complete;
      outcome.right = outcome.right && member.node->has(content);
    }
    outcome.seed_copies = static_cast<double>(giver->status(given)->uploaded) /
                          static_cast<double>(content.bytes.size());
    members.clear();
  });
  return outcome;
}

// Goal: every peer ends with the right file, whatever the order of things.
// Method: 50 peers, 10 % churn a minute, 1 % loss; every seed must hold. MUTIRAO_SEEDS=200 for
// more.
TEST(SwarmCrowd, completes_every_file_under_churn_and_loss) {
  for (auto const seed : sim::seeds(3)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    auto const outcome =
        run_crowd(seed, 50, seed % 2 == 0 ? TorrentFormat::v1 : TorrentFormat::hybrid);
    EXPECT_EQ(outcome.complete, 50u);
    EXPECT_TRUE(outcome.right);
    EXPECT_LT(outcome.seed_copies, 25) << "peers must feed each other";
  }
}

}  // namespace
}  // namespace mutirao::swarm
