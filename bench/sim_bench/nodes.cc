// A thousand nodes for an hour: what a scenario of that size costs before its own work.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "measure.h"

namespace bench {

namespace {
using namespace mutirao;

constexpr std::size_t kNodes = 1000;
constexpr std::size_t kDials = 10;  // each node: about twenty connections in all
constexpr Duration kRun = 1h;
constexpr Duration kKeepAlive = 30s;  // of each connection, both ways
constexpr Duration kGossip = 5s;      // of each node, to three neighbours
constexpr Duration kFetch = 10min;    // of each node, a file from a neighbour
constexpr std::uint32_t kFileBytes = 1 << 20;
constexpr std::uint32_t kBlockBytes = 16 << 10;
constexpr std::uint16_t kPort = 6881;

enum class Kind : std::uint8_t { keep_alive, gossip, ask, block };

/// A node that does what a peer-to-peer node does all day, and nothing else.
class LoadNode {
 public:
  LoadNode(sim::Host& host, std::vector<sim::Host*> const& all, threads::scope& scope)
      : host_{host}, all_{all}, scope_{scope} {}

  Result<void> run() {
    auto& network = host_.world().network();
    listener_ = MUT_TRY(network.listen({{}, kPort}));
    scope_.spawn("accept",
                 [&]() -> Result<void> {
                   for (;;) add(MUT_TRY(listener_->accept(Deadline::never())));
                 },
                 {.isolated = true});
    MUT_TRY(threads::sleep_for(drawn(1s)));
    for (std::size_t i = 0; i < kDials; ++i) {
      auto const& to = *all_[host_.world().entropy().below(all_.size())];
      add(MUT_TRY(network.connect({to.address(), kPort}, {}, Deadline::never())));
    }
    auto const folder = MUT_TRY(host_.world().disk().open_directory("/", false));
    file_ = MUT_TRY(folder->open("file", {.writable = true, .create = true}));
    auto const until = threads::now() + kRun;
    auto next_fetch = threads::now() + drawn(kFetch);
    while (threads::now() < until) {
      MUT_TRY(threads::sleep_for(kGossip));
      for (int i = 0; i < 3; ++i) MUT_TRY(send(any_peer(), Kind::gossip, 200));
      if (threads::now() < next_fetch) continue;
      next_fetch += kFetch;
      MUT_TRY(send(any_peer(), Kind::ask, 0));
    }
    return {};
  }

  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
  [[nodiscard]] std::uint64_t blocks() const noexcept { return blocks_; }

 private:
  struct Peer {
    std::unique_ptr<world::Stream> stream;
    bool busy = false;  // somebody writes
    explicit Peer(std::unique_ptr<world::Stream> its) : stream{std::move(its)} {}
  };

  Duration drawn(Duration most) {
    return Duration{static_cast<Duration::rep>(
        host_.world().entropy().below(static_cast<std::uint64_t>(most.count())))};
  }
  Peer& any_peer() { return *peers_[host_.world().entropy().below(peers_.size())]; }

  void add(std::unique_ptr<world::Stream> stream) {
    auto& peer = *peers_.emplace_back(std::make_unique<Peer>(std::move(stream)));
    scope_.spawn("peer", [this, &peer] { return serve(peer); },
                 {.stack = threads::stack_size::small, .isolated = true});
  }

  Result<void> send(Peer& peer, Kind kind, std::uint32_t size) {
    if (std::exchange(peer.busy, true)) return {};  // one writer at a time: the other is dropped
    Bytes message;
    message.reserve(5 + size);
    base::append_be(message, size);
    message.push_back(static_cast<std::uint8_t>(kind));
    message.resize(5 + size);
    auto sent = peer.stream->write_all(message, Deadline::never());
    peer.busy = false;
    return sent;
  }

  /// Reads messages; what is silent for long is kept alive.
  Result<void> serve(Peer& peer) {
    Bytes payload;
    for (auto quiet_until = threads::now() + drawn(kKeepAlive);;) {
      std::array<std::uint8_t, 5> head{};
      auto const got = peer.stream->read_some(MutableBytes{head}, Deadline::at(quiet_until));
      if (!got && got.error().fault == Fault::timed_out) {
        quiet_until += kKeepAlive;
        MUT_TRY(send(peer, Kind::keep_alive, 0));
        continue;
      }
      auto const count = MUT_TRY(Result<std::size_t>{got});
      if (count == 0) return {};
      MUT_TRY(peer.stream->read_exactly(MutableBytes{head}.subspan(count), Deadline::never()));
      payload.resize(base::load_be<std::uint32_t>(head));
      MUT_TRY(peer.stream->read_exactly(payload, Deadline::never()));
      ++messages_;
      if (head[4] == static_cast<std::uint8_t>(Kind::ask)) {
        for (std::uint32_t at = 0; at < kFileBytes; at += kBlockBytes)
          MUT_TRY(send(peer, Kind::block, kBlockBytes));
      } else if (head[4] == static_cast<std::uint8_t>(Kind::block)) {
        auto const at = blocks_++ * kBlockBytes % kFileBytes;
        MUT_TRY(file_->write_at(at, ByteView{payload}));
        if (blocks_ % 8 == 0) MUT_TRY(file_->sync());
      }
    }
  }

  sim::Host& host_;
  std::vector<sim::Host*> const& all_;
  threads::scope& scope_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::unique_ptr<world::Listener> listener_;
  std::unique_ptr<world::File> file_;
  std::uint64_t messages_ = 0;
  std::uint64_t blocks_ = 0;
};

/// Wall seconds of the whole run.
double hour_of_nodes() {
  auto const before = std::chrono::steady_clock::now();
  std::uint64_t messages = 0;
  std::uint64_t blocks = 0;
  sim::Simulation simulation{{.seed = 1}};
  simulation.run([&](sim::Simulation& network) {
    for (std::size_t i = 0; i < kNodes; ++i) network.add_host("node" + std::to_string(i));
    auto const hosts = network.hosts();
    std::vector<std::unique_ptr<LoadNode>> nodes;
    threads::scope served;
    threads::scope running;
    for (auto* const host : hosts) {
      auto& node = *nodes.emplace_back(std::make_unique<LoadNode>(*host, hosts, served));
      running.spawn("node", [&node] { return node.run(); });
    }
    if (auto const ended = running.join(); !ended) {
      std::fprintf(stderr, "sim_bench: %s\n", ended.error().what.c_str());
      std::exit(3);
    }
    served.request_stop();
    static_cast<void>(served.join());
    for (auto const& node : nodes) {
      messages += node->messages();
      blocks += node->blocks();
    }
  });
  std::fprintf(stderr, "sim_bench: %.2f million messages, %.0f thousand blocks written\n",
               static_cast<double>(messages) * 1e-6, static_cast<double>(blocks) * 1e-3);
  return std::chrono::duration<double>{std::chrono::steady_clock::now() - before}.count();
}

Contribution const node_rows{[] {
  return std::vector<Row>{
      {.name = "1000 nodes for one simulated hour",
       .peer = "",
       .unit = "s",
       .ours = hour_of_nodes,
       .judge = Judge::ours_at_most,
       .gate = 60,
       .aim = 30,
       .rounds_max = 1},
  };
}};
}  // namespace

}  // namespace bench
