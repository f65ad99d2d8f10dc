// A guest that sends whatever segments it likes, and a host that takes and gives as it likes: the
// endpoint never announces more than it has room for, never sends more than the guest's window had,
// and never talks without end.
#include <cstdint>

#include "mutirao/base/check.h"

#include "nat/tcp_endpoint.h"
#include "testing/script.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine::nat;
using mutirao::machine::Script;

class Driver {
 public:
  explicit Driver(ByteView script) : script_{script} {}

  void run() {
    auto endpoint = script_.byte() % 2 == 0 ? TcpEndpoint::opened_by_guest(segment(), 0xFFFF'FF00)
                                            : TcpEndpoint::opened_by_host(0xFFFF'FF00);
    TimePoint now{};
    while (!script_.empty()) {
      switch (script_.byte() % 8) {
        case 0:
        case 1:
        case 2:
          endpoint.receive(segment());
          break;
        case 3:
          endpoint.host_connected();
          break;
        case 4:
          if (!endpoint.host_finished()) endpoint.to_guest.append(Bytes(script_.word()));
          break;
        case 5:
          endpoint.to_host.drop(
              std::min<std::size_t>(endpoint.to_host.size(), script_.word() * 4u));
          break;
        case 6:
          if (script_.byte() % 8 == 0)
            endpoint.finish_to_guest();
          else if (script_.byte() % 32 == 0)
            endpoint.abort();
          break;
        case 7:
          now += std::chrono::milliseconds{script_.word()};
          endpoint.tick(now, script_.byte() % 2 == 0);
          break;
        default:
          break;
      }
      listen_to(endpoint);
    }
  }

 private:
  /// Near where things stand, more often than not.
  TcpSegment segment() {
    auto const how = script_.byte();
    TcpSegment made{.source_port = 1,
                    .destination_port = 2,
                    .sequence = expected_,
                    .acknowledged = heard_,
                    .flags = script_.byte(),
                    .window = script_.word()};
    if ((how & 1) != 0) made.sequence += script_.word() - 0x8000u;
    if ((how & 2) != 0) made.acknowledged += script_.word() - 0x8000u;
    if ((how & 4) != 0) made.segment_bytes_max = script_.word();
    if ((how & 8) != 0) made.window_scale = script_.byte();
    if ((how & 16) != 0) payload_.resize(script_.word());
    made.payload = payload_;
    return made;
  }

  void listen_to(TcpEndpoint& endpoint) {
    // Each byte goes once at most without news, and a few segments say how things stand.
    std::size_t const most = endpoint.to_guest.size() / 64 + 8;
    for (std::size_t count = 0;; ++count) {
      MUT_ASSERT(count <= most);
      auto const out = endpoint.next(1460 + script_.byte() % 2 * 60'000u);
      if (!out) return;
      MUT_ASSERT(out->payload.size() <= endpoint.to_guest.size());
      unsigned const scale = out->segment.has(TcpSegment::kSyn) ? 0 : 4;
      MUT_ASSERT(out->segment.has(TcpSegment::kReset) ||
                 (std::size_t{out->segment.window} << scale) <=
                     std::max<std::size_t>(endpoint.to_host.free() << 4, 0xFFFF));
      if (out->segment.has(TcpSegment::kAck)) expected_ = out->segment.acknowledged;
      heard_ = out->segment.sequence + static_cast<std::uint32_t>(out->payload.size()) +
               out->segment.length();
      MUT_ASSERT(!endpoint.silent() || out->segment.has(TcpSegment::kReset));
    }
  }

  Script script_;
  std::uint32_t expected_ = 1000, heard_ = 0;
  Bytes payload_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  Driver{{data, std::min<std::size_t>(size, 2048)}}.run();
  return 0;
}
