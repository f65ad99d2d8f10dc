// What happens to a connection's bytes between the two programs.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "connection.h"

namespace mutirao::sim {

namespace {
constexpr Duration kRetransmissionMax = 60s;  // RFC 6298 §2.5 allows no less
constexpr unsigned kDoublingsMax = 16;

Duration doubled(Duration timeout, unsigned times) {
  return std::min(timeout * (std::int64_t{1} << std::min(times, kDoublingsMax)),
                  kRetransmissionMax);
}
}  // namespace

// ---- sending -----------------------------------------------------------------------------------

bool Connection::window_open(Pipe const& pipe) const noexcept {
  auto const known_read = pipe.unheard_since ? std::min(pipe.acknowledged, pipe.read) : pipe.read;
  return pipe.sent - known_read < fabric_.options.receive_buffer_bytes;
}

bool Connection::sendable(Pipe const& pipe) const noexcept {
  if (pipe.queued.empty()) return pipe.finishing && !pipe.finished;
  return window_open(pipe);
}

void Connection::offer(int side) {
  auto& pipe = pipes_[index(side)];
  if (pipe.offered || ends_[index(side)].crashed) return;
  if (!sendable(pipe)) {
    pipe.window_closed = !pipe.queued.empty();
    return;
  }
  if (&station(side) == &station(other(side))) {  // loopback takes no turns
    while (transmit(side)) {
    }
    return;
  }
  pipe.offered = true;
  station(side).uplink.offer(shared_from_this(), side, fabric_.events);
}

bool Connection::transmit(int side) {
  auto& pipe = pipes_[index(side)];
  pipe.offered = false;
  if (!sendable(pipe)) return false;
  auto& from = station(side);
  auto const& to = station(other(side));
  auto bytes = pipe.queued.pop_chunk();
  bool const last = pipe.queued.empty() && pipe.finishing;
  pipe.sent += bytes.size();
  pipe.finished = last;
  auto const left = fabric_.departure(from, to, bytes.size());
  // One draw after the other: the operands of one sum come in an order of the compiler's choice.
  auto const way = fabric_.delay(from, to);
  auto const lost = time_lost(side);
  // In order: a segment that overtakes another waits for it.
  pipe.last_arrival = std::max(pipe.last_arrival, left + way + lost);
  pipe.flights.push_back({pipe.last_arrival, std::move(bytes), last});
  arm_flights(side);
  pipe.offered = sendable(pipe);
  pipe.window_closed = !pipe.offered && !pipe.queued.empty();
  return pipe.offered;
}

/// What the losses of one segment cost it.
Duration Connection::time_lost(int side) {
  auto const loss = fabric_.link(station(side), station(other(side))).loss;
  Duration lost{0};
  if (loss <= 0) return lost;
  for (unsigned times = 0; times < kDoublingsMax && fabric_.random.chance(loss); ++times) {
    lost += doubled(fabric_.options.retransmission_timeout, times);
  }
  return lost;
}

void Connection::take_acks(Pipe& pipe) noexcept {
  auto const now = fabric_.events.now();
  while (!pipe.acks.empty() && pipe.acks.front().when <= now) {
    pipe.acknowledged = pipe.acks.front().total;
    pipe.acks.pop_front();
  }
}

/// Acknowledgements are looked at when the writer writes; only one that waits for room needs
/// events.
void Connection::arm_acks(int side) {
  auto& pipe = pipes_[index(side)];
  if (pipe.acks_armed || pipe.acks.empty()) return;
  pipe.acks_armed = true;
  fabric_.events.at(pipe.acks.front().when, [self = shared_from_this(), side] {
    auto& woken = self->pipes_[index(side)];
    woken.acks_armed = false;
    if (woken.writer.empty()) return;
    self->take_acks(woken);
    auto const unacknowledged = woken.written - woken.acknowledged;
    if (unacknowledged + woken.wanted <= self->fabric_.options.send_buffer_bytes) {
      woken.writer.wake_all();
    } else {
      self->arm_acks(side);
    }
  });
}

/// The reader has made room: tell a sender that waits for it, once half of the window is free.
void Connection::reopen_window(int side) {
  auto& pipe = pipes_[index(side)];
  if (!pipe.window_closed || pipe.sent - pipe.read > fabric_.options.receive_buffer_bytes / 2)
    return;
  pipe.window_closed = false;
  auto const& back = fabric_.link(station(other(side)), station(side));
  fabric_.events.at(fabric_.events.now() + back.latency,
                    [self = shared_from_this(), side] { self->offer(side); });
}

// ---- the way -----------------------------------------------------------------------------------

/// Whether the side's address is still its host's.
bool Connection::stands(int side) const noexcept {
  auto const& end = ends_[index(side)];
  auto const& place = end.place;
  return end.moves == place.station->moves ||
         (end.subnet == place.station->subnet && place.station->owns(place.local.address));
}

/// What becomes of a segment from `side` that would arrive now.
Verdict Connection::way(int side, Header::Kind kind) {
  auto& from = station(side);
  auto& to = station(other(side));
  if (!stands(side) || !stands(other(side)) || !fabric_.passes(from, to)) return Verdict::lost;
  if (ends_[index(other(side))].crashed && !to.answers_strangers) return Verdict::lost;
  if (!routed_) return Verdict::passed;
  Header packet{kind, local(side), remote(side)};
  auto const crossed = fabric_.cross(from, packet);
  if (crossed.verdict != Verdict::passed) return crossed.verdict;
  bool const at_home = crossed.station == &to && packet.target == local(other(side)) &&
                       packet.source == remote(other(side));
  if (at_home) return Verdict::passed;
  // A mapping now leads to another: to whom the segment is a stranger's.
  return crossed.station->up && crossed.station->answers_strangers ? Verdict::refused
                                                                   : Verdict::lost;
}

// ---- arriving ----------------------------------------------------------------------------------

void Connection::arm_flights(int side) {
  auto& pipe = pipes_[index(side)];
  if (pipe.flights_armed || pipe.flights.empty()) return;
  pipe.flights_armed = true;
  fabric_.events.at(pipe.flights.front().arrival, [self = shared_from_this(), side] {
    self->pipes_[index(side)].flights_armed = false;
    self->arrive(side);
  });
}

void Connection::arrive(int side) {
  auto& pipe = pipes_[index(side)];
  auto const now = fabric_.events.now();
  while (!pipe.flights.empty() && pipe.flights.front().arrival <= now) {
    if (auto const later = fabric_.unclogged(station(side), station(other(side))); later > now) {
      pipe.flights.front().arrival = later;
      break;
    }
    auto const verdict =
        way(side, pipe.flights.front().last ? Header::Kind::fin : Header::Kind::data);
    if (verdict == Verdict::lost) {
      stall(side);
      break;
    }
    if (verdict == Verdict::refused) {
      pipe.flights.clear();
      auto const back = fabric_.link(station(other(side)), station(side)).latency;
      fabric_.events.at(now + back, [self = shared_from_this(), side] { self->be_reset(side); });
      return;
    }
    pipe.stalled_since.reset();
    pipe.retries = 0;
    auto flight = pipe.flights.pop_front();
    land(side, std::move(flight));
  }
  arm_flights(side);
}

/// The way is cut: the sender tries again, less and less often, and gives up at last.
void Connection::stall(int side) {
  auto& pipe = pipes_[index(side)];
  auto const now = fabric_.events.now();
  if (!pipe.stalled_since) pipe.stalled_since = now;
  bool const sender_gone = ends_[index(side)].crashed || ends_[index(side)].failure;
  bool const given_up = now - *pipe.stalled_since >= fabric_.options.silence_max;
  if (sender_gone || given_up) {
    pipe.flights.clear();
    if (sender_gone) return;
    return give_up(side);
  }
  auto& head = pipe.flights.front();
  head.arrival = now + doubled(fabric_.options.retransmission_timeout, pipe.retries++);
  pipe.last_arrival = std::max(pipe.last_arrival, head.arrival);
}

void Connection::land(int side, Flight flight) {
  auto& pipe = pipes_[index(side)];
  if (ends_[index(other(side))].crashed) {
    // The host is up again and knows nothing of this connection.
    pipe.flights.clear();
    return send_reset(side);
  }
  auto const through = fabric_.landing(station(side), station(other(side)), flight.bytes.size());
  if (pipe.landing.empty() && through <= fabric_.events.now() + kGrain)
    return deliver(side, std::move(flight));
  pipe.landing.push_back(std::move(flight));
  fabric_.events.at(through, [self = shared_from_this(), side] {
    auto& held = self->pipes_[index(side)].landing;
    self->deliver(side, held.pop_front());
  });
}

void Connection::deliver(int side, Flight flight) {
  auto& pipe = pipes_[index(side)];
  auto const& receiver = ends_[index(other(side))];
  if (receiver.crashed) {
    // Never acknowledged, so sent again: that is how the sender will find out.
    flight.arrival = fabric_.events.now() + fabric_.options.retransmission_timeout;
    pipe.flights.push_front(std::move(flight));
    return arm_flights(side);
  }
  if (receiver.failure) return;
  auto const size = flight.bytes.size();
  if (receiver.closed) {
    if (size > 0) send_reset(side);
    return;
  }
  fabric_.note(flight.last ? TraceEvent::ended : TraceEvent::delivered, station(other(side)), size);
  pipe.received.push(std::move(flight.bytes));
  pipe.delivered += size;
  pipe.ended = flight.last;
  pipe.reader.wake_all();
  acknowledge(side);
}

/// The receiver tells the sender how much has come; one latency later it knows.
void Connection::acknowledge(int side) {
  auto& pipe = pipes_[index(side)];
  auto const now = fabric_.events.now();
  if (fabric_.cut(station(other(side)), station(side))) {
    if (pipe.unheard_since) return;
    pipe.unheard_since = now;
    fabric_.events.at(now + fabric_.options.retransmission_timeout,
                      [self = shared_from_this(), side] { self->acknowledge_again(side); });
    return;
  }
  pipe.unheard_since.reset();
  auto const back = fabric_.link(station(other(side)), station(side)).latency;
  pipe.acks.push_back({std::max(now, fabric_.unclogged(station(other(side)), station(side))) + back,
                       pipe.delivered});
  if (!pipe.writer.empty()) arm_acks(side);
}

/// Only the way back is cut. What the sender sends again, because it heard nothing, is acknowledged
/// again; until it gives up.
void Connection::acknowledge_again(int side) {
  auto& pipe = pipes_[index(side)];
  if (!pipe.unheard_since || ends_[index(side)].crashed || ends_[index(side)].failure) return;
  auto const now = fabric_.events.now();
  auto const silence = now - *pipe.unheard_since;
  if (!fabric_.cut(station(other(side)), station(side))) {
    acknowledge(side);
    return offer(side);
  }
  if (silence >= fabric_.options.silence_max) return give_up(side);
  auto const again = std::min<Duration>(std::max(silence, fabric_.options.retransmission_timeout),
                                        kRetransmissionMax);
  fabric_.events.at(now + again,
                    [self = shared_from_this(), side] { self->acknowledge_again(side); });
}

void Connection::give_up(int side) {
  fabric_.note(TraceEvent::silent, station(side));
  fail_end(side,
           {Fault::timed_out, fmt::format("{} stopped answering", remote(side).to_string()), {}});
}

void Connection::send_reset(int to) {
  auto const from = other(to);
  // Behind what was sent before it.
  auto const arrival = std::max(pipes_[index(from)].last_arrival,
                                fabric_.events.now() + fabric_.delay(station(from), station(to)));
  fabric_.events.at(arrival, [self = shared_from_this(), to] { self->take_reset(to); });
}

void Connection::take_reset(int to) {
  auto const from = other(to);
  if (way(from, Header::Kind::reset) != Verdict::passed) return;
  if (ends_[index(to)].crashed || ends_[index(to)].failure) return;
  if (!pipes_[index(from)].landing.empty()) {
    fabric_.events.at(station(to).downlink.free_at,
                      [self = shared_from_this(), to] { self->take_reset(to); });
    return;
  }
  be_reset(to);
}

/// By the other side, or by what the segments of this one came to instead.
void Connection::be_reset(int side) {
  fabric_.note(TraceEvent::reset, station(side));
  fail_end(side,
           {Fault::closed, fmt::format("{} reset the connection", remote(side).to_string()), {}});
}

}  // namespace mutirao::sim
