// Both directions of BEP 15. The tracker: an answer to an unproven source is never longer than its
// question. What the client writes, the tracker reads.
#include <cstdint>
#include <cstdlib>

#include "announce/announce_parts.h"
#include "announce/announce_udp.h"
#include "tracker/tracker_udp.h"

using namespace mutirao;
using namespace mutirao::swarm;

namespace {
void ask_the_tracker(ByteView datagram) {
  static TrackerOptions const options;
  static SipKey const key{1, 2};
  static ConnectionIds const ids{key};
  static TrackerRegistry registry{options, key, 3};
  registry.admit(Sha1Digest{});
  world::Endpoint const from{world::IpAddress::v4({1, 2, 3, 4}), 1000};
  TrackerUdp udp{registry, ids, options, [](auto const&) { return true; }};
  Bytes answer;
  udp.answer(datagram, from, 1000, answer);
  bool const proven =
      datagram.size() >= 8 && ids.check(base::load_be<std::uint64_t>(datagram), from.address, 1000);
  if (!proven && answer.size() > datagram.size()) std::abort();

  // The same with a valid connection id, so that what lies behind it is reached.
  if (datagram.size() < 16) return;
  Bytes valid{datagram.begin(), datagram.end()};
  base::store_be<std::uint64_t>(valid, ids.make(from.address, 1000));
  udp.answer(valid, from, 1000, answer);
  if (answer.size() > 2048) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const datagram{data, size};
  if (read_udp_answer_head(datagram)) {
    static_cast<void>(parse_udp_connect_answer(datagram));
    static_cast<void>(parse_udp_scrape_answer(datagram));
    static_cast<void>(parse_udp_error(datagram));
    for (bool const v6 : {false, true})
      if (auto const answer = parse_udp_announce_answer(datagram, v6);
          answer && answer->peers.size() > kAnswerPeersMax)
        std::abort();
  }
  if (auto const question = parse_udp_question(datagram)) {
    if (auto const* announce = std::get_if<UdpAnnounceQuestion>(&*question)) {
      auto const again = parse_udp_question(write_udp(*announce));
      if (!again || std::get<UdpAnnounceQuestion>(*again).url_data != announce->url_data)
        std::abort();
    }
  }
  ask_the_tracker(datagram);
  return 0;
}
