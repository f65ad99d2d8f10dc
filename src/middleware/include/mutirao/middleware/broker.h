#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mutirao/base/result.h"
#include "mutirao/middleware/chain.h"
#include "mutirao/middleware/message_interceptor.h"
#include "mutirao/middleware/object_adapter.h"
#include "mutirao/middleware/object_reference.h"
#include "mutirao/middleware/reference.h"
#include "mutirao/middleware/servant.h"
#include "mutirao/net/tls_identity.h"
#include "mutirao/world/world.h"

namespace mutirao::middleware {

struct BrokerOptions {
  std::string name = "node";             ///< what others see of it
  std::size_t threads_max = 10'000;      ///< calls of others that run at once
  std::size_t connections_max = 10'000;  ///< by each listener; one more is told so, and ended
  /// A peer that takes nothing for so long is gone.
  Duration write_timeout = std::chrono::seconds{30};
  /// Who this node is, when it speaks TLS. Without one it takes no TLS connections, and shows those
  /// that it calls by TLS a key made for the purpose.
  std::optional<net::TlsIdentity> identity{};
  /// Where others reach it, the best first: what references to its objects say.
  std::vector<std::string> addresses{};
  /// Whose TLS connections it takes; empty: all. Interceptors know them by their fingerprints.
  std::function<bool(net::PublicKey const&)> accepts{};
};

/// How one listener takes connections.
struct ServeOptions {
  bool tls_only = false;                         ///< what comes without TLS is told so, and ended
  std::optional<std::size_t> connections_max{};  ///< absent: as BrokerOptions has it
};

/// The object request broker of a node: offers its objects, and reaches those of others.
///
///   Broker broker{world};
///   broker.objects().add("counter", servant<Counter>(...));
///   broker.serve(*listener);                                   // a thread of its own
///
///   auto counter = broker.find<Counter>("counter@10.0.0.3:7000", deadline);
///   counter->add(5);
///
/// One port speaks the protocol of Mutirão nodes, msgpack-rpc, and HTTP with JSON, each also inside
/// TLS; the first byte tells them apart. Made and destroyed on one user thread; any number of
/// threads may use it.
class Broker {
 public:
  explicit Broker(world::World& world, BrokerOptions options = {});
  ~Broker();  ///< ends all connections, and waits for the calls of others that are under way

  [[nodiscard]] ObjectAdapter& objects() noexcept;
  /// What calls of this node pass before they go their way.
  [[nodiscard]] LiveChain& chain() noexcept;
  [[nodiscard]] std::shared_ptr<Interceptor> const& last() const noexcept;
  /// What messages of all connections pass; where nobody else can read them, without encryption.
  [[nodiscard]] MessageChain& messages() noexcept;

  /// Serves whoever connects, until the thread is asked to stop or the listener is closed.
  Result<void> serve(world::Listener& listener, ServeOptions options = {});
  /// Ends the TLS connections of somebody whom BrokerOptions::accepts takes no more.
  void end_connections_of(net::PublicKey const& key);
  /// One connection whose first bytes somebody has read already; returns when it ends.
  void serve_connection(std::unique_ptr<world::Stream> stream, ByteView read_ahead,
                        std::string caller);

  /// The way to another node: "10.0.0.3:7000", "[::1]:7000", "localhost:7000", the path of a Unix
  /// socket, or by TLS "tls://10.0.0.3:7000", "tls://ed25519:KEY@10.0.0.3:7000" (and only if it has
  /// that key). Connects when it is first needed, and again when the connection was lost; one
  /// connection is used by all.
  [[nodiscard]] Result<std::shared_ptr<Route>> route_to(std::string_view address);
  /// The way to the objects of this node.
  [[nodiscard]] std::shared_ptr<Route> const& here() const noexcept;

  [[nodiscard]] Target target(std::string object, std::shared_ptr<Route> route) const;

  /// A reference by a name such as "counter@10.0.0.3:7000"; without a place, to an object of this
  /// node. Nothing is asked of the other node yet.
  template <class I>
  [[nodiscard]] Result<Ref<I>> find(std::string_view name) {
    auto found = MUT_TRY(find_target(name));
    found.type = I::kType;
    return Ref<I>{std::move(found)};
  }
  [[nodiscard]] Result<Target> find_target(std::string_view name);

  /// An object of this node, to be given out; with its capability if it has one.
  [[nodiscard]] Result<ObjectReference> reference_to(std::string_view object,
                                                     std::string capability = {}) const;
  /// What somebody gave out. `came_by` is the way by which the reference came, and is used when the
  /// reference names none; absent: it is of this node. When the first way is closed, the
  /// interceptor that calls again takes the others.
  template <class I>
  [[nodiscard]] Result<Ref<I>> find(ObjectReference const& reference,
                                    std::shared_ptr<Route> came_by = nullptr) {
    return Ref<I>{MUT_TRY(find_target(reference, I::kType, std::move(came_by)))};
  }
  [[nodiscard]] Result<Target> find_target(ObjectReference const& reference, std::string_view type,
                                           std::shared_ptr<Route> came_by);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::middleware
