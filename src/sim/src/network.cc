#include "network.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "datagram.h"
#include "listener.h"
#include "stream.h"

namespace mutirao::sim {

namespace {
world::IpAddress const kLoopbackV6 =
    world::IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});

std::unexpected<Error> out_of_ports() {
  return fail(Fault::exhausted, "the host has no free port left");
}
}  // namespace

Result<world::IpAddress> SimulatedNetwork::source_for(world::Endpoint remote,
                                                      world::ConnectOptions const& options) const {
  if (options.from) {
    if (station_.owns(*options.from)) return *options.from;
    return fail(Fault::refused,
                fmt::format("connect: {} is no address of this host", options.from->to_string()));
  }
  if (remote.address.is_unspecified())
    return remote.address.is_v4() ? world::IpAddress::loopback() : kLoopbackV6;
  if (station_.owns(remote.address)) return remote.address;
  if (auto const* const address = station_.address_like(remote.address)) return *address;
  return fail(Fault::unreachable, fmt::format("connect: no way to {}", remote.to_string()));
}

/// A chosen port may have many connections, but to different peers, and no listener.
Result<void> SimulatedNetwork::may_connect_from(world::Endpoint local,
                                                world::Endpoint remote) const {
  auto const in_use = [&](auto const& weak) {
    auto const connection = weak.lock();
    if (!connection) return false;
    for (int const side : {0, 1}) {
      if (&connection->station(side) == &station_ && connection->local(side) == local &&
          connection->remote(side) == remote && !connection->over(side))
        return true;
    }
    return false;
  };
  if (Station::in_use(station_.listeners, local) || station_.connecting.contains({local, remote}) ||
      std::ranges::any_of(station_.connections, in_use)) {
    return fail(Fault::refused,
                fmt::format("connect to {} from {}: the port is in use", remote.to_string(),
                            local.to_string()),
                "choose another port");
  }
  return {};
}

Result<std::unique_ptr<world::Stream>> SimulatedNetwork::connect(world::Endpoint to,
                                                                 world::ConnectOptions options,
                                                                 Deadline deadline) {
  if (life_->over) return crashed_host();
  if (fabric_.faults.connect_fails.fires(0.05)) {
    return std::unexpected{base::system_error(EMFILE, fmt::format("connect {}", to.to_string()))};
  }
  world::Endpoint local{MUT_TRY(source_for(to, options)), options.from_port};
  if (to.address.is_unspecified()) to.address = local.address;
  if (local.port == 0) {
    local.port = station_.free_port();
    if (local.port == 0) return out_of_ports();
  } else {
    MUT_TRY(may_connect_from(local, to));
  }
  auto const handshake = std::make_shared<Handshake>(fabric_, station_, local, to);
  std::erase_if(handshakes_, [](auto const& other) { return other.expired(); });
  handshakes_.push_back(handshake);
  if (options.from_port != 0) station_.connecting.emplace(std::pair{local, to}, handshake.get());
  auto outcome = handshake->run(deadline);
  if (options.from_port != 0) station_.connecting.erase({local, to});
  auto [connection, side] = MUT_TRY(std::move(outcome));
  return std::make_unique<SimulatedStream>(std::move(connection), side);
}

template <class Value>
Result<world::Endpoint> SimulatedNetwork::claim(std::map<world::Endpoint, Value> const& table,
                                                world::Endpoint at) {
  if (life_->over) return crashed_host();
  if (!at.address.is_unspecified() && !station_.owns(at.address)) {
    return fail(Fault::refused,
                fmt::format("{} is no address of this host", at.address.to_string()));
  }
  if (at.port == 0) {
    at.port = station_.free_port();
    if (at.port == 0) return out_of_ports();
  } else if (Station::in_use(table, at)) {
    return fail(Fault::refused, fmt::format("{} is in use", at.to_string()), "choose another port");
  }
  return at;
}

