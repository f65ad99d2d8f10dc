#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/middleware/broker.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

/// An object with one method of each kind, for the tests of this module.
namespace mutirao::middleware {

struct Point {
  std::int64_t x = 0;
  std::int64_t y = 0;
  std::string label{};
  friend bool operator==(Point const&, Point const&) = default;
};
template <>
inline constexpr auto record_of<Point> = record(
    "Point", field(1, "x", &Point::x), field(2, "y", &Point::y), field(3, "label", &Point::label));

struct Sample {
  static constexpr std::string_view kType = "Sample";
  Method<"add", std::int64_t(std::int64_t)> add;
  Method<"get", std::int64_t(), Idempotent> get;
  Method<"echo", Bytes(ByteView), Idempotent> echo;
  Method<"say", std::string(std::string_view), Idempotent> say;
  Method<"turn", std::vector<Point>(std::vector<Point>, std::optional<std::int64_t>), Idempotent>
      turn;
  Method<"count", Yields<std::int64_t>(std::int64_t)> count;
  Method<"nap", void(std::chrono::milliseconds)> nap;
  Method<"refuse", void(std::string)> refuse;
  Method<"explode", void()> explode;
  /// How many bytes come along, and what they add up to; looks at no more than so many.
  Method<"weigh", std::tuple<std::uint64_t, std::uint64_t>(std::uint64_t, Attachment)> weigh;
};

/// What its servant has seen.
struct SampleState {
  std::atomic<std::int64_t> total{0};
  std::atomic<std::int64_t> yielded{0};
  std::atomic<std::int64_t> naps_cut_short{0};
  std::atomic<std::int64_t> naps_under_way{0};
  std::atomic<std::uint64_t> weighed{0};
};

inline std::shared_ptr<Servant> sample_servant(SampleState& state) {
  return servant<Sample>(
      on<&Sample::add>([&state](std::int64_t n) { return state.total += n; }),
      on<&Sample::get>([&state] { return state.total.load(); }),
      on<&Sample::echo>([](ByteView bytes) { return bytes; }),
      on<&Sample::say>([](std::string_view text) { return text; }),
      on<&Sample::turn>([](std::vector<Point> points, std::optional<std::int64_t> by) {
        for (auto& each : points) each = {each.y, each.x + by.value_or(0), each.label + "'"};
        return points;
      }),
      on<&Sample::count>([&state](std::int64_t n, Yield<std::int64_t>& yield) -> Result<void> {
        for (std::int64_t i = 0; i < n; ++i) {
          MUT_TRY(yield(i));
          ++state.yielded;
        }
        return {};
      }),
      on<&Sample::nap>([&state](std::chrono::milliseconds length) {
        ++state.naps_under_way;
        auto slept = threads::sleep_for(length);
        --state.naps_under_way;
        if (!slept) ++state.naps_cut_short;
        return slept;
      }),
      on<&Sample::refuse>([](std::string const& why) -> Result<void> {
        return fail(Fault::refused, why, "ask nicely");
      }),
      on<&Sample::explode>([] { throw std::runtime_error{"kaboom"}; }),
      on<&Sample::weigh>([&state](std::uint64_t bytes_max, Attachment const& attachment)
                             -> Outcome<std::tuple<std::uint64_t, std::uint64_t>> {
        std::uint64_t bytes = 0;
        std::uint64_t sum = 0;
        while (bytes < bytes_max) {
          auto const piece = attachment.next();
          if (!piece) return std::unexpected{piece.error()};
          if (piece->empty()) break;
          for (auto const each : *piece) sum = sum * 31 + each;
          bytes += piece->size();
          state.weighed += piece->size();
        }
        return std::tuple{bytes, sum};
      }));
}

/// Runs `body` on a user thread of the real world.
inline void in_the_real_world(std::function<void(world::World&)> const& body) {
  threads::runtime runtime;
  runtime.run([&] {
    base::StderrLog log{base::LogLevel::error};
    auto const world = world::make_real_world(log);
    body(*world);
  });
}

/// A broker that offers a sample on a port of this machine.
class SampleServer {
 public:
  explicit SampleServer(world::World& world, BrokerOptions options = {}, ServeOptions serve = {})
      : key_{options.identity}, broker_{world, std::move(options)} {
    listener_ = *world.network().listen({world::IpAddress::loopback(), 0});
    local_ = *world.network().listen_local(local_address());
    serving_.spawn("server", [this] { static_cast<void>(broker_.serve(*local_)); });
    EXPECT_TRUE(broker_.objects().add("sample", sample_servant(state)));
    serving_.spawn("server",
                   [this, serve] { static_cast<void>(broker_.serve(*listener_, serve)); });
  }
  ~SampleServer() {
    listener_->close();
    local_->close();
    static_cast<void>(serving_.join());
  }
  [[nodiscard]] world::Endpoint endpoint() const { return listener_->local(); }
  [[nodiscard]] std::string address() const { return endpoint().to_string(); }
  [[nodiscard]] std::string tls_address() const {
    return "tls://" + key_->public_key().fingerprint() + "@" + address();
  }
  [[nodiscard]] std::string local_address() const {
    return fmt::format("{}/mutirao-sample-{}.sock", ::testing::TempDir(), endpoint().port);
  }
  [[nodiscard]] Broker& broker() noexcept { return broker_; }
  void stop_accepting() { listener_->close(); }

  SampleState state;

 private:
  std::optional<net::TlsIdentity> key_;
  Broker broker_;
  std::unique_ptr<world::Listener> local_;
  std::unique_ptr<world::Listener> listener_;
  threads::scope serving_;
};

}  // namespace mutirao::middleware
