#include <cmath>

#include <gtest/gtest.h>

#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/sim/testing.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {
namespace {

constexpr std::size_t kWorkers = 8;
constexpr double kService_s = 0.010;                    // mean, exponential
constexpr double kLoad = 0.85 * kWorkers / kService_s;  // calls a second
constexpr Duration kPatience = 100ms;                   // of each caller
constexpr Duration kCalm = 1s;
constexpr Duration kTrigger = 5s;  // at half the capacity
constexpr Duration kRecovery = 1s;
constexpr Duration kMeasured = 2s;

struct Worker {
  static constexpr std::string_view kType = "Worker";
  Method<"work", void(double), Idempotent> work;
};

/// What nearly everybody has: three more tries, each with all the time, after a drawn pause.
class NaiveRetry final : public Interceptor {
 public:
  explicit NaiveRetry(world::World& world) noexcept : world_{world} {}
  Reply intercept(Call& call, Next next) override {
    auto reply = next(call);
    for (int again = 0; again < 3 && reply.failed(); ++again) {
      Duration const pause{static_cast<std::int64_t>(world_.entropy().below(10'000'000u << again))};
      if (!threads::sleep_for(pause)) break;
      call.deadline = threads::within(kPatience);
      reply = next(call);
    }
    return reply;
  }

 private:
  world::World& world_;
};

double exponential(world::Entropy& entropy, double mean) {
  auto const uniform = (static_cast<double>(entropy.next() >> 11) + 0.5) * 0x1p-53;
  return -mean * std::log(uniform);
}

/// The share of calls that are answered in time once the trigger has been over for kRecovery.
double goodput_after(sim::Simulation& network, bool ours) {
  auto& server_host = network.add_host("server");
  auto& client_host = network.add_host("client");
  Broker server{server_host.world(), {.threads_max = kWorkers}};
  Broker client{client_host.world()};
  if (ours) {
    auto const trace = std::make_shared<Trace>(client_host.world());
    auto& objects = server.objects();
    EXPECT_TRUE(
        objects.chain().replace(*Chain::make(default_server_chain(trace), objects.last()), 1));
    EXPECT_TRUE(client.chain().replace(
        *Chain::make(default_client_chain(client_host.world(), trace), client.last()), 1));
  } else {
    EXPECT_TRUE(client.chain().replace(
        *Chain::make({{.name = "retry",
                       .phase = Phase::retry,
                       .interceptor = std::make_shared<NaiveRetry>(client_host.world())}},
                     client.last()),
        1));
  }
  double slowness = 1;
  EXPECT_TRUE(server.objects().add("worker", servant<Worker>(on<&Worker::work>([&](double seconds) {
                                     return threads::sleep_for(std::chrono::duration_cast<Duration>(
                                         std::chrono::duration<double>{seconds * slowness}));
                                   }))));
  auto const listener = server_host.world().network().listen({world::IpAddress::any(), 7000});
  EXPECT_TRUE(listener);
  threads::scope serving;
  serving.spawn("server", [&] { static_cast<void>(server.serve(**listener)); });
  auto const worker = *client.find<Worker>("worker@server:7000");

  auto const start = threads::now();
  auto const end = start + kCalm + kTrigger + kRecovery + kMeasured;
  std::uint64_t asked = 0;
  std::uint64_t served = 0;
  threads::scope callers;
  auto& entropy = network.entropy();
  for (auto now = start; now < end; now = threads::now()) {
    slowness = now >= start + kCalm && now < start + kCalm + kTrigger ? 2 : 1;
    bool const counts = now >= end - kMeasured;
    auto const seconds = exponential(entropy, kService_s);
    callers.spawn("caller",
                  [&, counts, seconds] {
                    if (counts) ++asked;
                    auto const done =
                        worker.work.with({.deadline = threads::within(kPatience)})(seconds);
                    if (done && counts) ++served;
                  },
                  {.stack = threads::stack_size::standard, .isolated = true});
    EXPECT_TRUE(threads::sleep_for(std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>{exponential(entropy, 1 / kLoad)})));
  }
  EXPECT_TRUE(callers.join());
  (*listener)->close();
  return static_cast<double>(served) / static_cast<double>(asked);
}

// Goal: an overload that is over leaves nothing behind.
// Method: 85 % load, 5 s at half the capacity, callers who wait 100 ms; from 1 s after it, all but
// 5 % are served. Every seed must hold.
TEST(RetryStorm, is_over_a_second_after_its_trigger) {
  sim::for_seeds(20, [](sim::Simulation& network, std::uint64_t) {
    EXPECT_GT(goodput_after(network, true), 0.95);
  });
}

TEST(RetryStorm, goes_on_for_ever_with_what_nearly_everybody_has) {
  sim::for_seeds(1, [](sim::Simulation& network, std::uint64_t) {
    EXPECT_LT(goodput_after(network, false), 0.5);
  });
}

}  // namespace
}  // namespace mutirao::middleware
