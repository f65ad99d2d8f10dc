#include "mutirao/net/http_server.h"

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "server_connection.h"

namespace mutirao::net {
namespace {
constexpr int kRefusingMax = 64;  // connections that are being told 503
}  // namespace

/// Connections that are being served, so that there are never too many and all can be told to end.
struct HttpServer::State {
  world::World& world;
  HttpServerOptions options;
  HttpHandler handler;

  threads::mutex mutex;
  threads::condition_variable changed;
  std::set<ServerConnection*> connections;
  std::map<world::IpAddress, std::size_t> per_address;
  bool ending = false;
  std::atomic<int> refusing{0};

  State(world::World& w, HttpServerOptions o, HttpHandler h)
      : world{w}, options{o}, handler{std::move(h)} {}

  /// False when there are too many already.
  bool enter(ServerConnection& connection, world::IpAddress const& address) {
    std::lock_guard const lock{mutex};
    if (ending || connections.size() >= options.connections_max) return false;
    // Clients on a Unix socket have no address of their own.
    if (!address.is_unspecified() && per_address[address] >= options.connections_per_address_max)
      return false;
    connections.insert(&connection);
    ++per_address[address];
    return true;
  }
  void leave(ServerConnection& connection, world::IpAddress const& address) {
    {
      std::lock_guard const lock{mutex};
      connections.erase(&connection);
      if (auto const found = per_address.find(address); --found->second == 0)
        per_address.erase(found);
    }
    changed.notify_all();
  }

  void serve(std::unique_ptr<world::Stream> stream, ByteView read_ahead) {
    auto const address = stream->remote().address;
    ServerConnection connection{world, options, handler, std::move(stream), read_ahead};
    if (!enter(connection, address)) {
      // Politeness has its limit too.
      if (refusing.fetch_add(1) < kRefusingMax) connection.refuse();
      refusing.fetch_sub(1);
      return;
    }
    connection.serve();
    leave(connection, address);
  }

  /// Idle connections end now, the others after their request, or when the grace is over.
  void end_all() {
    std::unique_lock lock{mutex};
    ending = true;
    for (auto* const connection : connections) connection->end_soon();
    // Whatever the result, the scope of the connections stops those that are left.
    (void)changed.wait(lock, [&] { return connections.empty(); }, threads::within(options.grace));
  }
  void begin() {
    std::lock_guard const lock{mutex};
    ending = false;
  }
};

HttpServer::HttpServer(world::World& world, HttpServerOptions options, HttpHandler handler)
    : state_{std::make_shared<State>(world, options, std::move(handler))} {}
HttpServer::~HttpServer() = default;

Result<void> HttpServer::serve(world::Listener& listener) {
  auto& state = *state_;
  state.begin();
  threads::scope connections;
  while (true) {
    auto accepted = listener.accept(Deadline::never());
    if (accepted) {
      connections.spawn(
          "http connection",
          [&state, stream = std::move(*accepted)]() mutable { state.serve(std::move(stream), {}); },
          {.isolated = true});
      continue;
    }
    state.end_all();
    auto const fault = accepted.error().fault;
    if (fault == Fault::closed || fault == Fault::cancelled) return {};
    return std::unexpected{std::move(accepted).error().during(
        fmt::format("serve HTTP at {}", listener.local().to_string()))};
  }
}

void HttpServer::serve_connection(std::unique_ptr<world::Stream> stream, ByteView read_ahead) {
  state_->serve(std::move(stream), read_ahead);
}

}  // namespace mutirao::net
