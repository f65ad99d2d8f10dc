#include "mutirao/middleware/broker.h"

#include <array>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/middleware/gateway.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/net/http_server.h"
#include "mutirao/net/tls_stream.h"
#include "mutirao/threads/cancel_region.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

#include "connection/connection.h"
#include "connection/dispatcher.h"
#include "connection/peer_route.h"
#include "gateways/msgpack_rpc.h"
#include "turn_away.h"

namespace mutirao::middleware {

namespace {
constexpr std::size_t kTurnedAwayMax = 64;  // who are told so at once; others learn it from the end
constexpr std::uint8_t kTlsHandshake = 0x16;  // RFC 8446 5.1
constexpr Duration kTlsHandshakeMax = std::chrono::seconds{10};
constexpr std::string_view kKnownKey = "tls://ed25519:";
constexpr Duration kFirstByteTimeout = std::chrono::seconds{10};

/// An array of three or four, in each way to write one.
bool speaks_msgpack_rpc(std::uint8_t first) noexcept {
  return first == 0x93 || first == 0x94 || first == 0xdc || first == 0xdd;
}

/// Whether nobody else can read or alter what goes to that address.
bool is_private(std::string_view address) noexcept {
  return address.starts_with('/') || address.starts_with(kKnownKey);
}

/// Gives room back.
class Release {
 public:
  explicit Release(threads::semaphore& room) noexcept : room_{room} {}
  ~Release() { room_.release(); }
  Release(Release const&) = delete;
  Release& operator=(Release const&) = delete;

 private:
  threads::semaphore& room_;
};

Error full(std::size_t connections_max) {
  return {Fault::exhausted,
          fmt::format("there are {} connections, and no room for more", connections_max),
          "try again later, or end some that are not needed"};
}

Error only_tls() {
  return {Fault::refused, "this port takes nothing but TLS",
          "mutirao --at HOST:PORT, or an address that begins with tls://"};
}

/// A stream that somebody else may close, also when it is about to be gone here.
class SharedStream final : public world::Stream {
 public:
  explicit SharedStream(std::shared_ptr<world::Stream> stream) noexcept
      : stream_{std::move(stream)} {}
  ~SharedStream() override { stream_->close(); }
  using world::Stream::read_some;
  using world::Stream::write_all;
  Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline deadline) override {
    return stream_->read_some(into, deadline);
  }
  Result<void> write_all(std::span<ByteView const> from, Deadline deadline) override {
    return stream_->write_all(from, deadline);
  }
  void finish_writing() noexcept override { stream_->finish_writing(); }
  void close() noexcept override { stream_->close(); }
  [[nodiscard]] world::Endpoint local() const override { return stream_->local(); }
  [[nodiscard]] world::Endpoint remote() const override { return stream_->remote(); }

 private:
  std::shared_ptr<world::Stream> stream_;
};

/// The end of the chain of those who call.
class Depart final : public Interceptor {
 public:
  Reply intercept(Call& call, Next /*nobody*/) override { return call.target->route->send(call); }
};

/// To an object of this program: the same rules as over a wire.
class LocalRoute final : public Route {
 public:
  explicit LocalRoute(ObjectAdapter& adapter) noexcept : adapter_{adapter} {}
  Reply send(Call& call) override {
    if (!call.deadline.is_never() && call.deadline.passed(threads::now()))
      return call.fail(not_executed(Fault::timed_out, "the call's time was over before it began"));
    threads::cancel_region const region{call.deadline};
    return adapter_.execute(call);
  }
  [[nodiscard]] std::string where() const override { return "here"; }

 private:
  ObjectAdapter& adapter_;
};
}  // namespace

Reply send(Call& call) {
  auto const& target = *call.target;
  if (target.chain == nullptr) return target.route->send(call);
  return (*target.chain)(call);
}

struct Broker::State {
  world::World& world;
  BrokerOptions options;
  ObjectAdapter objects;
  std::shared_ptr<Interceptor> last = std::make_shared<Depart>();
  std::shared_ptr<LiveChain> chain = std::make_shared<LiveChain>(*Chain::make({}, last));
  std::shared_ptr<MessageChain> messages = std::make_shared<MessageChain>();
  std::shared_ptr<Route> here = std::make_shared<LocalRoute>(objects);
  Dispatcher dispatcher;
  Gateway gateway;
  net::HttpServer http;
  threads::mutex mutex;
  std::map<std::string, std::shared_ptr<PeerRoute>, std::less<>> peers;
  std::multimap<net::PublicKey, std::shared_ptr<world::Stream>> inside_tls;  // of those who came
  threads::scope connections;

