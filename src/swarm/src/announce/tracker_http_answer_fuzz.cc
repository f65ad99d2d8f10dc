// What an HTTP tracker may answer: any bytes.
#include <cstdint>
#include <cstdlib>

#include "announce/announce_http.h"
#include "announce/announce_parts.h"

using namespace mutirao;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const body{data, size};
  if (auto const answer = swarm::parse_http_announce_answer(body)) {
    if (answer->peers.size() > 2 * swarm::kAnswerPeersMax) std::abort();
    for (auto const& peer : answer->peers)
      if (peer.port == 0) std::abort();
  }
  static_cast<void>(swarm::parse_http_scrape_answer(body, {}));
  static_cast<void>(swarm::http_failure_reason(body));
  static_cast<void>(swarm::http_scrape_target(base::text_of(body), {}));
  return 0;
}