Result<std::unique_ptr<world::Listener>> SimulatedNetwork::listen(world::Endpoint at) {
  auto const local = MUT_TRY(claim(station_.listeners, at));
  auto state = std::make_shared<ListenerState>();
  state->local = local;
  station_.listeners.emplace(local, state);
  return std::make_unique<SimulatedListener>(fabric_, station_, std::move(state));
}

Result<std::unique_ptr<world::DatagramSocket>> SimulatedNetwork::bind_datagram(world::Endpoint at) {
  auto const local = MUT_TRY(claim(station_.datagram_sockets, at));
  auto state = std::make_shared<DatagramState>();
  state->local = local;
  station_.datagram_sockets.emplace(local, state);
  return std::make_unique<SimulatedDatagramSocket>(fabric_, station_, std::move(state));
}

Result<std::vector<world::IpAddress>> SimulatedNetwork::resolve(std::string_view host, Deadline) {
  if (life_->over) return crashed_host();
  if (auto const literal = world::IpAddress::parse(host)) return std::vector{*literal};
  if (host == "localhost") return std::vector{world::IpAddress::loopback()};
  if (fabric_.faults.resolve_fails.fires(0.25)) {
    return fail(Fault::unreachable, fmt::format("no name server answered for {}", host));
  }
  if (auto const* const station = fabric_.find(host)) return station->addresses;
  return fail(Fault::not_found, fmt::format("no host is called {}", host));
}

Result<std::vector<world::IpAddress>> SimulatedNetwork::local_addresses() {
  if (life_->over) return crashed_host();
  std::vector addresses{world::IpAddress::loopback()};
  addresses.insert(addresses.end(), station_.addresses.begin(), station_.addresses.end());
  return addresses;
}

Result<std::unique_ptr<world::Stream>> SimulatedNetwork::connect_local(std::string_view path,
                                                                       Deadline) {
  if (life_->over) return crashed_host();
  auto const found = station_.local_listeners.find(path);
  if (found == station_.local_listeners.end()) {
    return std::unexpected{base::system_error(ENOENT, fmt::format("connect {}", path))};
  }
  if (found->second->pending.size() >= fabric_.options.accept_backlog) {
    return std::unexpected{base::system_error(EAGAIN, fmt::format("connect {}", path))};
  }
  Connection::Place const here{&station_, {}, {}};
  auto connection = std::make_shared<Connection>(fabric_, here, here);
  station_.remember(connection);
  fabric_.note(TraceEvent::connected, station_);
  found->second->offer(connection);
  return std::make_unique<SimulatedStream>(std::move(connection), 0);
}

Result<std::unique_ptr<world::Listener>> SimulatedNetwork::listen_local(std::string_view path) {
  if (life_->over) return crashed_host();
  auto state = std::make_shared<ListenerState>();
  state->local_path = path;
  if (!station_.local_listeners.emplace(path, state).second) {
    return fail(Fault::refused, fmt::format("{} is in use", path));
  }
  return std::make_unique<SimulatedListener>(fabric_, station_, std::move(state));
}

void SimulatedNetwork::crash(bool reset_streams) {
  for (auto const& weak : std::exchange(handshakes_, {})) {
    if (auto const handshake = weak.lock()) handshake->crash();
  }
  for (auto const& [at, listener] : std::exchange(station_.listeners, {})) listener->crash();
  for (auto const& [path, listener] : std::exchange(station_.local_listeners, {}))
    listener->crash();
  for (auto const& [at, socket] : std::exchange(station_.datagram_sockets, {})) socket->crash();
  for (auto const& weak : std::exchange(station_.connections, {})) {
    auto const connection = weak.lock();
    if (!connection) continue;
    for (int const side : {0, 1}) {
      if (&connection->station(side) == &station_) connection->crash(side, reset_streams);
    }
  }
  station_.uplink.clear();
}

}  // namespace mutirao::sim
