#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "mutirao/base/result.h"
#include "mutirao/world/address.h"

#include "byte_queue.h"
#include "fabric.h"
#include "header.h"
#include "ring.h"
#include "wait_list.h"

namespace mutirao::sim {

/// A TCP connection between two hosts, or within one.
///
///     write_all -> queued --uplink, link--> flights --downlink--> received -> read_some
///                    ^                                               |
///                    '------------- acks, one latency later ---------'
///
/// What a program can see of TCP is kept: order, back-pressure of both buffers, half close, reset,
/// peers that went silent, a connection that its peer no longer knows after a restart. Congestion
/// control is not: a lost segment costs its retransmission timeout and nothing else.
///
/// Side 0 connected, side 1 accepted.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Place {
    Station* station;
    world::Endpoint local;
    world::Endpoint remote;  // as this side sees it: routers may translate in between
  };
  Connection(Fabric& fabric, Place connecting, Place accepting);

  Result<std::size_t> read_some(int side, std::span<MutableBytes const> into, Deadline deadline);
  Result<void> write_all(int side, std::span<ByteView const> from, Deadline deadline);
  void finish_writing(int side);
  void close(int side);
  /// As close(), but the other side is told by a reset.
  void abort(int side);
  void crash(int side, bool tell_peer);

  /// Nothing from `side` arrives before: the handshake is under way.
  void hold_until(int side, TimePoint when) noexcept { pipes_[index(side)].last_arrival = when; }
  /// Sends one segment; true when there is more that may be sent. For the uplink, in its turn.
  bool transmit(int side);

  [[nodiscard]] world::Endpoint local(int side) const noexcept {
    return ends_[index(side)].place.local;
  }
  [[nodiscard]] world::Endpoint remote(int side) const noexcept {
    return ends_[index(side)].place.remote;
  }
  /// Its program has closed it, or it has failed.
  [[nodiscard]] bool over(int side) const noexcept {
    auto const& end = ends_[index(side)];
    return end.closed || end.crashed || end.failure.has_value();
  }
  [[nodiscard]] Station& station(int side) const noexcept {
    return *ends_[index(side)].place.station;
  }

 private:
  struct End {
    Place place;
    Subnet* subnet;        // of its host when the connection was made
    std::uint32_t moves;   // likewise
    bool closed = false;   // by its own program
    bool crashed = false;  // its incarnation is over
    std::optional<Error> failure{};
  };
  struct Flight {
    TimePoint arrival;
    Bytes bytes;
    bool last;  // nothing follows
  };
  struct Ack {
    TimePoint when;
    std::uint64_t total;
  };
  /// One direction, named by the side that sends.
  struct Pipe {
    ByteQueue queued;
    std::uint64_t written = 0, sent = 0, delivered = 0, acknowledged = 0, read = 0;
    Ring<Ack> acks;          // on their way back
    std::size_t wanted = 0;  // room that makes it worth to wake the writer
    WaitList writer;
    bool finishing = false;  // the writer has finished
    bool finished = false;   // and that was sent
    bool offered = false;    // in the uplink's queue
    bool window_closed = false;
    bool acks_armed = false;

    Ring<Flight> flights;
    bool flights_armed = false;
    TimePoint last_arrival{};
    std::optional<TimePoint> stalled_since;
    std::optional<TimePoint> unheard_since;  // acknowledgements don't get back
    unsigned retries = 0;
    Ring<Flight> landing;  // held by the receiver's downlink

    ByteQueue received;
    bool ended = false;
    WaitList reader;
  };

  static End end_at(Place const& place);
  static std::size_t index(int side) noexcept { return static_cast<std::size_t>(side); }
  static int other(int side) noexcept { return 1 - side; }

  [[nodiscard]] Result<void> may_write(int side) const;
  std::size_t take(ByteQueue& received, std::span<MutableBytes const> into);
  std::size_t accept_bytes(int side, std::span<ByteView const>& from, std::size_t& skip,
                           std::size_t remaining);
  [[nodiscard]] bool window_open(Pipe const& pipe) const noexcept;
  [[nodiscard]] bool sendable(Pipe const& pipe) const noexcept;
  void offer(int side);
  void take_acks(Pipe& pipe) noexcept;
  void arm_acks(int side);
  void reopen_window(int side);

  [[nodiscard]] Verdict way(int side, Header::Kind kind);
  [[nodiscard]] bool stands(int side) const noexcept;
  [[nodiscard]] Duration time_lost(int side);
  void arm_flights(int side);
  void arrive(int side);
  void stall(int side);
  void acknowledge(int side);
  void acknowledge_again(int side);
  void land(int side, Flight flight);
  void deliver(int side, Flight flight);
  void send_reset(int to);
  void take_reset(int to);
  void be_reset(int side);
  void give_up(int side);
  void fail_end(int side, Error error);
  void drop_outgoing(int side) noexcept;

  Fabric& fabric_;
  bool routed_;  // through routers, which may forget it
  std::array<End, 2> ends_;
  std::array<Pipe, 2> pipes_;
};

}  // namespace mutirao::sim
