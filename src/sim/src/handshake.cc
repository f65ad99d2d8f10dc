#include "handshake.h"

#include <utility>

#include <fmt/format.h>

#include "life.h"

namespace mutirao::sim {

namespace {
constexpr Duration kSynTimeout = 1s;    // RFC 6298 §2.1
constexpr unsigned kSynRetriesMax = 6;  // net.ipv4.tcp_syn_retries
}  // namespace

Result<std::shared_ptr<Connection>> Handshake::run(Deadline deadline) {
  send_syn();
  while (!over()) {
    if (auto waited = waiting_.wait(deadline, "connect"); !waited) {
      abandoned_ = true;
      return std::unexpected{std::move(waited).error().during(remote_.to_string())};
    }
  }
  if (failure_) return std::unexpected{*failure_};
  if (!connection_) return crashed_host();
  return connection_;
}

void Handshake::crash() noexcept {
  abandoned_ = true;
  waiting_.wake_all();
}

void Handshake::end(Error error) {
  failure_ = std::move(error);
  waiting_.wake_all();
}

/// Both packets on their way to the peer and back are drawn at once.
bool Handshake::lost_to_peer() {
  if (to_ == nullptr || !fabric_.passes(from_, *to_)) return true;
  return fabric_.random.chance(fabric_.link(from_, *to_).loss) ||
         fabric_.random.chance(fabric_.link(*to_, from_).loss);
}

void Handshake::send_syn() {
  if (over()) return;
  if (tries_ > kSynRetriesMax) {
    return end(
        {Fault::timed_out, fmt::format("connect: {} did not answer", remote_.to_string()), {}});
  }
  answered_ = false;
  auto const self = shared_from_this();
  auto const now = fabric_.events.now();
  if (to_ != nullptr) {
    fabric_.events.at(now + fabric_.delay(from_, *to_), [self] { self->answer_syn(); });
  }
  fabric_.events.at(now + kSynTimeout * (1 << tries_++), [self] {
    if (!self->answered_) self->send_syn();
  });
}

void Handshake::answer_syn() {
  if (over() || answered_ || lost_to_peer()) return;
  auto const arrival = fabric_.events.now() + fabric_.delay(*to_, from_);
  auto const* const found = Station::bound_to(to_->listeners, remote_);
  if (found == nullptr) {
    answered_ = true;
    fabric_.note(TraceEvent::refused, *to_, remote_.port);
    fabric_.events.at(arrival, [self = shared_from_this()] {
      if (self->over()) return;
      self->end({Fault::refused,
                 fmt::format("connect: nothing listens on {}", self->remote_.to_string()),
                 {}});
    });
    return;
  }
  auto listener = *found;
  if (listener->pending.size() + listener->half_open >= fabric_.options.accept_backlog) return;
  answered_ = true;
  ++listener->half_open;
  fabric_.events.at(arrival, [self = shared_from_this(), listener = std::move(listener)]() mutable {
    self->answer_syn_ack(std::move(listener));
  });
}

void Handshake::answer_syn_ack(std::shared_ptr<ListenerState> listener) {
  if (over()) {
    --listener->half_open;
    return;
  }
  auto const arrival = fabric_.events.now() + fabric_.delay(from_, *to_);
  connection_ = std::make_shared<Connection>(fabric_, Connection::Place{&from_, local_},
                                             Connection::Place{to_, remote_});
  connection_->hold_until(0, arrival);
  from_.remember(connection_);
  to_->remember(connection_);
  if (listener->crashed) connection_->crash(1, false);  // while its answer was on the way
  fabric_.note(TraceEvent::connected, from_, remote_.port);
  fabric_.events.at(arrival, [self = shared_from_this(), listener = std::move(listener),
                              connection = connection_] { self->take_ack(listener, connection); });
  waiting_.wake_all();
}

void Handshake::take_ack(std::shared_ptr<ListenerState> const& listener,
                         std::shared_ptr<Connection> connection) {
  --listener->half_open;
  if (listener->crashed) return;
  if (listener->closed) return connection->abort(1);
  listener->offer(std::move(connection));
}

}  // namespace mutirao::sim
