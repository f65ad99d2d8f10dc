#include "connection/peer_route.h"

#include <fmt/format.h>

#include "mutirao/net/tls_stream.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

namespace {
constexpr Duration kConnectMax = std::chrono::seconds{10};
constexpr std::string_view kTls = "tls://";

/// "host:port", "[v6]:port", or a path.
Result<std::unique_ptr<world::Stream>> open_plain(world::World& world, std::string const& address,
                                                  Deadline deadline) {
  auto& network = world.network();
  if (address.starts_with('/')) return network.connect_local(address, deadline);
  if (auto const endpoint = world::Endpoint::parse(address))
    return network.connect(*endpoint, {}, deadline);
  auto const colon = address.rfind(':');
  auto const port = colon == std::string::npos
                        ? std::nullopt
                        : world::Endpoint::parse("0.0.0.0" + address.substr(colon));
  if (!port)
    return fail(Fault::invalid, fmt::format("{} is no address of a node", address),
                "such as 10.0.0.3:7000, or the path of a socket");
  auto const addresses = MUT_TRY(network.resolve(address.substr(0, colon), deadline));
  Result<std::unique_ptr<world::Stream>> stream =
      fail(Fault::unreachable, fmt::format("{} has no address", address));
  for (auto const& each : addresses) {
    stream = network.connect({each, port->port}, {}, deadline);
    if (stream) break;
  }
  return stream;
}

/// Behind kTls: "[fingerprint@]address".
Result<std::unique_ptr<world::Stream>> open_tls(world::World& world, std::string const& place,
                                                std::optional<net::TlsIdentity> const& identity,
                                                Deadline deadline) {
  net::TlsOptions options;
  auto const at = place.find('@');
  if (at != std::string::npos) {
    options.expected = net::PublicKey::parse(place.substr(0, at));
    if (!options.expected)
      return fail(Fault::invalid, fmt::format("{} is no key of a node", place.substr(0, at)),
                  "such as ed25519:..., as the node tells it");
  }
  auto stream =
      MUT_TRY(open_plain(world, place.substr(at == std::string::npos ? 0 : at + 1), deadline));
  auto const& ours = identity ? *identity : net::TlsIdentity::make(world.entropy());
  return MUT_TRY(net::tls_connect(std::move(stream), ours, options, deadline));
}

Result<std::unique_ptr<world::Stream>> open_stream(world::World& world, std::string const& address,
                                                   std::optional<net::TlsIdentity> const& identity,
                                                   Deadline deadline) {
  if (!address.starts_with(kTls)) return open_plain(world, address, deadline);
  return open_tls(world, address.substr(kTls.size()), identity, deadline);
}
}  // namespace

PeerRoute::PeerRoute(Parts parts, std::string address)
    : parts_{std::move(parts)}, address_{std::move(address)} {}

Reply PeerRoute::send(Call& call) {
  auto const way = connection(call.deadline);
  if (!way) return call.fail(Failure{way.error(), Executed::no, Retry::elsewhere, {}, {}});
  return (*way)->send(call);
}

Result<std::shared_ptr<Connection>> PeerRoute::connection(Deadline deadline) {
  std::unique_lock lock{mutex_};
  if (connection_ != nullptr && !connection_->closed()) [[likely]]
    return connection_;
  MUT_TRY(settled_.wait(lock, [&] { return !connecting_; }, deadline));
  if (connection_ != nullptr && !connection_->closed()) return connection_;
  connecting_ = true;
  lock.unlock();
  Result<std::shared_ptr<Connection>> made;
  try {
    made = connect(earlier(deadline, threads::within(kConnectMax)));
  } catch (...) {  // others wait for the outcome
    made = std::unexpected{threads::detail::escaped_exception()};
  }
  lock.lock();
  connecting_ = false;
  if (made) connection_ = *made;
  lock.unlock();
  settled_.notify_all();
  return made;
}

Result<std::shared_ptr<Connection>> PeerRoute::connect(Deadline deadline) {
  auto stream = open_stream(parts_.world, address_, parts_.identity, deadline);
  if (!stream) {
    auto why = std::move(stream).error().during(fmt::format("cannot reach {}", address_));
    if (why.fault == Fault::not_found || why.fault == Fault::refused || why.fault == Fault::closed)
      why.fault = Fault::unreachable;
    return std::unexpected{std::move(why)};
  }
  auto connection =
      std::make_shared<Connection>(*std::move(stream), &parts_.dispatcher, parts_.options);
  parts_.connections.spawn("connection", [connection] { static_cast<void>(connection->serve({})); },
                           {.isolated = true});
  return connection;
}

}  // namespace mutirao::middleware
