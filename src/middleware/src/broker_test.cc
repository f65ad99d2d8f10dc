#include "mutirao/middleware/broker.h"

#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

namespace mutirao::middleware {
namespace {

struct Counter {
  static constexpr std::string_view kType = "Counter";
  Method<"add", std::int64_t(std::int64_t)> add;
  Method<"get", std::int64_t(), Idempotent> get;
  Method<"echo", Bytes(ByteView), Idempotent> echo;
  Method<"count", Yields<std::int64_t>(std::int64_t)> count;
  Method<"nap", void(std::chrono::milliseconds)> nap;
};

TEST(Broker, calls_over_a_socket) {
  threads::runtime runtime;
  runtime.run([] {
    base::StderrLog log{base::LogLevel::warning};
    auto const world = world::make_real_world(log);
    auto listener = world->network().listen({world::IpAddress::loopback(), 0});
    ASSERT_TRUE(listener);
    Broker server{*world};
    std::atomic<std::int64_t> total = 0;
    ASSERT_TRUE(server.objects().add(
        "counter",
        servant<Counter>(
            on<&Counter::add>([&](std::int64_t n) { return total += n; }),
            on<&Counter::get>([&] { return total.load(); }),
            on<&Counter::echo>([](ByteView bytes) { return Bytes{bytes.begin(), bytes.end()}; }),
            on<&Counter::count>([](std::int64_t n, Yield<std::int64_t>& yield) -> Result<void> {
              for (std::int64_t i = 0; i < n; ++i) MUT_TRY(yield(i));
              return {};
            }),
            on<&Counter::nap>(
                [](std::chrono::milliseconds ms) { return threads::sleep_for(ms); }))));
    threads::scope serving;
    serving.spawn("server", [&] { return server.serve(**listener); });
    {
      Broker client{*world};
      auto counter = client.find<Counter>("counter@" + (*listener)->local().to_string());
      ASSERT_TRUE(counter);
      auto const five = counter->add(5);
      ASSERT_TRUE(five) << five.error().what;
      EXPECT_EQ(*five, 5);
      EXPECT_EQ(invoke(*counter, &Counter::add, 7).value(), 12);
      Bytes big(1 << 20);
      for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<std::uint8_t>(i * 7 >> 3);
      auto const same = counter->echo(big);
      ASSERT_TRUE(same) << same.error().what;
      EXPECT_EQ(*same, big);
      auto numbers = counter->count(100'000);
      std::int64_t expected = 0;
      for (;;) {
        auto const next = numbers.next();
        ASSERT_TRUE(next) << next.error().what;
        if (!*next) break;
        ASSERT_EQ(**next, expected++);
      }
      EXPECT_EQ(expected, 100'000);
      auto const late = counter->nap.with({.deadline = threads::within(20ms)})(10s);
      ASSERT_FALSE(late);
      EXPECT_EQ(late.error().fault, Fault::timed_out);
      threads::scope callers;
      for (int i = 0; i < 1000; ++i)
        callers.spawn("caller", [&]() -> Result<void> {
          for (int k = 0; k < 100; ++k) MUT_TRY(counter->add(1));
          return {};
        });
      EXPECT_TRUE(callers.join());
      EXPECT_EQ(counter->get().value(), 12 + 100'000);
    }
    (*listener)->close();
  });
}

}  // namespace
}  // namespace mutirao::middleware
