#pragma once

#include <memory>

#include "mutirao/world/network.h"

#include "connection.h"

namespace mutirao::sim {

/// One end of a connection, as a program holds it.
class SimulatedStream final : public world::Stream {
 public:
  SimulatedStream(std::shared_ptr<Connection> connection, int side) noexcept
      : connection_{std::move(connection)}, side_{side} {}
  ~SimulatedStream() override { connection_->close(side_); }

  using Stream::read_some;
  using Stream::write_all;
  Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline deadline) override {
    return connection_->read_some(side_, into, deadline);
  }
  Result<void> write_all(std::span<ByteView const> from, Deadline deadline) override {
    return connection_->write_all(side_, from, deadline);
  }
  void finish_writing() noexcept override { connection_->finish_writing(side_); }
  void close() noexcept override { connection_->close(side_); }
  [[nodiscard]] world::Endpoint local() const override { return connection_->local(side_); }
  [[nodiscard]] world::Endpoint remote() const override { return connection_->remote(side_); }

 private:
  std::shared_ptr<Connection> connection_;
  int side_;
};

}  // namespace mutirao::sim
