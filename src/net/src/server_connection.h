#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "mutirao/base/result.h"
#include "mutirao/net/http_server.h"
#include "mutirao/world/world.h"

#include "buffered_stream.h"

namespace mutirao::net {

/// One connection of a server: reads a request, runs the handler, writes the answer, until one side
/// has enough.
class ServerConnection {
 public:
  ServerConnection(world::World& world, HttpServerOptions const& options,
                   HttpHandler const& handler, std::unique_ptr<world::Stream> stream,
                   ByteView read_ahead)
      : world_{world},
        options_{options},
        handler_{handler},
        stream_{std::move(stream), read_ahead} {}

  void serve();
  /// Says 503 instead.
  void refuse();
  /// Ends the connection now if it is idle, else after the request under way. From any thread.
  void end_soon() noexcept;

 private:
  /// What a request that never reaches the handler is answered.
  struct Refusal {
    int status;
    std::string text;
  };
  template <class T>
  using OrRefusal = std::expected<T, Refusal>;

  /// The next request; empty when the client is done, or gone.
  OrRefusal<std::optional<HttpServerRequest>> read_request();
  /// Waits for the first byte of a head; false when none comes.
  bool wait_for_request();
  OrRefusal<std::string> read_body(wire::HttpRequestHead const& head);
  /// Runs the handler; false when the connection is over.
  bool answer(HttpServerRequest request);
  void refuse(Refusal const& refusal);
  /// Lets the client read our last words: closing with unread input would reset the connection.
  void linger();

  world::World& world_;
  HttpServerOptions const& options_;
  HttpHandler const& handler_;
  BufferedStream stream_;
  bool first_ = true;
  enum class Phase : std::uint8_t { idle, busy, ending };
  std::atomic<Phase> phase_{Phase::busy};
};

}  // namespace mutirao::net