  State(world::World& w, BrokerOptions o)
      : world{w},
        options{std::move(o)},
        dispatcher{objects, {.threads_max = options.threads_max}},
        gateway{objects, {.name = options.name}},
        http{world,
             {.body_bytes_max = kMessageBytesMax},
             [this](auto const& request, auto& responder) {
               return gateway.handle(request, responder);
             }} {}
  [[nodiscard]] std::shared_ptr<MessageChain> messages_on(bool private_way) const {
    return private_way ? messages->where_private() : messages;
  }
  /// How somebody came to us.
  struct Way {
    std::string caller;       ///< as interceptors know it
    bool is_private = false;  ///< nobody else can read or alter what goes there
    bool in_tls = false;
    bool tls_only = false;
  };
  void serve(std::unique_ptr<world::Stream> stream, ByteView read_ahead, Way way);
  void serve_tls(std::unique_ptr<world::Stream> stream, ByteView read_ahead);
  /// What is being executed may call others until it has ended: over `connections`, to `peers`.
  ~State() { dispatcher.stop(); }
};

Broker::Broker(world::World& world, BrokerOptions options)
    : state_{std::make_unique<State>(world, std::move(options))} {}
Broker::~Broker() = default;

ObjectAdapter& Broker::objects() noexcept { return state_->objects; }
LiveChain& Broker::chain() noexcept { return *state_->chain; }
MessageChain& Broker::messages() noexcept { return *state_->messages; }
std::shared_ptr<Interceptor> const& Broker::last() const noexcept { return state_->last; }
std::shared_ptr<Route> const& Broker::here() const noexcept { return state_->here; }

Target Broker::target(std::string object, std::shared_ptr<Route> route) const {
  Target target;
  target.object = std::move(object);
  target.chain = state_->chain;
  target.route = std::move(route);
  return target;
}

Result<std::shared_ptr<Route>> Broker::route_to(std::string_view address) {
  if (address.empty())
    return fail(Fault::invalid, "the address of a node is empty", "such as 10.0.0.3:7000");
  std::lock_guard const lock{state_->mutex};
  auto found = state_->peers.find(address);
  if (found == state_->peers.end()) {
    PeerRoute::Parts parts{state_->world,
                           state_->dispatcher,
                           state_->connections,
                           {.node = state_->options.name,
                            .caller = std::string{address},
                            .opened = true,
                            .write_timeout = state_->options.write_timeout,
                            .messages = state_->messages_on(is_private(address))},
                           state_->options.identity};
    found =
        state_->peers
            .emplace(address, std::make_shared<PeerRoute>(std::move(parts), std::string{address}))
            .first;
  }
  return found->second;
}

Result<Target> Broker::find_target(std::string_view name) {
  auto const at = name.find('@');
  auto const object = name.substr(0, at);
  if (object.empty())
    return fail(Fault::invalid, fmt::format("{} names no object", name),
                "such as counter@10.0.0.3:7000");
  if (at == std::string_view::npos) return target(std::string{object}, state_->here);
  return target(std::string{object}, MUT_TRY(route_to(name.substr(at + 1))));
}

Result<ObjectReference> Broker::reference_to(std::string_view object,
                                             std::string capability) const {
  auto const listed = MUT_TRY(state_->objects.find(object));
  return ObjectReference{.object = listed.name,
                         .type = std::string{listed.interface->name},
                         .epoch = listed.epoch,
                         .capability = std::move(capability),
                         .routes = state_->options.addresses};
}

Result<Target> Broker::find_target(ObjectReference const& reference, std::string_view type,
                                   std::shared_ptr<Route> came_by) {
  if (reference.object.empty() || reference.routes.size() > ObjectReference::kRoutesMax)
    return fail(Fault::invalid, "a reference names an object, and a few ways to it");
  if (reference.type != type)
    return fail(Fault::invalid,
                fmt::format("{} is a {}, not a {}", reference.object, reference.type, type));
  auto target = this->target(reference.object, came_by != nullptr ? came_by : state_->here);
  if (!reference.routes.empty()) target.route = MUT_TRY(route_to(reference.routes[0]));
  for (std::size_t i = 1; i < reference.routes.size(); ++i)
    target.replicas.push_back(MUT_TRY(route_to(reference.routes[i])));
  target.type = reference.type;
  target.epoch = reference.epoch;
  target.capability = reference.capability;
  return target;
}

