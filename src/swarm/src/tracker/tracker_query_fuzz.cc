// What a peer may ask over HTTP: any request target.
#include <cstdint>
#include <cstdlib>

#include "announce/announce_http.h"
#include "tracker/tracker_query.h"

using namespace mutirao;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const target = wire::HttpTarget::parse(base::text_of({data, size}));
  if (!target) return 0;
  if (auto const question = swarm::parse_announce_query(*target)) {
    // What our client would write for it means the same.
    auto const again =
        wire::HttpTarget::parse(swarm::http_announce_target("/announce", question->request));
    if (!again) std::abort();
    auto const reread = swarm::parse_announce_query(*again);
    if (!reread || reread->request.info_hash != question->request.info_hash ||
        reread->request.port != question->request.port)
      std::abort();
  }
  if (auto const torrents = swarm::parse_scrape_query(*target); torrents && torrents->size() > 64)
    std::abort();
  return 0;
}
