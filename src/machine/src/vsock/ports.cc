#include "vsock/ports.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

namespace mutirao::machine::vsock {
namespace {

constexpr std::size_t kPieceBytes = 16 << 10;
constexpr Duration kAfterFailure = 1s;
constexpr std::string_view kWish = "CONNECT ";
constexpr std::size_t kWishMax = 32;

}  // namespace

Result<std::unique_ptr<Ports>> Ports::create(std::string path, nat::FrameLink& link,
                                             world::World& world) {
  auto listener = MUT_TRY(world.network().listen_local(path));
  std::unique_ptr<Ports> ports{new Ports{std::move(path), link, world}};
  auto* const self = ports.get();
  self->threads_.spawn("vsock-route", [self] { self->route(); }, {.isolated = true});
  self->threads_.spawn("vsock-listen",
                       [self, listener = std::move(listener)] { self->accept(*listener); },
                       {.isolated = true});
  return ports;
}

Ports::~Ports() {
  threads_.request_stop();
  static_cast<void>(threads_.join());
}

std::size_t Ports::count() {
  Lock const lock{mutex_};
  return connections_.size();
}

bool Ports::wait_for_room(Lock& lock) {
  while (!link_.room_to_guest()) {
    lock.unlock();
    auto const waited = link_.wait_for_room(Deadline::never());
    lock.lock();
    if (!waited) return false;
  }
  return true;
}

/// With the lock: what is said of how much was taken must not be overtaken by what was said before.
void Ports::send(Connection& connection, std::uint16_t operation, std::uint32_t flags,
                 ByteView payload) {
  connection.taken_told = connection.taken;
  link_.to_guest({to_bytes({.source_port = connection.key.host_port,
                            .destination_port = connection.key.guest_port,
                            .operation = operation,
                            .flags = flags,
                            .room = kBufferBytes,
                            .taken = connection.taken,
                            .payload = payload})});
}

void Ports::refuse(Packet const& packet) {
  if (packet.operation == Packet::reset) return;
  link_.to_guest({to_bytes({.source_port = packet.destination_port,
                            .destination_port = packet.source_port,
                            .type = packet.type,
                            .operation = Packet::reset})});
}

void Ports::end(ConnectionPointer const& connection, bool tell) {
  if (std::exchange(connection->dead, true)) return;
  if (tell) send(*connection, Packet::reset);
  if (connection->stream) connection->stream->close();
  connection->changed.notify_all();
  connections_.erase(connection->key);
}

void Ports::end_if_over(ConnectionPointer const& connection) {
  bool const host_has_all = connection->guest_sends_no_more && connection->to_host.size() == 0;
  if (host_has_all && (connection->guest_takes_no_more || connection->host_finished))
    end(connection, true);
}

void Ports::route() {
  for (;;) {
    auto const frames = link_.wait(Deadline::never());
    if (!frames) return;
    for (auto const& frame : *frames) {
      auto const packet = parse_packet(frame.bytes);
      if (!packet) continue;
      Lock lock{mutex_};
      // Each packet has one answer at most; a guest that takes none waits with its questions.
      if (!wait_for_room(lock)) return;
      receive(*packet);
    }
  }
}

void Ports::receive(Packet const& packet) {
  if (packet.source_cid != kGuestCid || packet.destination_cid != kHostCid) return;
  if (packet.type != Packet::kStream) return refuse(packet);
  auto const found = connections_.find({packet.source_port, packet.destination_port});
  if (found != connections_.end()) return receive(ConnectionPointer{found->second}, packet);
  if (packet.operation == Packet::request) return open(packet);
  refuse(packet);
}

void Ports::receive(ConnectionPointer const& connection, Packet const& packet) {
  connection->guest_room = packet.room;
  connection->guest_taken = packet.taken;
  switch (packet.operation) {
    case Packet::response:
      connection->stands = true;
      break;
    case Packet::reset:
      return end(connection, false);
    case Packet::shutdown:
      if ((packet.flags & Packet::kSendsNoMore) != 0) connection->guest_sends_no_more = true;
      if ((packet.flags & Packet::kTakesNoMore) != 0) connection->guest_takes_no_more = true;
      end_if_over(connection);
      break;
    case Packet::data:
      // More than it was told that there is room for, or after its end, makes no sense.
      if (!connection->stands || connection->guest_sends_no_more ||
          packet.payload.size() > connection->to_host.free())
        return end(connection, true);
      connection->to_host.append(packet.payload);
      break;
    case Packet::credit_update:
      break;
    case Packet::credit_request:
      send(*connection, Packet::credit_update);
      break;
    default:
      return end(connection, true);
  }
  connection->changed.notify_all();
}

void Ports::open(Packet const& packet) {
  if (connections_.size() >= kConnectionsMax) return refuse(packet);
  auto const connection =
      std::make_shared<Connection>(Key{packet.source_port, packet.destination_port});
  connection->guest_room = packet.room;
  connection->guest_taken = packet.taken;
  connections_.emplace(connection->key, connection);
  threads_.spawn("vsock-to-host", [this, connection] { connect(connection); }, {.isolated = true});
}

void Ports::connect(ConnectionPointer const& connection) {
  auto stream = world_.network().connect_local(
      fmt::format("{}_{}", path_, connection->key.host_port), threads::within(kPatience));
  Lock lock{mutex_};
  if (!wait_for_room(lock) || connection->dead) return;
  if (!stream) return end(connection, true);
  connection->stream = *std::move(stream);
  connection->stands = true;
  send(*connection, Packet::response);
  threads_.spawn("vsock-to-guest", [this, connection] { carry_to_guest(connection); },
                 {.isolated = true});
  lock.unlock();
  carry_to_host(connection);
}

void Ports::accept(world::Listener& listener) {
  for (;;) {
    auto stream = listener.accept(Deadline::never());
    if (!stream) {
      if (stream.error().fault == Fault::cancelled || stream.error().fault == Fault::closed) return;
      world_.log().warning("machine", "{}: {}", path_, stream.error().what);
      if (!threads::sleep_for(kAfterFailure)) return;
      continue;
    }
    if (threads_.threads_alive() > 2 * kConnectionsMax) continue;  // and it is closed
    threads_.spawn("vsock-call",
                   [this, shared = std::make_shared<std::unique_ptr<world::Stream>>(
                              *std::move(stream))] { call(std::move(*shared)); },
                   {.isolated = true});
  }
}

/// The port that somebody asks for.
Result<std::uint32_t> Ports::read_wish(world::Stream& stream) {
  auto const deadline = threads::within(kPatience);
  std::string line;
  while (line.size() < kWishMax) {
    std::array<std::uint8_t, 1> byte;
    MUT_TRY(stream.read_exactly(byte, deadline));
    if (byte[0] != '\n') {
      line.push_back(static_cast<char>(byte[0]));
      continue;
    }
    std::uint32_t port = 0;
    if (!line.starts_with(kWish)) break;
    auto const* const end = line.data() + line.size();
    auto const [stop, error] = std::from_chars(line.data() + kWish.size(), end, port);
    if (error != std::errc{} || stop != end) break;
    return port;
  }
  return fail(Fault::invalid, fmt::format("{}: '{}'", path_, line), "write CONNECT PORT first");
}

void Ports::call(std::unique_ptr<world::Stream> stream) {
  auto const wish = read_wish(*stream);
  if (!wish) return;
  Lock lock{mutex_};
  if (!wait_for_room(lock) || connections_.size() >= kConnectionsMax) return;
  auto const connection = std::make_shared<Connection>(Key{*wish, next_port_++});
  connection->stream = std::move(stream);
  connections_.emplace(connection->key, connection);
  send(*connection, Packet::request);
  auto const answered = connection->changed.wait(
      lock, [&] { return connection->stands || connection->dead; }, threads::within(kPatience));
  if (connection->dead) return;
  if (!answered) return end(connection, true);
  lock.unlock();
  auto const told = connection->stream->write_all(fmt::format("OK {}\n", connection->key.host_port),
                                                  threads::within(kPatience));
  lock.lock();
  if (!told) return end(connection, true);
  threads_.spawn("vsock-to-guest", [this, connection] { carry_to_guest(connection); },
                 {.isolated = true});
  lock.unlock();
  carry_to_host(connection);
}

void Ports::carry_to_guest(ConnectionPointer const& connection) {
  Bytes buffer(kPieceBytes);
  Lock lock{mutex_};
  for (;;) {
    auto const waited = connection->changed.wait(
        lock, [&] { return connection->dead || connection->credit() != 0; });
    if (!waited || connection->dead) return;
    auto const room =
        MutableBytes{buffer}.first(std::min<std::size_t>(connection->credit(), buffer.size()));
    lock.unlock();
    auto const got = connection->stream->read_some(room, Deadline::never());
    lock.lock();
    if (!wait_for_room(lock) || connection->dead) return;
    if (!got) return end(connection, true);
    if (*got == 0) {
      connection->host_finished = true;
      send(*connection, Packet::shutdown, Packet::kSendsNoMore);
      return end_if_over(connection);
    }
    connection->sent += static_cast<std::uint32_t>(*got);
    send(*connection, Packet::data, 0, room.first(*got));
  }
}

void Ports::carry_to_host(ConnectionPointer const& connection) {
  auto& bytes = connection->to_host;
  Lock lock{mutex_};
  for (;;) {
    auto const waited = connection->changed.wait(lock, [&] {
      return connection->dead || bytes.size() != 0 || connection->guest_sends_no_more;
    });
    if (!waited || connection->dead) return;
    std::size_t const count = std::min(bytes.size(), kPieceBytes);
    if (count == 0) {
      connection->stream->finish_writing();
      if (wait_for_room(lock)) end_if_over(connection);
      return;
    }
    auto const pieces = bytes.view(0, count);
    std::array<ByteView, 2> const parts{pieces.first, pieces.second};
    lock.unlock();
    auto const written = connection->stream->write_all(
        std::span{parts}.first(pieces.second.empty() ? 1 : 2), Deadline::never());
    lock.lock();
    if (!wait_for_room(lock) || connection->dead) return;
    if (!written) return end(connection, true);
    bytes.drop(count);
    connection->taken += static_cast<std::uint32_t>(count);
    if (connection->taken - connection->taken_told >= kBufferBytes / 4)
      send(*connection, Packet::credit_update);
  }
}

}  // namespace mutirao::machine::vsock
