// That a whole swarm is affordable: the load of fifty peers that exchange a file of 6 MiB, in
// messages as BitTorrent sends them, without BitTorrent.
#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

constexpr std::size_t kPeers = 50;
constexpr std::size_t kPieces = 64;  // each peer tells all others of each piece that it gets
constexpr std::size_t kBlocksOfAPiece = 4;
constexpr std::size_t kBlockBytes = 16_KiB;
constexpr std::size_t kHaveBytes = 9;
constexpr std::size_t kHavesForAPiece = kPeers - 1;  // a piece comes from one of the others

Result<void> tell(world::Stream& stream, Bytes const& block) {
  for (std::size_t i = 0; i < kPieces; ++i) {
    MUT_TRY(threads::sleep_for(80ms));
    MUT_TRY(stream.write_all(ByteView{block}.first(kHaveBytes), threads::within(60s)));
    if (i % kHavesForAPiece != 0) continue;
    for (std::size_t sent = 0; sent < kBlocksOfAPiece; ++sent) {
      MUT_TRY(stream.write_all(block, threads::within(60s)));
    }
  }
  stream.finish_writing();
  return {};
}

Result<std::size_t> listen_to(world::Stream& stream, Bytes& buffer) {
  for (std::size_t total = 0;;) {
    auto const count = MUT_TRY(stream.read_some(buffer, threads::within(60s)));
    if (count == 0) return total;
    total += count;
  }
}

struct Load {
  std::uint64_t hash = 0;
  std::size_t bytes = 0;
};

Load run(std::uint64_t seed) {
  Load load;
  Simulation simulation{{.seed = seed, .network = {.link = {.loss = 0.01}}}};
  simulation.run([&](Simulation& network) {
    auto const block = pattern(kBlockBytes);
    Bytes buffer(64_KiB);  // what is read is only counted
    std::vector<Host*> hosts;
    std::vector<std::unique_ptr<world::Listener>> listeners;
    for (std::size_t i = 0; i < kPeers; ++i) {
      auto& host = *hosts.emplace_back(&network.add_host("peer" + std::to_string(i)));
      listeners.push_back(must(host.world().network().listen({host.address(), 6881})));
    }
    threads::scope peers;
    auto const talk = [&](std::shared_ptr<world::Stream> stream) {
      peers.spawn("writer", [&, stream] { return tell(*stream, block); });
      peers.spawn("reader", [&, stream]() -> Result<void> {
        load.bytes += MUT_TRY(listen_to(*stream, buffer));
        return {};
      });
    };
    for (std::size_t i = 0; i < kPeers; ++i) {
      peers.spawn("accept", [&, i]() -> Result<void> {
        for (std::size_t from = 0; from < i; ++from)
          talk(MUT_TRY(listeners[i]->accept(threads::within(60s))));
        return {};
      });
      peers.spawn("connect", [&, i]() -> Result<void> {
        for (std::size_t to = i + 1; to < kPeers; ++to) {
          talk(MUT_TRY(hosts[i]->world().network().connect({hosts[to]->address(), 6881}, {},
                                                           threads::within(60s))));
        }
        return {};
      });
    }
    must(peers.join());
  });
  load.hash = simulation.trace_hash();
  return load;
}

TEST(SwarmLoad, of_fifty_peers_arrives_whole_and_repeats) {
  constexpr std::size_t kPiecesSent = (kPieces + kHavesForAPiece - 1) / kHavesForAPiece;
  constexpr std::size_t kBytes = kPieces * kHaveBytes + kPiecesSent * kBlocksOfAPiece * kBlockBytes;
  for (auto const seed : seeds(1)) {
    auto const first = run(seed);
    EXPECT_EQ(first.bytes, kPeers * (kPeers - 1) * kBytes) << replay_hint(seed);
    EXPECT_EQ(first.hash, run(seed).hash) << replay_hint(seed);
  }
}

}  // namespace
}  // namespace mutirao::sim
