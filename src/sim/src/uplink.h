#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "line.h"

namespace mutirao::sim {

class Connection;
class EventQueue;

/// What a host sends through: one segment at a time, the streams in turn, as a fair queue of the
/// kernel does. A stream with little to send never waits behind all that another has queued.
class Uplink {
 public:
  /// `side` of the connection has something to send.
  void offer(std::shared_ptr<Connection> connection, int side, EventQueue& events);
  /// When the last of `size` bytes sent now has left.
  TimePoint pass(TimePoint now, std::size_t size) noexcept { return line_.pass(now, size); }
  void set_bandwidth(std::uint64_t bytes_per_s) noexcept { line_.bytes_per_s = bytes_per_s; }
  [[nodiscard]] TimePoint free_at() const noexcept { return line_.free_at; }
  /// The host crashed: what has not left never will.
  void clear() noexcept { ready_.clear(); }

 private:
  void run(EventQueue& events);

  Line line_;
  std::deque<std::pair<std::shared_ptr<Connection>, int>> ready_;
  bool armed_ = false;
};

}  // namespace mutirao::sim
