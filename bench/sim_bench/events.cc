// How many events a second the simulated world handles: timers, messages, disk calls.
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

[[noreturn]] void give_up(Error const& error) {
  std::fprintf(stderr, "sim_bench: %s\n", error.what.c_str());
  std::exit(3);
}
template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Millions of operations a second of CPU time.
double rate(double count, sim::SimulationOptions options,
            std::function<void(sim::Simulation&)> const& prepare,
            std::function<void()> const& work) {
  double ns = 0;
  sim::Simulation simulation{std::move(options)};
  simulation.run([&](sim::Simulation& network) {
    prepare(network);
    ns = ns_each(count, work);
  });
  return 1e3 / ns;
}

/// A sleep that ends is one event. The seed decides how ready threads are ordered.
double timer_events(std::uint64_t seed, int threads) {
  int const sleeps = 4'000'000 / threads;
  return rate(
      static_cast<double>(threads) * sleeps, {.seed = seed}, [](sim::Simulation&) {},
      [=] {
        threads::scope scope;
        for (int i = 0; i < threads; ++i) {
          scope.spawn(
              "sleeper",
              [=] {
                for (int k = 0; k < sleeps; ++k) {
                  must(threads::sleep_for(std::chrono::microseconds{1 + (i * 7 + k * 13) % 1000}));
                }
              },
              {.stack = threads::stack_size::small});
        }
        must(scope.join());
      });
}

constexpr int kHosts = 200;
constexpr int kPairs = 2000;

world::Endpoint at(sim::Host& host, int port) {
  return {host.address(), static_cast<std::uint16_t>(port)};
}

/// Requests and answers of 64 bytes over 2,000 streams between 200 hosts; each way is a message.
double stream_messages() {
  constexpr int kRounds = 250;
  struct Pair {
    std::unique_ptr<world::Stream> client;
    std::unique_ptr<world::Stream> server;
  };
  std::vector<Pair> pairs;
  auto const work = [&] {
    threads::scope scope;
    for (auto& pair : pairs) {
      scope.spawn("server",
                  [&pair] {
                    Bytes message(64);
                    for (int i = 0; i < kRounds; ++i) {
                      must(pair.server->read_exactly(message, Deadline::never()));
                      must(pair.server->write_all(message, Deadline::never()));
                    }
                  },
                  {.stack = threads::stack_size::small});
      scope.spawn("client",
                  [&pair] {
                    Bytes message(64);
                    for (int i = 0; i < kRounds; ++i) {
                      must(pair.client->write_all(message, Deadline::never()));
                      must(pair.client->read_exactly(message, Deadline::never()));
                    }
                  },
                  {.stack = threads::stack_size::small});
    }
    must(scope.join());
    pairs.clear();
  };
  auto const prepare = [&](sim::Simulation& network) {
    std::vector<std::unique_ptr<world::Listener>> listeners;
    for (int i = 0; i < kHosts; ++i) {
      auto& host = network.add_host("host" + std::to_string(i));
      listeners.push_back(must(host.world().network().listen({{}, 80})));
    }
    auto const hosts = network.hosts();
    for (int i = 0; i < kPairs; ++i) {
      auto& from = *hosts[static_cast<std::size_t>(i % kHosts)];
      auto const to = static_cast<std::size_t>((i * 7 + 1) % kHosts);
      Pair pair;
      pair.client = must(from.world().network().connect(at(*hosts[to], 80), {}, Deadline::never()));
      pair.server = must(listeners[to]->accept(Deadline::never()));
      pairs.push_back(std::move(pair));
    }
  };
  return rate(2.0 * kPairs * kRounds, {.seed = 1}, prepare, work);
}

/// Datagrams of 64 bytes, to and fro between 2,000 pairs of sockets on 200 hosts.
double datagrams() {
  constexpr int kRounds = 250;
  std::vector<std::unique_ptr<world::DatagramSocket>> sockets;
  auto const prepare = [&](sim::Simulation& network) {
    for (int i = 0; i < kHosts; ++i) network.add_host("host" + std::to_string(i));
    auto const hosts = network.hosts();
    for (int i = 0; i < 2 * kPairs; ++i) {
      auto& host = *hosts[static_cast<std::size_t>(i % kHosts)];
      sockets.push_back(must(host.world().network().bind_datagram(at(host, 1000 + i / kHosts))));
    }
  };
  auto const work = [&] {
    threads::scope scope;
    for (std::size_t i = 0; i < sockets.size(); i += 2) {
      for (auto const first : {true, false}) {
        scope.spawn("peer",
                    [&sockets, i, first] {
                      auto& mine = *sockets[first ? i : i + 1];
                      auto const other = sockets[first ? i + 1 : i]->local();
                      Bytes message(64);
                      for (int k = 0; k < kRounds; ++k) {
                        if (first) must(mine.send_to(message, other, Deadline::never()));
                        must(mine.receive(message, Deadline::never()));
                        if (!first) must(mine.send_to(message, other, Deadline::never()));
                      }
                    },
                    {.stack = threads::stack_size::small});
      }
    }
    must(scope.join());
    sockets.clear();
  };
  return rate(2.0 * kPairs * kRounds, {.seed = 1}, prepare, work);
}

/// Writes of 16 KiB over a file of 1 MiB, each fourth one synced, on 200 hosts.
double disk_calls() {
  constexpr int kWrites = 1000;
  std::vector<std::unique_ptr<world::File>> files;
  auto const prepare = [&](sim::Simulation& network) {
    for (int i = 0; i < kHosts; ++i) {
      auto& host = network.add_host("host" + std::to_string(i));
      auto const folder = must(host.world().disk().open_directory("/", false));
      files.push_back(must(folder->open("file", {.writable = true, .create = true})));
    }
  };
  auto const work = [&] {
    threads::scope scope;
    for (auto& file : files) {
      scope.spawn("writer", [&file] {
        Bytes const block(16 * 1024);
        for (int k = 0; k < kWrites; ++k) {
          must(file->write_at(static_cast<std::uint64_t>(k % 64) * block.size(), ByteView{block}));
          if (k % 4 == 3) must(file->sync());
        }
      });
    }
    must(scope.join());
    files.clear();
  };
  return rate(1.25 * kHosts * kWrites, {.seed = 1}, prepare, work);
}

Contribution const event_rows{[] {
  std::string const unit = "million a second";
  return std::vector<Row>{
      {.name = "timer events, 100 threads",
       .peer = "",
       .unit = unit,
       .ours = [] { return timer_events(1, 100); },
       .judge = Judge::ours_at_least,
       .gate = 2.0,
       .aim = 5.0},
      {.name = "timer events, 10000 threads",
       .peer = "",
       .unit = unit,
       .ours = [] { return timer_events(1, 10'000); },
       .judge = Judge::ours_at_least,
       .gate = 2.0,
       .aim = 5.0},
      {.name = "messages over streams",
       .peer = "",
       .unit = unit,
       .ours = stream_messages,
       .judge = Judge::ours_at_least,
       .gate = 0.5,
       .aim = 1.0},
      {.name = "datagrams",
       .peer = "",
       .unit = unit,
       .ours = datagrams,
       .judge = Judge::ours_at_least,
       .gate = 0.5,
       .aim = 1.0},
      {.name = "disk writes of 16 KiB, a fourth synced",
       .peer = "",
       .unit = unit,
       .ours = disk_calls,
       .judge = Judge::ours_at_least,
       .gate = 0.2,
       .aim = 0.4},
  };
}};
}  // namespace

}  // namespace bench
