#include "handshake.h"

#include <utility>

#include <fmt/format.h>

#include "life.h"

namespace mutirao::sim {

namespace {
constexpr Duration kSynTimeout = 1s;    // RFC 6298 §2.1
constexpr unsigned kSynRetriesMax = 6;  // net.ipv4.tcp_syn_retries
}  // namespace

Result<Handshake::Outcome> Handshake::run(Deadline deadline) {
  send_syn();
  while (!over()) {
    if (auto waited = waiting_.wait(deadline, "connect", threads::wait_kind::writable); !waited) {
      abandoned_ = true;
      return std::unexpected{std::move(waited).error().during(remote_.to_string())};
    }
  }
  if (failure_) return std::unexpected{*failure_};
  if (!connection_) return crashed_host();
  return Outcome{connection_, side_};
}

void Handshake::crash() noexcept {
  abandoned_ = true;
  waiting_.wake_all();
}

void Handshake::end(Error error) {
  if (over()) return;
  failure_ = std::move(error);
  waiting_.wake_all();
}

void Handshake::end_refused() {
  end({Fault::refused, fmt::format("connect: nothing listens on {}", remote_.to_string()), {}});
}

// ---- out ---------------------------------------------------------------------------------------

void Handshake::send_syn() {
  if (over()) return;
  if (tries_ > kSynRetriesMax) {
    return end(
        {Fault::timed_out, fmt::format("connect: {} did not answer", remote_.to_string()), {}});
  }
  answered_ = false;
  auto const now = fabric_.events.now();
  Header packet{Header::Kind::syn, local_, remote_};
  // From an address that the host no longer has, nothing leaves.
  if (from_.owns(local_.address)) follow(fabric_.outward(from_, packet, {}), packet);
  next_try_ = now + kSynTimeout * (1 << tries_++);
  fabric_.events.at(next_try_, [self = shared_from_this()] {
    if (!self->answered_) self->send_syn();
  });
}

void Handshake::follow(Way const& way, Header packet) {
  if (way.verdict == Verdict::lost) return;
  auto const self = shared_from_this();
  if (way.verdict == Verdict::refused) {  // by a router: what it says comes back the same way
    fabric_.events.at(way.left + way.link.latency * 2, [self] { self->end_refused(); });
    return;
  }
  fabric_.events.at(way.left + fabric_.delay(way.link),
                    [self, station = way.station, router = way.router, packet]() mutable {
                      if (station != nullptr) return self->answer_syn(*station, packet);
                      if (self->over() || self->answered_) return;
                      auto const next = self->fabric_.inward(*router, packet, {});
                      self->follow(next, packet);
                    });
}

/// Both packets on their way to the peer and back are drawn at once.
bool Handshake::lost(Station const& at) {
  if (!fabric_.passes(from_, at)) return true;
  return fabric_.random.chance(fabric_.link(from_, at).loss) ||
         fabric_.random.chance(fabric_.link(at, from_).loss);
}

void Handshake::answer_syn(Station& at, Header packet) {
  if (over() || answered_) return;
  if (auto const later = fabric_.unclogged(from_, at); later > fabric_.events.now()) {
    fabric_.events.at(
        later, [self = shared_from_this(), to = &at, packet] { self->answer_syn(*to, packet); });
    return;
  }
  if (lost(at)) return;
  if (auto const met = at.connecting.find({packet.target, packet.source});
      met != at.connecting.end() && met->second != this && !met->second->over())
    return meet(at, packet, met->second->shared_from_this());
  auto const* const found = Station::bound_to(at.listeners, packet.target);
  if (found == nullptr) return refuse(at, packet);
  auto listener = *found;
  if (listener->pending.size() + listener->half_open >= fabric_.options.accept_backlog) return;
  answered_ = true;
  ++listener->half_open;
  fabric_.events.at(
      fabric_.events.now() + fabric_.delay(at, from_),
      [self = shared_from_this(), to = &at, packet, listener = std::move(listener)]() mutable {
        self->answer_syn_ack(*to, packet, std::move(listener));
      });
}

void Handshake::refuse(Station& at, Header const& packet) {
  if (!at.answers_strangers) return;
  answered_ = true;
  fabric_.note(TraceEvent::refused, at, remote_.port);
  fabric_.events.at(fabric_.events.now() + fabric_.delay(at, from_),
                    [self = shared_from_this(), to = &at, packet] {
                      if (self->over()) return;
                      if (!self->comes_back(*to, packet, Header::Kind::reset))
                        return self->answer_was_lost();
                      self->end_refused();
                    });
}

// ---- back --------------------------------------------------------------------------------------

/// Whether the answer to a SYN comes to its sender, through the routers in between.
bool Handshake::comes_back(Station& at, Header const& syn, Header::Kind kind) {
  if (!fabric_.passes(at, from_)) return false;
  Header answer{kind, syn.target, syn.source};
  auto const way = fabric_.cross(at, answer);
  return way.verdict == Verdict::passed && way.station == &from_ && answer.target == local_ &&
         answer.source == remote_;
}

void Handshake::answer_was_lost() {
  answered_ = false;
  if (fabric_.events.now() >= next_try_) send_syn();
}

void Handshake::connect(Station& at, Header const& syn) {
  connection_ = std::make_shared<Connection>(fabric_, Connection::Place{&from_, local_, remote_},
                                             Connection::Place{&at, syn.target, syn.source});
  from_.remember(connection_);
  at.remember(connection_);
  fabric_.note(TraceEvent::connected, from_, remote_.port);
  waiting_.wake_all();
}

void Handshake::answer_syn_ack(Station& at, Header const& packet, ListenerRef listener) {
  if (over() || !comes_back(at, packet, Header::Kind::data)) {
    --listener->half_open;
    return answer_was_lost();
  }
  auto const arrival = fabric_.events.now() + fabric_.delay(from_, at);
  connect(at, packet);
  connection_->hold_until(0, arrival);
  if (listener->crashed) connection_->crash(1, false);  // while its answer was on the way
  fabric_.events.at(arrival, [self = shared_from_this(), listener = std::move(listener),
                              connection = connection_] { self->take_ack(listener, connection); });
}

void Handshake::take_ack(ListenerRef const& listener, std::shared_ptr<Connection> connection) {
  --listener->half_open;
  if (listener->crashed) return;
  if (listener->closed) return connection->abort(1);
  listener->offer(std::move(connection));
}

// ---- simultaneous open -------------------------------------------------------------------------

void Handshake::meet(Station& at, Header const& packet, HandshakeRef other) {
  if (other->answered_) return;  // the other's SYN has come here first
  answered_ = true;
  fabric_.events.at(
      fabric_.events.now() + fabric_.delay(at, from_),
      [self = shared_from_this(), to = &at, packet, other = std::move(other)]() mutable {
        if (self->over() || other->over() || !self->comes_back(*to, packet, Header::Kind::data))
          return self->answer_was_lost();
        auto const arrival = self->fabric_.events.now() + self->fabric_.delay(self->from_, *to);
        self->connect(*to, packet);
        self->connection_->hold_until(0, arrival);
        self->fabric_.events.at(arrival,
                                [other = std::move(other), connection = self->connection_] {
                                  other->be_met(connection);
                                });
      });
}

void Handshake::be_met(std::shared_ptr<Connection> connection) {
  if (over()) return connection->abort(1);
  connection_ = std::move(connection);
  side_ = 1;
  fabric_.note(TraceEvent::accepted, from_, remote_.port);
  waiting_.wake_all();
}

}  // namespace mutirao::sim
