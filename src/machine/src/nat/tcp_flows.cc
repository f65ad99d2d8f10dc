#include "nat/tcp_flows.h"

#include <algorithm>
#include <utility>

#include "mutirao/threads/this_thread.h"

namespace mutirao::machine::nat {
namespace {

using Flags = TcpSegment;

// What is read or written at a time. Less room than that is not worth a call.
constexpr std::size_t kPieceBytes = 64 << 10, kRoomMin = 16 << 10;
constexpr Duration kAfterFailure = 1s;
constexpr std::size_t kTcpPayloadMax = 65535 - kIpv4Header - kTcpHeader;

}  // namespace

std::uint32_t TcpFlows::initial_number() {
  return static_cast<std::uint32_t>(inside_.world.entropy().next());
}

void TcpFlows::receive(Ipv4Packet const& packet, TcpSegment const& segment) {
  Key const key{packet.destination, segment.destination_port, segment.source_port};
  auto const found = flows_.find(key);
  if (found == flows_.end()) {
    if (segment.has(Flags::kReset)) return;
    if (!segment.has(Flags::kSyn) || segment.has(Flags::kAck)) return refuse(packet, segment);
    return open(key, packet, segment);
  }
  auto const flow = found->second;
  bool const was_aborted = flow->endpoint.aborted();
  flow->endpoint.receive(segment);
  flow->last_used = inside_.world.clock().now();
  if (flow->endpoint.aborted() && !was_aborted) end(*flow);
  if (flow->endpoint.to_host.size() != 0 || flow->endpoint.guest_finished())
    flow->news_for_host.notify_one();
  if (flow->endpoint.to_guest.free() >= kRoomMin) flow->room_to_guest.notify_one();
  changed(flow);
}

/// A reset, for what belongs to no connection (RFC 9293 3.10.7.1).
void TcpFlows::refuse(Ipv4Packet const& packet, TcpSegment const& segment) {
  bool const has_number = segment.has(Flags::kAck);
  TcpSegment const reset{
      .source_port = segment.destination_port,
      .destination_port = segment.source_port,
      .sequence = has_number ? segment.acknowledged : 0,
      .acknowledged = has_number ? 0 : segment.sequence + segment.length(),
      .flags = static_cast<std::uint8_t>(Flags::kReset | (has_number ? 0 : Flags::kAck)),
      .window = 0};
  inside_.send(inside_.maker.tcp(packet.destination, reset, {}, kMtu));
}

void TcpFlows::open(Key key, Ipv4Packet const& packet, TcpSegment const& segment) {
  auto const target = inside_.policy.target(packet.destination, segment.destination_port);
  if (!target)
    return inside_.send(
        inside_.maker.unreachable(FrameMaker::Unreachable::prohibited, packet.beginning()));
  if (flows_.size() >= kFlowsMax || connecting_ >= kConnectingMax) return refuse(packet, segment);
  auto const flow =
      std::make_shared<Flow>(key, TcpEndpoint::opened_by_guest(segment, initial_number()));
  auto const beginning = packet.beginning();
  flow->opening.assign(beginning.begin(), beginning.end());
  flow->last_used = inside_.world.clock().now();
  flows_.emplace(key, flow);
  ++connecting_;
  inside_.spawn("nat-tcp", [this, flow, target = *target] { connect(flow, target); });
}

void TcpFlows::connect(FlowPointer const& flow, world::Endpoint target) {
  auto stream = inside_.world.network().connect(target, {}, threads::within(kConnectPatience));
  {
    Lock const lock{inside_.mutex};
    --connecting_;
    if (flow->endpoint.aborted()) return;
    if (!stream) {
      bool const no_way =
          stream.error().fault == Fault::unreachable || stream.error().fault == Fault::timed_out;
      if (!no_way) {
        abort(flow);
        return pump();
      }
      inside_.send(inside_.maker.unreachable(FrameMaker::Unreachable::host, flow->opening));
      return forget(flow);
    }
    begin(flow, *std::move(stream));
    flow->endpoint.host_connected();
    changed(flow);
    pump();
  }
  carry_to_guest(flow);
}

void TcpFlows::publish(std::unique_ptr<world::Listener> listener, std::uint16_t guest_port) {
  inside_.spawn("nat-publish", [this, listener = std::move(listener), guest_port] {
    accept(*listener, guest_port);
  });
}

void TcpFlows::accept(world::Listener& listener, std::uint16_t guest_port) {
  for (;;) {
    auto stream = listener.accept(Deadline::never());
    if (!stream) {
      if (stream.error().fault == Fault::cancelled || stream.error().fault == Fault::closed) return;
      inside_.world.log().warning("machine", "a published port: {}", stream.error().what);
      if (!threads::sleep_for(kAfterFailure)) return;
      continue;
    }
    Lock const lock{inside_.mutex};
    if (flows_.size() >= kFlowsMax) continue;  // and the connection is closed
    Key key{kRouterAddress, 0, guest_port};
    do {
      key.remote_port = next_port_;
      next_port_ = next_port_ == 0xFFFF ? kFirstRouterPort : next_port_ + 1;
    } while (flows_.contains(key));
    auto const flow = std::make_shared<Flow>(key, TcpEndpoint::opened_by_host(initial_number()));
    flow->last_used = inside_.world.clock().now();
    flows_.emplace(key, flow);
    begin(flow, *std::move(stream));
    inside_.spawn("nat-tcp", [this, flow] { carry_to_guest(flow); });
    changed(flow);
    pump();
  }
}

void TcpFlows::begin(FlowPointer const& flow, std::unique_ptr<world::Stream> stream) {
  flow->stream = std::move(stream);
  inside_.spawn("nat-tcp-out", [this, flow] { carry_to_host(flow); });
}

void TcpFlows::carry_to_guest(FlowPointer const& flow) {
  auto& endpoint = flow->endpoint;
  Lock lock{inside_.mutex};
  for (;;) {
    auto const waited = flow->room_to_guest.wait(
        lock, [&] { return endpoint.aborted() || endpoint.to_guest.free() >= kRoomMin; });
    if (!waited || endpoint.aborted()) return;
    auto const room = endpoint.to_guest.room(std::min(endpoint.to_guest.free(), kPieceBytes));
    lock.unlock();
    auto const got =
        flow->stream->read_some(std::span{room}.first(room[1].empty() ? 1 : 2), Deadline::never());
    lock.lock();
    if (endpoint.aborted()) return;
    if (!got) {
      abort(flow);
      return pump();
    }
    flow->last_used = inside_.world.clock().now();
    if (*got == 0)
      endpoint.finish_to_guest();
    else
      endpoint.to_guest.filled(*got);
    changed(flow);
    pump();
    if (*got == 0) return;
  }
}

void TcpFlows::carry_to_host(FlowPointer const& flow) {
  auto& endpoint = flow->endpoint;
  Lock lock{inside_.mutex};
  for (;;) {
    auto const waited = flow->news_for_host.wait(lock, [&] {
      return endpoint.aborted() || endpoint.to_host.size() != 0 || endpoint.guest_finished();
    });
    if (!waited || endpoint.aborted()) return;
    std::size_t const count = std::min(endpoint.to_host.size(), kPieceBytes);
    if (count == 0) {
      flow->stream->finish_writing();
      flow->host_has_all = true;
      changed(flow);
      return pump();
    }
    auto const pieces = endpoint.to_host.view(0, count);
    std::array<ByteView, 2> const bytes{pieces.first, pieces.second};
    lock.unlock();
    auto const written = flow->stream->write_all(
        std::span{bytes}.first(pieces.second.empty() ? 1 : 2), Deadline::never());
    lock.lock();
    if (endpoint.aborted()) return;
    if (written)
      endpoint.to_host.drop(count);
    else
      abort(flow);
    flow->last_used = inside_.world.clock().now();
    changed(flow);
    pump();
  }
}

void TcpFlows::changed(FlowPointer const& flow) {
  if (!std::exchange(flow->ready, true)) ready_.push_back(flow);
}

void TcpFlows::abort(FlowPointer const& flow) {
  flow->endpoint.abort();
  end(*flow);
  changed(flow);
}

void TcpFlows::end(Flow& flow) {
  if (flow.stream) flow.stream->close();
  flow.room_to_guest.notify_all();
  flow.news_for_host.notify_all();
}

void TcpFlows::forget(FlowPointer const& flow) {
  // Another may have its ports by now.
  auto const found = flows_.find(flow->key);
  if (found != flows_.end() && found->second == flow) flows_.erase(found);
}

void TcpFlows::pump() {
  auto const abilities = inside_.link.abilities();
  while (!ready_.empty() && inside_.link.room_to_guest()) {
    auto const flow = std::move(ready_.front());
    ready_.pop_front();
    auto& endpoint = flow->endpoint;
    std::uint16_t const segment_bytes = endpoint.segment_bytes();
    std::size_t const payload_max =
        abilities.large_frames ? kTcpPayloadMax / segment_bytes * segment_bytes : segment_bytes;
    auto out = endpoint.next(payload_max);
    if (!out) {
      flow->ready = false;
      if (endpoint.silent() || (endpoint.closed() && flow->host_has_all)) forget(flow);
      continue;
    }
    out->segment.source_port = flow->key.remote_port;
    out->segment.destination_port = flow->key.guest_port;
    inside_.maker.leaves_checksums = abilities.checksums;
    inside_.link.to_guest(
        inside_.maker.tcp(flow->key.remote, out->segment, out->payload, segment_bytes));
    ready_.push_back(flow);
  }
}

void TcpFlows::save(StateWriter& to) const {
  StateWriter each;
  std::uint32_t count = 0;
  for (auto const& [key, flow] : flows_) {
    // The guest's own try to open one goes on by itself.
    if (!flow->endpoint.established()) continue;
    auto const segment = flow->endpoint.farewell();
    for (std::uint8_t const part : key.remote) each.put(part);
    each.put(key.remote_port);
    each.put(key.guest_port);
    each.put(segment.sequence);
    each.put(segment.acknowledged);
    ++count;
  }
  to.put(count);
  to.put(ByteView{each.bytes()});
}

bool TcpFlows::restore(StateReader& from) {
  constexpr std::size_t kFlowBytes = 16;
  std::uint32_t count = 0;
  Bytes bytes;
  if (!from.get(count) || count > kFlowsMax || !from.get(bytes, kFlowsMax * kFlowBytes) ||
      bytes.size() != count * kFlowBytes)
    return from.wrong();
  StateReader each{bytes, from.version()};
  inside_.maker.leaves_checksums = inside_.link.abilities().checksums;
  for (; count > 0; --count) {
    Ipv4Address remote{};
    TcpSegment reset{.source_port = 0,
                     .destination_port = 0,
                     .sequence = 0,
                     .acknowledged = 0,
                     .flags = Flags::kReset | Flags::kAck,
                     .window = 0};
    bool const there =
        std::ranges::all_of(remote, [&](std::uint8_t& part) { return each.get(part); }) &&
        each.get(reset.source_port) && each.get(reset.destination_port) &&
        each.get(reset.sequence) && each.get(reset.acknowledged);
    if (!there) return from.wrong();
    inside_.send(inside_.maker.tcp(remote, reset, {}, kMtu));
  }
  return true;
}

void TcpFlows::tick(TimePoint now) {
  bool const drained = inside_.link.drained();
  for (auto const& [key, flow] : flows_) {
    auto& endpoint = flow->endpoint;
    if (endpoint.aborted()) continue;
    endpoint.tick(now, drained);
    bool const open =
        endpoint.established() && !endpoint.guest_finished() && !endpoint.host_finished();
    if (endpoint.aborted() || now - flow->last_used > (open ? kIdleMax : kIdleTransitoryMax))
      abort(flow);
    changed(flow);
  }
  pump();
}

}  // namespace mutirao::machine::nat
