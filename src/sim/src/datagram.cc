#include "datagram.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "life.h"

namespace mutirao::sim {

namespace {
constexpr std::size_t kDatagramBytesMax = 65507;  // UDP over IPv4
constexpr Duration kUplinkBacklogMax = 200ms;     // a longer queue drops its tail
/// What a queued datagram takes of the buffer besides its bytes, so that empty ones are bounded
/// too.
constexpr std::size_t kDatagramOverhead = 256;

struct Packet {
  Fabric& fabric;
  Station& from;
  Station& to;
  world::Endpoint source;
  world::Endpoint target;
  std::shared_ptr<Bytes const> bytes;
};

void deliver(Packet const& packet) {
  if (!packet.to.up) return;
  auto const* const found = Station::bound_to(packet.to.datagram_sockets, packet.target);
  if (found == nullptr) return;
  auto& socket = **found;
  auto const weight = packet.bytes->size() + kDatagramOverhead;
  if (socket.arrived_bytes + weight > packet.fabric.options.datagram_buffer_bytes) return;
  packet.fabric.note(TraceEvent::datagram, packet.to, packet.bytes->size());
  socket.arrived_bytes += weight;
  socket.arrived.push_back({packet.bytes, packet.source});
  socket.receivers.wake_one();
}

void arrive(std::shared_ptr<Packet const> packet) {
  auto& fabric = packet->fabric;
  if (!fabric.passes(packet->from, packet->to)) return;
  auto const through = fabric.landing(packet->from, packet->to, packet->bytes->size());
  if (through <= fabric.events.now() + kGrain) return deliver(*packet);
  fabric.events.at(through, [packet = std::move(packet)] { deliver(*packet); });
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
  auto* const target = fabric_.find(station_, to.address);
  if (target == nullptr) return {};
  auto const now = fabric_.events.now();
  if (target != &station_ && station_.uplink.free_at() - now > kUplinkBacklogMax) return {};
  auto source = state_->local;
  if (source.address.is_unspecified()) {
    source.address =
        target == &station_ && to.address.is_loopback() ? to.address : station_.addresses.front();
  }
  if (to.address.is_unspecified())
    to.address = to.address.is_v4() ? world::IpAddress::loopback() : to.address;
  auto const& link = fabric_.link(station_, *target);
  auto const left = fabric_.departure(station_, *target, datagram.size());
  auto packet = std::make_shared<Packet const>(
      Packet{fabric_, station_, *target, source, to,
             std::make_shared<Bytes const>(datagram.begin(), datagram.end())});
  int const copies = fabric_.random.chance(link.duplication) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    if (fabric_.random.chance(link.loss)) continue;
    fabric_.events.at(left + fabric_.delay(station_, *target), [packet] { arrive(packet); });
  }
  return {};
}

Result<world::DatagramSocket::Received> SimulatedDatagramSocket::receive(MutableBytes into,
                                                                         Deadline deadline) {
  for (;;) {
    if (state_->crashed) return crashed_host();
    if (state_->closed) return fail(Fault::closed, "receive: the socket is closed");
    if (!state_->arrived.empty()) break;
    MUT_TRY(state_->receivers.wait(deadline, "receive"));
  }
  auto const first = std::move(state_->arrived.front());
  state_->arrived.pop_front();
  state_->arrived_bytes -= first.bytes->size() + kDatagramOverhead;
  auto const size = std::min(into.size(), first.bytes->size());
  if (size > 0) std::memcpy(into.data(), first.bytes->data(), size);
  return Received{size, first.from};
}

void SimulatedDatagramSocket::close() noexcept {
  if (state_->crashed || std::exchange(state_->closed, true)) return;
  station_.datagram_sockets.erase(state_->local);
  state_->receivers.wake_all();
}

}  // namespace mutirao::sim
