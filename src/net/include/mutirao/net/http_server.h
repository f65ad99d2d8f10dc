#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/wire/http.h"
#include "mutirao/world/world.h"

namespace mutirao::net {

struct HttpServerOptions {
  std::size_t connections_max = 1024;  ///< one more is answered 503 and closed
  std::size_t connections_per_address_max = 256;
  std::uint64_t body_bytes_max = 1 << 20;
  Duration head_timeout = std::chrono::seconds{10};  ///< a slow-loris client is gone after that
  Duration idle_timeout = std::chrono::seconds{60};
  Duration write_timeout = std::chrono::seconds{30};  ///< for each 128 KiB
  /// How long requests under way may go on after the listener was closed. A stop request ends them
  /// at once.
  Duration grace = std::chrono::seconds{5};
};

/// What a handler gets: a request that was read whole and found sound. The method of HEAD is GET.
struct HttpServerRequest {
  wire::HttpRequestHead head;
  wire::HttpTarget target;
  std::string body;
  world::Endpoint remote;
};

/// Where a handler writes its answer; exactly one head, then the body. Length, framing and date are
/// the server's to say; a field that would break the message is refused with Fault::invalid.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;
  /// A complete answer.
  virtual Result<void> send(int status, wire::HttpFields fields, std::string_view body) = 0;
  /// An answer of known length, whose body follows by write().
  virtual Result<void> begin(int status, wire::HttpFields fields, std::uint64_t length) = 0;
  /// An answer of unknown length, chunked: event streams. Each write() goes out at once.
  virtual Result<void> begin_chunked(int status, wire::HttpFields fields) = 0;
  /// Fails with closed once the client is gone, and at once when the request was HEAD, so that a
  /// handler that returns the error never reads a file that nobody wants.
  virtual Result<void> write(ByteView part) = 0;
  /// True when the client has gone away: for long streams.
  [[nodiscard]] virtual bool client_gone() const = 0;
};

using HttpHandler = std::function<Result<void>(HttpServerRequest const&, HttpResponder&)>;

/// Serves HTTP/1.1 on one listener, a user thread for each connection. HEAD is answered by running
/// GET without its body. A handler that fails before its head gets a 500 with the error's text;
/// after it, the connection is closed so that the client notices. Requests that are broken or
/// beyond a limit are answered with what is wrong with them (400, 408, 413, 417, 431, 501, 505) and
/// never reach the handler. The handler runs on the connection's thread, one request of a
/// connection at a time.
class HttpServer {
 public:
  HttpServer(world::World& world, HttpServerOptions options, HttpHandler handler);
  ~HttpServer();

  /// Serves until the thread is asked to stop or the listener is closed, then ends its connections.
  Result<void> serve(world::Listener& listener);

  /// Serves one connection whose first bytes somebody else has read already (`read_ahead`): lets
  /// one port speak several protocols.
  void serve_connection(std::unique_ptr<world::Stream> stream, ByteView read_ahead);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace mutirao::net
