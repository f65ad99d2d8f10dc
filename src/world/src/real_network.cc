#include "real_network.h"

#include <algorithm>
#include <cerrno>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>

#include <fmt/format.h>

#include "mutirao/threads/blocking.h"

#include "real_socket.h"
#include "socket_address.h"

namespace mutirao::world {

namespace {
constexpr int kBacklog = 1024;

Result<Descriptor> make_socket(int family, int type, std::string_view step) {
  Descriptor socket{::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!socket) return system_failure(step);
  int const on = 1;
  // IPv4 has a socket of its own, so that both families can listen on the same port.
  if (family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  return socket;
}

Result<void> bind_to(Descriptor const& socket, Endpoint at, std::string_view step) {
  SocketAddress const address{at};
  if (::bind(socket.get(), address.get(), address.size) == 0) return {};
  int const error = threads::last_error_number();
  auto failed = system_failure(error, step);
  if (error == EACCES && at.port < 1024) {
    failed.error().mend = "ports below 1024 need privileges: choose a higher one";
  }
  return failed;
}
}  // namespace

Result<std::unique_ptr<Stream>> RealNetwork::connect(Endpoint to, ConnectOptions options,
                                                     Deadline deadline) {
  auto name = to.to_string();
  auto const step = fmt::format("connect to {}", name);
  SocketAddress const address{to};
  auto socket = MUT_TRY(make_socket(address.family(), SOCK_STREAM, step));
  if (options.from || options.from_port != 0) {
    int const on = 1;
    if (options.from_port != 0) {
      ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    } else {
      // Or a port would be used up for each connection, also to different peers.
      ::setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    }
    auto const any = to.address.is_v4() ? IpAddress::any() : IpAddress::v6({});
    Endpoint const source{options.from.value_or(any), options.from_port};
    MUT_TRY(
        bind_to(socket, source, fmt::format("connect to {} from {}", name, source.to_string())));
  }
  if (::connect(socket.get(), address.get(), address.size) != 0) {
    int const error = threads::last_error_number();
    if (error != EINPROGRESS && error != EINTR) return system_failure(error, step);
  }
  auto stream = MUT_TRY(finish_connect(std::move(socket), std::move(name), to, deadline));
  // A connection to a free port of this host can meet itself (RFC 9293 3.5, simultaneous open).
  if (stream->local() == to) return system_failure(ECONNREFUSED, step);
  return stream;
}

Result<std::unique_ptr<Listener>> RealNetwork::listen(Endpoint at) {
  auto name = at.to_string();
  auto const step = fmt::format("listen on {}", name);
  auto socket = MUT_TRY(make_socket(SocketAddress{at}.family(), SOCK_STREAM, step));
  int const on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  MUT_TRY(bind_to(socket, at, step));
  if (::listen(socket.get(), kBacklog) != 0) return system_failure(step);
  return make_real_listener(std::move(socket), std::move(name), {});
}

Result<std::unique_ptr<DatagramSocket>> RealNetwork::bind_datagram(Endpoint at) {
  auto name = at.to_string();
  auto const step = fmt::format("receive datagrams on {}", name);
  auto socket = MUT_TRY(make_socket(SocketAddress{at}.family(), SOCK_DGRAM, step));
  MUT_TRY(bind_to(socket, at, step));
  return make_real_datagram_socket(std::move(socket), std::move(name));
}

Result<std::vector<IpAddress>> RealNetwork::resolve(std::string_view host, Deadline deadline) {
  return resolver_.resolve(host, deadline);
}

Result<std::vector<IpAddress>> RealNetwork::local_addresses() {
  ifaddrs* first = nullptr;
  if (threads::blocking([&] { return ::getifaddrs(&first); }) != 0)
    return system_failure("list the addresses of this host");
  auto const free_list = [](ifaddrs* list) { ::freeifaddrs(list); };
  std::unique_ptr<ifaddrs, decltype(free_list)> const list{first, free_list};
  std::set<IpAddress> addresses;
  for (auto const* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_UP) == 0) continue;
    int const family = each->ifa_addr->sa_family;
    if (family == AF_INET || family == AF_INET6)
      addresses.insert(endpoint_of(each->ifa_addr).address);
  }
  return std::vector(addresses.begin(), addresses.end());
}

}  // namespace mutirao::world
