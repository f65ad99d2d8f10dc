#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/middleware/broker.h"
#include "mutirao/threads/this_thread.h"

/// Objects that the tests of the gateways call.
namespace mutirao::middleware::test_objects {

struct Point {
  std::int32_t x = 0;
  std::int32_t y = 0;
  std::string label;
};

struct Ledger {
  static constexpr std::string_view kType = "Ledger";
  Method<"add", std::int64_t(std::int64_t)> add;
  Method<"total", std::int64_t(), Cacheable<2000>> total;
  Method<"sum", std::int64_t(std::int64_t, std::int64_t), Idempotent> sum;
  Method<"mirror", Point(Point), Idempotent> mirror;
  Method<"echo", Bytes(ByteView), Idempotent> echo;
  Method<"count", Yields<std::int64_t>(std::int64_t)> count;
  Method<"nap", void(std::chrono::milliseconds)> nap;
  Method<"trouble", void(std::string)> trouble;
};

}  // namespace mutirao::middleware::test_objects

template <>
inline constexpr auto mutirao::middleware::record_of<mutirao::middleware::test_objects::Point> =
    mutirao::middleware::record(
        "Point", mutirao::middleware::field(1, "x", &mutirao::middleware::test_objects::Point::x),
        mutirao::middleware::field(2, "y", &mutirao::middleware::test_objects::Point::y),
        mutirao::middleware::field(5, "label", &mutirao::middleware::test_objects::Point::label));

namespace mutirao::middleware::test_objects {

inline std::shared_ptr<Servant> make_ledger(std::atomic<std::int64_t>& total) {
  return servant<Ledger>(
      on<&Ledger::add>([&](std::int64_t n) { return total += n; }),
      on<&Ledger::total>([&] { return total.load(); }),
      on<&Ledger::sum>([](std::int64_t a, std::int64_t b) { return a + b; }),
      on<&Ledger::mirror>(
          [](Point const& p) { return Point{.x = p.y, .y = p.x, .label = p.label}; }),
      on<&Ledger::echo>([](ByteView bytes) { return Bytes{bytes.begin(), bytes.end()}; }),
      on<&Ledger::count>([](std::int64_t n, Yield<std::int64_t>& yield) -> Result<void> {
        for (std::int64_t i = 0; i < n; ++i) MUT_TRY(yield(i));
        return {};
      }),
      on<&Ledger::nap>([](std::chrono::milliseconds ms) { return threads::sleep_for(ms); }),
      on<&Ledger::trouble>([](std::string const& kind) -> Outcome<void> {
        auto failure = not_executed(Fault::exhausted, "too much " + kind, "rest", Retry::later);
        failure.retry_after = 1500ms;
        failure.origin = "admission";
        return std::unexpected{failure};
      }));
}

}  // namespace mutirao::middleware::test_objects
