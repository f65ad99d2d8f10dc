#pragma once

#include <memory>
#include <vector>

#include "mutirao/world/network.h"

#include "fabric.h"
#include "handshake.h"
#include "life.h"

namespace mutirao::sim {

/// The network as the programs of one incarnation of a host see it.
class SimulatedNetwork final : public world::Network {
 public:
  SimulatedNetwork(Fabric& fabric, Station& station, LifeRef life) noexcept
      : fabric_{fabric}, station_{station}, life_{std::move(life)} {}

  Result<std::unique_ptr<world::Stream>> connect(world::Endpoint to, world::ConnectOptions options,
                                                 Deadline deadline) override;
  Result<std::unique_ptr<world::Listener>> listen(world::Endpoint at) override;
  Result<std::unique_ptr<world::DatagramSocket>> bind_datagram(world::Endpoint at) override;
  Result<std::vector<world::IpAddress>> resolve(std::string_view host, Deadline deadline) override;
  Result<std::vector<world::IpAddress>> local_addresses() override;
  Result<std::unique_ptr<world::Stream>> connect_local(std::string_view path,
                                                       Deadline deadline) override;
  Result<std::unique_ptr<world::Listener>> listen_local(std::string_view path) override;

  /// Ends all sockets of the host and whatever is being connected.
  void crash(bool reset_streams);

 private:
  [[nodiscard]] Result<world::IpAddress> source_for(world::Endpoint remote,
                                                    world::ConnectOptions const& options) const;
  [[nodiscard]] Result<void> may_connect_from(world::Endpoint local, world::Endpoint remote) const;
  template <class Value>
  Result<world::Endpoint> claim(std::map<world::Endpoint, Value> const& table, world::Endpoint at);

  Fabric& fabric_;
  Station& station_;
  LifeRef life_;
  std::vector<std::weak_ptr<Handshake>> handshakes_;
};

}  // namespace mutirao::sim
