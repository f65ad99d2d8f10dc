#include "socket_address.h"

#include <cstring>
#include <netinet/in.h>

namespace mutirao::world {

SocketAddress::SocketAddress(Endpoint const& endpoint) noexcept {
  auto const bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    size = sizeof(sockaddr_in);
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
    size = sizeof(sockaddr_in6);
  }
}

Endpoint SocketAddress::endpoint() const noexcept { return endpoint_of(get()); }

Endpoint endpoint_of(sockaddr const* address) noexcept {
  std::array<std::uint8_t, 16> bytes{};
  if (address->sa_family == AF_INET) {
    auto const& v4 = *reinterpret_cast<sockaddr_in const*>(address);
    std::memcpy(bytes.data(), &v4.sin_addr, 4);
    return {*IpAddress::from_bytes(ByteView{bytes}.first(4)), ntohs(v4.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    auto const& v6 = *reinterpret_cast<sockaddr_in6 const*>(address);
    std::memcpy(bytes.data(), &v6.sin6_addr, 16);
    return {*IpAddress::from_bytes(bytes), ntohs(v6.sin6_port)};
  }
  return {};
}

Endpoint local_endpoint(int socket) noexcept {
  SocketAddress address;
  if (getsockname(socket, address.get(), &address.size) != 0) return {};
  return address.endpoint();
}

}  // namespace mutirao::world
