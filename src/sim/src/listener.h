#pragma once

#include <deque>
#include <memory>
#include <string>

#include "mutirao/world/network.h"

#include "fabric.h"
#include "wait_list.h"

namespace mutirao::sim {

/// A listening socket: what its host's table points to, and what its owner accepts from.
struct ListenerState {
  world::Endpoint local;
  std::string local_path;  ///< of a Unix socket; empty for TCP
  std::deque<std::shared_ptr<Connection>> pending;
  std::size_t half_open = 0;  ///< handshakes under way
  WaitList acceptors;
  bool closed = false;
  bool crashed = false;

  void offer(std::shared_ptr<Connection> connection);
  /// Its host has crashed; who waits is told so. The connections end by themselves.
  void crash() noexcept;
};

class SimulatedListener final : public world::Listener {
 public:
  SimulatedListener(Fabric& fabric, Station& station, std::shared_ptr<ListenerState> state) noexcept
      : fabric_{fabric}, station_{station}, state_{std::move(state)} {}
  ~SimulatedListener() override { SimulatedListener::close(); }

  Result<std::unique_ptr<world::Stream>> accept(Deadline deadline) override;
  void close() noexcept override;
  [[nodiscard]] world::Endpoint local() const override { return state_->local; }

 private:
  Fabric& fabric_;
  Station& station_;
  std::shared_ptr<ListenerState> state_;
};

}  // namespace mutirao::sim