Result<void> Broker::serve(world::Listener& listener, ServeOptions options) {
  auto const connections_max = options.connections_max.value_or(state_->options.connections_max);
  threads::semaphore room{connections_max};
  threads::semaphore room_to_refuse{kTurnedAwayMax};
  threads::scope connections;
  for (;;) {
    auto stream = listener.accept(Deadline::never());
    if (!stream) {
      if (stream.error().fault == Fault::closed) return {};
      return std::unexpected{std::move(stream).error()};
    }
    bool const taken = room.try_acquire();
    if (!taken && !room_to_refuse.try_acquire()) continue;
    connections.spawn("connection",
                      [this, stream = *std::move(stream), taken, &room, &room_to_refuse,
                       connections_max, tls_only = options.tls_only]() mutable {
                        Release const after{taken ? room : room_to_refuse};
                        if (!taken) return turn_away(*stream, full(connections_max));
                        // A Unix socket has no address at its other end.
                        auto const remote = stream->remote();
                        bool const local = remote == world::Endpoint{};
                        state_->serve(
                            std::move(stream), {},
                            {.caller = local ? std::string{kLocalCaller} : remote.to_string(),
                             .is_private = local,
                             .tls_only = tls_only});
                      },
                      {.isolated = true});
  }
}

void Broker::end_connections_of(net::PublicKey const& key) {
  std::vector<std::shared_ptr<world::Stream>> theirs;
  {
    std::lock_guard const lock{state_->mutex};
    auto const [first, last] = state_->inside_tls.equal_range(key);
    for (auto each = first; each != last; ++each) theirs.push_back(each->second);
  }
  for (auto const& each : theirs) each->close();
}

void Broker::serve_connection(std::unique_ptr<world::Stream> stream, ByteView read_ahead,
                              std::string caller) {
  state_->serve(std::move(stream), read_ahead, {.caller = std::move(caller)});
}

void Broker::State::serve(std::unique_ptr<world::Stream> stream, ByteView read_ahead, Way way) {
  std::array<std::uint8_t, 512> first;
  if (read_ahead.empty()) {
    auto const count = stream->read_some(first, threads::within(kFirstByteTimeout));
    if (!count || *count == 0) return;
    read_ahead = ByteView{first}.first(*count);
  }
  if (read_ahead[0] == kTlsHandshake && options.identity && !way.in_tls)
    return serve_tls(std::move(stream), read_ahead);
  if (way.tls_only) return turn_away(*stream, read_ahead, only_tls());
  auto const messages_here = messages_on(way.is_private);
  // Other protocols know nothing of what may have to be done to messages.
  if (read_ahead[0] != kPreface[0] && messages_here->required()) return;
  if (speaks_msgpack_rpc(read_ahead[0])) {
    static_cast<void>(serve_msgpack_rpc(objects, *stream, read_ahead, way.caller));
    return;
  }
  if (read_ahead[0] != kPreface[0]) return http.serve_connection(std::move(stream), read_ahead);
  auto const connection =
      std::make_shared<Connection>(std::move(stream), &dispatcher,
                                   Connection::Options{.node = options.name,
                                                       .caller = std::move(way.caller),
                                                       .write_timeout = options.write_timeout,
                                                       .messages = messages_here});
  static_cast<void>(connection->serve(read_ahead));
}

void Broker::State::serve_tls(std::unique_ptr<world::Stream> stream, ByteView read_ahead) {
  auto inside = net::tls_accept(std::move(stream), *options.identity,
                                {.accepts = options.accepts, .read_ahead = read_ahead},
                                threads::within(kTlsHandshakeMax));
  if (!inside) return;
  auto const key = (*inside)->peer_key();
  std::shared_ptr<world::Stream> const shared{*std::move(inside)};
  struct Registered {
    State& state;
    decltype(inside_tls)::iterator place;
    ~Registered() {
      std::lock_guard const lock{state.mutex};
      state.inside_tls.erase(place);
    }
  } const registered{*this, [&] {
                       std::lock_guard const lock{mutex};
                       return inside_tls.emplace(key, shared);
                     }()};
  // Whoever may come in without being known has to show the key of messages, if there is one.
  bool const known = options.accepts != nullptr;
  // Perhaps it was taken from those who may come in before its stream could be ended.
  if (!known || options.accepts(key))
    serve(std::make_unique<SharedStream>(shared), {},
          {.caller = key.fingerprint(), .is_private = known, .in_tls = true});
}

}  // namespace mutirao::middleware
