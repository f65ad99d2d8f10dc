// A guest and programs of the host that mean no good to the host's end of virtio sockets: the input
// is a script of what they do. What the guest gets makes sense, what is held is bounded, and when
// all is over nothing is left.
#include <algorithm>
#include <deque>
#include <set>
#include <tuple>
#include <utility>

#include "mutirao/base/check.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "testing/script.h"
#include "testing/test_guest.h"
#include "vsock/ports.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;
using vsock::Packet;
using vsock::Ports;

constexpr std::size_t kSocketsMax = 8;

class Drama {
 public:
  Drama(sim::Simulation& simulation, ByteView script)
      : host_{simulation.add_host("host")}, script_{script} {}

  void run() {
    auto& network = host_.world().network();
    ports_ = *Ports::create("/vsock", guest_.link, host_.world());
    auto const listener = *network.listen_local("/vsock_0");
    threads::scope accepting;
    accepting.spawn("accepts", [&] {
      while (auto stream = listener->accept(Deadline::never()))
        if (streams_.size() < kSocketsMax) streams_.push_back(*std::move(stream));
    });
    while (!script_.empty()) step(network);
    accepting.request_stop();
    static_cast<void>(accepting.join());
    streams_.clear();
    // The guest forgets all that it had, and says so.
    for (int i = 0; i < 3; ++i) {
      static_cast<void>(threads::sleep_for(2 * Ports::kPatience));
      drain(SIZE_MAX);
      for (auto const& [port, its] : known_) send({.operation = Packet::reset}, port, its);
    }
    static_cast<void>(threads::sleep_for(1s));
    MUT_ASSERT(ports_->count() == 0);
  }

 private:
  void send(Packet packet, std::uint32_t port, std::uint32_t its) {
    packet.source_cid = vsock::kGuestCid;
    packet.destination_cid = vsock::kHostCid;
    packet.source_port = port;
    packet.destination_port = its;
    put(vsock::to_bytes(packet));
  }
  void put(Bytes packet) {
    if (guest_.link.may_send()) guest_.send(std::move(packet));
    threads::yield();
  }

  void step(world::Network& network) {
    switch (script_.byte() % 8) {
      case 0: {
        auto const raw = script_.bytes(script_.byte());
        return put(Bytes(raw.begin(), raw.end()));
      }
      case 1:
      case 2: {
        auto const how = script_.byte();
        Bytes const payload((how & 0x80) != 0 ? script_.word() : 0);
        std::uint32_t its = how % 4 == 3 ? script_.byte() : 0u;
        auto port = script_.byte() % 4u;
        if (how % 4 == 2) std::tie(port, its) = last_;
        return send({.operation = static_cast<std::uint16_t>(how / 4 % 9),
                     .flags = script_.byte(),
                     .room = script_.word() * 8u,
                     .taken = script_.word(),
                     .payload = payload},
                    port, its);
      }
      case 3:
        return drain(script_.byte());
      case 4:
        static_cast<void>(threads::sleep_for(std::chrono::milliseconds{script_.word()}));
        return;
      case 5: {
        auto stream = network.connect_local("/vsock", threads::within(1s));
        if (!stream) return;
        static_cast<void>(
            (*stream)->write_all(script_.bytes(script_.byte() % 32), threads::within(10ms)));
        if (streams_.size() < kSocketsMax) streams_.push_back(*std::move(stream));
        return;
      }
      case 6: {
        if (streams_.empty()) return;
        auto& stream = *streams_[script_.byte() % streams_.size()];
        Bytes buffer(script_.word() + 1u);
        if (script_.byte() % 2 == 0)
          static_cast<void>(stream.write_all(buffer, threads::within(10ms)));
        else
          static_cast<void>(stream.read_some(buffer, threads::within(10ms)));
        return;
      }
      default:
        if (streams_.empty()) return;
        if (script_.byte() % 2 == 0)
          streams_.front()->finish_writing();
        else
          streams_.pop_front();
        return;
    }
  }

  void drain(std::size_t count) {
    for (; count != 0; --count) {
      auto const frame = guest_.link.receive();
      if (!frame) break;
      auto const packet = vsock::parse_packet(frame->bytes);
      MUT_ASSERT(packet && packet->source_cid == vsock::kHostCid &&
                 packet->destination_cid == vsock::kGuestCid);
      MUT_ASSERT(packet->payload.size() + vsock::kHeaderBytes == frame->bytes.size());
      MUT_ASSERT(packet->operation != Packet::data || !packet->payload.empty());
      last_ = {packet->destination_port, packet->source_port};
      if (packet->operation != Packet::reset) known_.insert(last_);
    }
    MUT_ASSERT(ports_->count() <= Ports::kConnectionsMax);
  }

  sim::Host& host_;
  Script script_;
  TestGuest guest_;
  std::deque<std::unique_ptr<world::Stream>> streams_;
  using PortPair = std::pair<std::uint32_t, std::uint32_t>;  // the guest's first
  std::set<PortPair> known_;
  PortPair last_;
  std::unique_ptr<Ports> ports_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size > 2048) return 0;
  sim::Simulation simulation;
  simulation.run([&](sim::Simulation& inside) { Drama{inside, {data, size}}.run(); });
  return 0;
}
