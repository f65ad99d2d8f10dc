// Ours: objects over one connection, a user thread for each call on both sides, one LWP a side.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "mutirao/base/log.h"
#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "load.h"

namespace {
using bench::Clock;
using bench::Durations;
using namespace mutirao;
using namespace mutirao::middleware;

std::atomic<std::uint64_t> allocations{0};

struct Echo {
  static constexpr std::string_view kType = "Echo";
  Method<"echo", Bytes(ByteView), Idempotent> echo;
};

/// Does nothing. Each is a class of its own, as those of a real chain are: were they one, its
/// single jump would go nine times to itself and then elsewhere, which no processor foresees.
template <std::size_t kNumber>
class Nothing final : public Interceptor {
 public:
  Reply intercept(Call& call, Next next) override { return next(call); }
};

template <std::size_t... kNumber>
std::shared_ptr<Interceptor> nothing(std::size_t number, std::index_sequence<kNumber...>) {
  std::shared_ptr<Interceptor> made;
  static_cast<void>(
      ((kNumber == number % sizeof...(kNumber) && (made = std::make_shared<Nothing<kNumber>>())) ||
       ...));
  return made;
}

/// `whole`: with the tracing and the deadlines of a node in front.
std::unique_ptr<Chain> chain_of(std::size_t interceptors, std::shared_ptr<Interceptor> last,
                                world::World* whole = nullptr) {
  std::vector<Placed> placed;
  if (whole != nullptr) {
    placed.push_back(
        {.name = "trace", .phase = Trace::kPhase, .interceptor = std::make_shared<Trace>(*whole)});
    placed.push_back({.name = "deadline",
                      .phase = DefaultDeadline::kPhase,
                      .interceptor = std::make_shared<DefaultDeadline>()});
  }
  for (std::size_t i = 0; i < interceptors; ++i)
    placed.push_back({.name = "nothing " + std::to_string(i),
                      .phase = Phase::trace,
                      .interceptor = nothing(i, std::make_index_sequence<10>{})});
  return *Chain::make(std::move(placed), std::move(last));
}

void must(bool well) {
  if (!well) bench::fail("a step that cannot fail has failed");
}

template <class Body>
void in_a_world(Body body) {
  threads::runtime runtime{{.processors = 1}};
  runtime.run([&] {
    base::StderrLog log{base::LogLevel::warning};
    auto const world = world::make_real_world(log);
    body(*world);
  });
}

void serve(bench::Orders const& orders) {
  in_a_world([&](world::World& world) {
    auto listener = world.network().listen({world::IpAddress::loopback(), orders.port});
    if (!listener) bench::fail(listener.error().what);
    Broker broker{world};
    must(broker.objects()
             .add("echo", servant<Echo>(on<&Echo::echo>([](ByteView bytes) { return bytes; })))
             .has_value());
    must(broker.objects()
             .chain()
             .replace(chain_of(orders.interceptors, broker.objects().last(),
                               orders.traced ? &world : nullptr),
                      1)
             .has_value());
    bench::say_ready();
    static_cast<void>(broker.serve(**listener));
  });
}

void drive(bench::Orders const& orders) {
  in_a_world([&](world::World& world) {
    Broker broker{world};
    must(broker.chain()
             .replace(
                 chain_of(orders.interceptors, broker.last(), orders.traced ? &world : nullptr), 1)
             .has_value());
    auto const echo = broker.find<Echo>("echo@127.0.0.1:" + std::to_string(orders.port));
    must(echo.has_value());
    bench::Meter meter{orders};
    threads::scope callers;
    for (std::size_t slot = 0; slot < orders.slots(); ++slot) {
      callers.spawn("caller", [&, slot] {
        Bytes const payload(orders.bytes_of(slot), 'x');
        auto begun = Clock::now();
        while (!meter.over(begun)) {
          auto const reply = echo->echo.with({.deadline = threads::within(10s)})(payload);
          if (!reply) bench::fail(reply.error().what);
          if (reply->size() != payload.size()) bench::fail("a reply to another call");
          auto const now = Clock::now();
          meter.completed(slot, begun, now);
          begun = now;
        }
      });
    }
    static_cast<void>(callers.join());
    meter.tell();
  });
}

/// ns for each call of `body`: the least of many short stretches.
template <class Body>
double nanoseconds(Body body) {
  constexpr int kCalls = 20'000;
  double least = 1e9;
  for (int round = 0; round < 50; ++round) {
    auto const begun = Clock::now();
    for (int i = 0; i < kCalls; ++i) body();
    std::chrono::duration<double, std::nano> const took = Clock::now() - begun;
    least = std::min(least, took.count() / kCalls);
  }
  return least;
}

template <class T>
void keep(T const& value) {
  asm volatile("" : : "m"(value) : "memory");
}

void tell(char const* row, double ns) {
  std::printf(R"({"row": "%s", "ns": %.4g})"
              "\n",
              row, ns);
}

class Done final : public Interceptor {
 public:
  Reply intercept(Call& call, Next /*nobody*/) override { return call.done(); }
};

/// The call of the anchors: an id, a method, a deadline, a number, a text of 16, eight numbers.
void encode_one(wire::MsgpackWriter& out) {
  out.clear();
  out.array(4);
  out.integer(0x1234'5678'9abcULL).string("do_something").integer(9'999'871);
  out.array(3);
  out.integer(0xfedc'ba98'7654ULL).string("sixteen letters!");
  static constexpr std::array<std::uint32_t, 8> kNumbers{0,    1000, 2000, 3000,
                                                         4000, 5000, 6000, 7000};
  out.integers(std::span<std::uint32_t const>{kNumbers});
}

std::uint64_t decode_one(ByteView bytes) {
  wire::MsgpackReader from{bytes};
  std::uint64_t sum = from.array();
  sum += from.integer<std::uint64_t>() + from.string().size() + from.integer<std::uint64_t>();
  sum += from.array();
  sum += from.integer<std::uint64_t>() + from.string().size();
  auto const count = from.array();
  for (std::size_t i = 0; i < count; ++i) sum += from.integer<std::uint32_t>();
  must(from.finish().has_value());
  return sum;
}

void micro() {
  in_a_world([](world::World&) {
    Target const target{.object = "echo"};
    Call call{target, "echo", nullptr, {}};
    auto const last = std::make_shared<Done>();
    auto const none = chain_of(0, last);
    auto const ten = chain_of(10, last);
    auto const without = nanoseconds([&] { keep((*none)(call)); });
    auto const with = nanoseconds([&] { keep((*ten)(call)); });
    tell("no-op interceptor", (with - without) / 10);
    LiveChain live{chain_of(0, last)};
    tell("chain pin", nanoseconds([&] { keep(live.pin().version()); }));
    wire::MsgpackWriter out;
    encode_one(out);
    auto const before = allocations.load();
    tell("encode a call", nanoseconds([&] {
           encode_one(out);
           keep(out.written().data());
         }));
    tell("decode a call", nanoseconds([&] { keep(decode_one(out.written())); }));
    std::printf(R"({"row": "allocations", "count": %llu})"
                "\n",
                static_cast<unsigned long long>(allocations.load() - before));
  });
}
// ---- many calls while all is replaced under them

struct Ledger {
  static constexpr std::string_view kType = "Ledger";
  Method<"enter", std::uint64_t(std::uint64_t)> enter;
};

/// Which calls were executed; the state that one component hands to the next.
struct Entries {
  explicit Entries(std::uint64_t calls) : seen(calls) {}
  std::vector<std::atomic<std::uint8_t>> seen;
  std::atomic<std::uint64_t> twice{0};
};

std::shared_ptr<Servant> ledger_of(std::shared_ptr<std::shared_ptr<Entries>> state) {
  return servant<Ledger>(on<&Ledger::enter>([state](std::uint64_t number) {
    auto& entries = **state;
    if (entries.seen[number].fetch_add(1, std::memory_order_relaxed) != 0) ++entries.twice;
    return number + 1;
  }));
}

/// Calls, 64 at a time over a socket, with `meddle` beside them.
template <class Meddle>
std::unique_ptr<Durations> call_all(Broker& client, std::string const& address, std::uint64_t calls,
                                    std::uint64_t& wrong, Meddle meddle) {
  auto const ledger = client.find<Ledger>("ledger@" + address);
  must(ledger.has_value());
  auto durations = std::make_unique<Durations>();
  threads::mutex mutex;
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> bad{0};
  threads::scope meddling;
  meddling.spawn("meddler", meddle, {.isolated = true});
  threads::scope callers;
  for (int i = 0; i < 64; ++i) {
    callers.spawn("caller", [&] {
      auto const own = std::make_unique<Durations>();
      for (;;) {
        auto const number = next.fetch_add(1, std::memory_order_relaxed);
        if (number >= calls) break;
        auto const begun = Clock::now();
        auto const reply = ledger->enter.with({.deadline = threads::within(30s)})(number);
        own->add(Clock::now() - begun);
        if (!reply || *reply != number + 1) ++bad;
      }
      std::lock_guard const lock{mutex};
      durations->add(*own);
    });
  }
  static_cast<void>(callers.join());
  meddling.request_stop();
  static_cast<void>(meddling.join());
  wrong = bad;
  return durations;
}

void storm(std::uint64_t calls) {
  threads::runtime runtime;
  runtime.run([&] {
    base::StderrLog log{base::LogLevel::warning};
    auto const world = world::make_real_world(log);
    auto listener = world->network().listen({world::IpAddress::loopback(), 0});
    if (!listener) bench::fail(listener.error().what);
    auto const address = (*listener)->local().to_string();
    Broker server{*world};
    Broker client{*world};
    threads::scope serving;
    serving.spawn("server", [&] { static_cast<void>(server.serve(**listener)); });

    auto entries = std::make_shared<Entries>(calls);
    auto holder = std::make_shared<std::shared_ptr<Entries>>(entries);
    must(server.objects().add("ledger", ledger_of(holder)).has_value());
    std::uint64_t wrong = 0;
    auto const quiet = call_all(client, address, calls, wrong, [] {});
    std::uint64_t lost = wrong;
    for (auto const& each : entries->seen) lost += each.load() == 1 ? 0 : 1;

    entries = std::make_shared<Entries>(calls);
    *holder = entries;
    std::uint64_t swaps = 0;
    std::uint64_t replaced = 0;
    auto const meddle = [&] {
      auto const begun = threads::now();
      for (std::uint64_t turn = 1;; ++turn) {
        if (!threads::sleep_until(begun + turn * 1ms)) return;
        for (auto* side : {&client.chain(), &server.objects().chain()}) {
          auto const& last = side == &client.chain() ? client.last() : server.objects().last();
          must(side->replace(chain_of(turn % 6, last), side->version()).has_value());
          ++swaps;
        }
        if (turn % 1000 != 0) continue;
        // The next one begins empty and is given what the old one has.
        auto next = std::make_shared<std::shared_ptr<Entries>>();
        must(server.objects()
                 .replace(
                     "ledger", ledger_of(next),
                     [&]() -> Result<void> {
                       *next = std::exchange(*holder, nullptr);
                       return {};
                     },
                     threads::within(5s))
                 .has_value());
        holder = next;
        ++replaced;
      }
    };
    auto const stormy = call_all(client, address, calls, wrong, meddle);
    lost += wrong;
    for (auto const& each : entries->seen) lost += each.load() == 0 ? 1 : 0;
    auto const us = [](std::chrono::nanoseconds d) {
      return static_cast<double>(d.count()) / 1000;
    };
    std::printf(
        R"({"row": "storm", "calls": %llu, "swaps": %llu, "replaced": %llu, "lost": %llu, )"
        R"("twice": %llu, "quiet_p99_us": %.4g, "p99_us": %.4g, "quiet_p50_us": %.4g, "p50_us": %.4g})"
        "\n",
        static_cast<unsigned long long>(calls), static_cast<unsigned long long>(swaps),
        static_cast<unsigned long long>(replaced), static_cast<unsigned long long>(lost),
        static_cast<unsigned long long>(entries->twice.load()), us(quiet->quantile(0.99)),
        us(stormy->quantile(0.99)), us(quiet->quantile(0.5)), us(stormy->quantile(0.5)));
    std::fflush(stdout);
    serving.request_stop();
  });
}
/// Calls to eight servers that each take 50 ms, from plain blocking code.
void fan_out() {
  in_a_world([](world::World& world) {
    struct Node {
      explicit Node(world::World& of) : broker{of} {}
      Broker broker;
      std::unique_ptr<world::Listener> listener;
    };
    std::vector<std::unique_ptr<Node>> nodes;
    threads::scope serving;
    Broker client{world};
    must(client.chain().replace(chain_of(5, client.last(), &world), 1).has_value());
    std::vector<Ref<Echo>> echoes;
    for (int i = 0; i < 8; ++i) {
      auto& node = *nodes.emplace_back(std::make_unique<Node>(world));
      node.listener = *world.network().listen({world::IpAddress::loopback(), 0});
      must(node.broker.objects()
               .add("echo", servant<Echo>(on<&Echo::echo>([](ByteView bytes) -> Result<Bytes> {
                      MUT_TRY(threads::sleep_for(50ms));
                      return Bytes{bytes.begin(), bytes.end()};
                    })))
               .has_value());
      serving.spawn("server", [&node] { static_cast<void>(node.broker.serve(*node.listener)); });
      echoes.push_back(*client.find<Echo>("echo@" + node.listener->local().to_string()));
      must(echoes.back().echo(Bytes(32)).has_value());
    }
    auto const begun = Clock::now();
    threads::scope calls;
    for (auto const& each : echoes)
      calls.spawn("call", [&each] { must(each.echo(Bytes(32)).has_value()); });
    must(calls.join().has_value());
    std::chrono::duration<double, std::milli> const took = Clock::now() - begun;
    std::printf(R"({"row": "fan-out", "ms": %.4g})"
                "\n",
                took.count());
    std::fflush(stdout);
    for (auto const& each : nodes) each->listener->close();
    serving.request_stop();
  });
}
}  // namespace

// Not inlined: the compiler would take the pair of them for a mistake.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* const memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "micro") == 0) {
    micro();
    return 0;
  }
  if (argc == 2 && std::strcmp(argv[1], "fan-out") == 0) {
    fan_out();
    return 0;
  }
  if (argc >= 2 && std::strcmp(argv[1], "storm") == 0) {
    storm(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10'000'000);
    return 0;
  }
  return bench::run(argc, argv, serve, drive);
}
