#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "mutirao/net/http_client.h"
#include "mutirao/net/http_server.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/world.h"

/// Peers for the tests of net: a simulated pair of hosts, and servers and clients that say exactly
/// what the test wants, however wrong.
namespace mutirao::net::test {

inline constexpr std::uint16_t kPort = 80;

struct Pair {
  world::World& server;
  world::World& client;
  world::IpAddress server_address;
  threads::scope& scope;  ///< ends with the test
};

/// Runs `body` on a user thread of a simulation with two hosts, "server" and "client".
inline void simulate(std::function<void(Pair const&)> const& body) {
  sim::Simulation simulation{{.seed = 7}};
  auto& server = simulation.add_host("server");
  auto& client = simulation.add_host("client");
  simulation.run([&](sim::Simulation&) {
    threads::scope scope;
    body({.server = server.world(),
          .client = client.world(),
          .server_address = server.address(),
          .scope = scope});
  });
}

/// Ends all threads of a scope before the variables go that they use: declare it after those.
class Ending {
 public:
  explicit Ending(threads::scope& scope) : scope_{scope} {}
  ~Ending() {
    scope_.request_stop();
    (void)scope_.join();
  }
  Ending(Ending const&) = delete;
  Ending& operator=(Ending const&) = delete;

 private:
  threads::scope& scope_;
};

/// Listens on `world` and hands each connection with its number to `script`, one at a time.
[[nodiscard]] inline Ending serve_script(world::World& world, threads::scope& scope,
                                         std::function<void(world::Stream&, int)> script,
                                         std::uint16_t port = kPort) {
  auto listener = world.network().listen({.address = world::IpAddress::any(), .port = port});
  EXPECT_TRUE(listener) << listener.error().what;
  scope.spawn("scripted server",
              [listener = std::shared_ptr{*std::move(listener)}, script = std::move(script)] {
                for (int number = 0;; ++number) {
                  auto stream = listener->accept(Deadline::never());
                  if (!stream) return;
                  script(**stream, number);
                }
              });
  return Ending{scope};
}

/// The bytes up to and with the first empty line; what was read when the stream ended first.
inline std::string read_head(world::Stream& stream) {
  std::string text;
  std::uint8_t byte;
  while (!text.ends_with("\r\n\r\n")) {
    auto const count = stream.read_some(MutableBytes{&byte, 1}, Deadline::never());
    if (!count || *count == 0) break;
    text += static_cast<char>(byte);
  }
  return text;
}

inline std::string read_all(world::Stream& stream) {
  std::string text;
  Bytes buffer(4096);
  while (true) {
    auto const count = stream.read_some(buffer, Deadline::never());
    if (!count || *count == 0) return text;
    text += base::text_of(ByteView{buffer}.first(*count));
  }
}

inline void say(world::Stream& stream, std::string_view text) {
  (void)stream.write_all(text, Deadline::never());
}

inline std::string ok(std::string_view body, std::string_view fields = {}) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string{fields} + "\r\n" + std::string{body};
}

inline HttpRequest get(std::string_view url) {
  auto parsed = wire::Url::parse(url);
  EXPECT_TRUE(parsed) << url;
  return {.method = "GET", .url = *std::move(parsed), .fields = {}, .body = {}};
}

}  // namespace mutirao::net::test
