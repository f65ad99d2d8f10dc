#pragma once

#include "mutirao/world/network.h"

#include "resolver.h"

namespace mutirao::world {

/// The kernel's sockets.
class RealNetwork final : public Network {
 public:
  Result<std::unique_ptr<Stream>> connect(Endpoint to, ConnectOptions options,
                                          Deadline deadline) override;
  Result<std::unique_ptr<Listener>> listen(Endpoint at) override;
  Result<std::unique_ptr<DatagramSocket>> bind_datagram(Endpoint at) override;
  Result<std::vector<IpAddress>> resolve(std::string_view host, Deadline deadline) override;
  Result<std::vector<IpAddress>> local_addresses() override;
  Result<std::unique_ptr<Stream>> connect_local(std::string_view path, Deadline deadline) override;
  Result<std::unique_ptr<Listener>> listen_local(std::string_view path) override;

 private:
  Resolver resolver_;
};

}  // namespace mutirao::world
