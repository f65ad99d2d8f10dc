#pragma once

#include <sys/socket.h>

#include "mutirao/world/address.h"

namespace mutirao::world {

/// An endpoint as the kernel wants it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  SocketAddress() = default;
  explicit SocketAddress(Endpoint const& endpoint) noexcept;

  [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] sockaddr const* get() const noexcept {
    return reinterpret_cast<sockaddr const*>(&storage);
  }
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
  /// 0.0.0.0:0 for other families than IPv4 and IPv6.
  [[nodiscard]] Endpoint endpoint() const noexcept;
};

[[nodiscard]] Endpoint local_endpoint(int socket) noexcept;
[[nodiscard]] Endpoint endpoint_of(sockaddr const* address) noexcept;

}  // namespace mutirao::world
