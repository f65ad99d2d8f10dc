#include "datagram.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "life.h"

namespace mutirao::sim {

namespace {
constexpr std::size_t kDatagramBytesMax = 65507;  // UDP over IPv4
/// What a queued datagram takes of the buffer besides its bytes, so that empty ones are bounded
/// too.
constexpr std::size_t kDatagramOverhead = 256;

bool fits(Link const& link, std::size_t size) noexcept {
  return link.datagram_bytes_max == 0 || size <= link.datagram_bytes_max;
}

/// A datagram under way.
struct Packet {
  Fabric& fabric;
  Station& from;
  Header header;
  Bytes bytes;
};

void deliver(std::unique_ptr<Packet> packet, Station& to) {
  if (!to.up) return;
  auto const* const found = Station::bound_to(to.datagram_sockets, packet->header.target);
  if (found == nullptr) return;
  auto& socket = **found;
  auto const weight = packet->bytes.size() + kDatagramOverhead;
  auto& fabric = packet->fabric;
  if (socket.arrived_bytes + weight > fabric.options.datagram_buffer_bytes) return;
  fabric.note(TraceEvent::datagram, to, packet->bytes.size());
  fabric.note_content(to, packet->bytes);
  socket.arrived_bytes += weight;
  socket.arrived.push_back({std::move(packet->bytes), packet->header.source});
  socket.receivers.wake_one();
}

void arrive(std::unique_ptr<Packet> packet, Station& to) {
  auto& fabric = packet->fabric;
  auto const now = fabric.events.now();
  if (auto const later = fabric.unclogged(packet->from, to); later > now) {
    fabric.events.at(
        later, [packet = std::move(packet), &to]() mutable { arrive(std::move(packet), to); });
    return;
  }
  if (!fabric.passes(packet->from, to)) return;
  auto const through = &packet->from == &to ? now : to.downlink.pass(now, packet->bytes.size());
  if (through <= now + kGrain) return deliver(std::move(packet), to);
  fabric.events.at(through,
                   [packet = std::move(packet), &to]() mutable { deliver(std::move(packet), to); });
}

/// On to where the way leads, unless the link loses it.
void travel(std::unique_ptr<Packet> packet, Way const& way) {
  auto& fabric = packet->fabric;
  if (fabric.random.chance(way.link.loss)) return;
  auto delay = fabric.delay(way.link);
  if (way.link.reordering > 0 && fabric.random.chance(way.link.reordering))
    delay += fabric.random.up_to(way.link.reordering_delay);
  fabric.events.at(way.left + delay, [packet = std::move(packet), station = way.station,
                                      router = way.router]() mutable {
    if (station != nullptr) return arrive(std::move(packet), *station);
    auto const next = packet->fabric.inward(*router, packet->header, packet->bytes.size());
    if (next.verdict == Verdict::passed && fits(next.link, packet->bytes.size()))
      travel(std::move(packet), next);
  });
}
}  // namespace

void DatagramState::crash() noexcept {
  crashed = true;
  receivers.wake_all();
}

Result<void> SimulatedDatagramSocket::send_to(ByteView datagram, world::Endpoint to, Deadline) {
  if (state_->crashed) return crashed_host();
  if (state_->closed) return fail(Fault::closed, "send: the socket is closed");
  if (datagram.size() > kDatagramBytesMax) {
    return fail(Fault::invalid, fmt::format("send: a datagram of {} bytes; {} is the most",
                                            datagram.size(), kDatagramBytesMax));
  }
  auto source = state_->local;
  if (source.address.is_unspecified()) {
    if (to.address.is_loopback() || to.address.is_unspecified()) {
      source.address = to.address.is_v4() ? world::IpAddress::loopback() : to.address;
    } else if (auto const* const address = station_.address_like(to.address)) {
      source.address = *address;
    } else {
      return fail(Fault::unreachable, fmt::format("send: no way to {}", to.to_string()));
    }
  } else if (!station_.owns(source.address)) {
    return std::unexpected{base::system_error(  // as Linux says it
        EINVAL, fmt::format("send from {}, which is no address of this host any more",
                            source.to_string()))};
  }
  if (to.address.is_unspecified())
    to.address = to.address.is_v4() ? world::IpAddress::loopback() : to.address;
  Header header{Header::Kind::datagram, source, to};
  auto const way = fabric_.outward(station_, header, datagram.size());
  if (way.verdict != Verdict::passed || !fits(way.link, datagram.size())) return {};
  int const copies = fabric_.random.chance(way.link.duplication) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    travel(std::make_unique<Packet>(fabric_, station_, header,
                                    Bytes(datagram.begin(), datagram.end())),
           way);
  }
  return {};
}

Result<world::DatagramSocket::Received> SimulatedDatagramSocket::receive(MutableBytes into,
                                                                         Deadline deadline) {
  for (;;) {
    if (state_->crashed) return crashed_host();
    if (state_->closed) return fail(Fault::closed, "receive: the socket is closed");
    if (!state_->arrived.empty()) break;
    MUT_TRY(state_->receivers.wait(deadline, "receive", threads::wait_kind::readable));
  }
  auto const first = state_->arrived.pop_front();
  state_->arrived_bytes -= first.bytes.size() + kDatagramOverhead;
  auto const size = std::min(into.size(), first.bytes.size());
  if (size > 0) std::memcpy(into.data(), first.bytes.data(), size);
  return Received{size, first.from};
}

void SimulatedDatagramSocket::close() noexcept {
  if (state_->crashed || std::exchange(state_->closed, true)) return;
  station_.datagram_sockets.erase(state_->local);
  state_->receivers.wake_all();
}

}  // namespace mutirao::sim
