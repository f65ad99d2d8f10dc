#pragma once

#include <memory>

#include "mutirao/world/network.h"

#include "fabric.h"
#include "ring.h"
#include "wait_list.h"

namespace mutirao::sim {

struct DatagramState {
  struct Arrived {
    Bytes bytes;
    world::Endpoint from;
  };
  world::Endpoint local;
  Ring<Arrived> arrived;
  std::size_t arrived_bytes = 0;
  WaitList receivers;
  bool closed = false;
  bool crashed = false;

  void crash() noexcept;
};

class SimulatedDatagramSocket final : public world::DatagramSocket {
 public:
  SimulatedDatagramSocket(Fabric& fabric, Station& station,
                          std::shared_ptr<DatagramState> state) noexcept
      : fabric_{fabric}, station_{station}, state_{std::move(state)} {}
  ~SimulatedDatagramSocket() override { SimulatedDatagramSocket::close(); }

  Result<void> send_to(ByteView datagram, world::Endpoint to, Deadline deadline) override;
  Result<Received> receive(MutableBytes into, Deadline deadline) override;
  void close() noexcept override;
  [[nodiscard]] world::Endpoint local() const override { return state_->local; }

 private:
  Fabric& fabric_;
  Station& station_;
  std::shared_ptr<DatagramState> state_;
};

}  // namespace mutirao::sim
