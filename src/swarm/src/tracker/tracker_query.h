#pragma once

#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/swarm/announce.h"
#include "mutirao/wire/http.h"

/// What peers ask over HTTP, and the answers as bytes (BEP 3, 7, 23, 31, 48); no I/O.
namespace mutirao::swarm {

struct HttpAnnounceQuestion {
  AnnounceRequest request;
  bool compact = true;  ///< false only when asked for: everybody reads the short form now
};

/// A field that is missing, repeated or out of its range is refused, and the text says which.
[[nodiscard]] Result<HttpAnnounceQuestion> parse_announce_query(wire::HttpTarget const& target);
/// The torrents asked for, at most 64; empty: all of them.
[[nodiscard]] Result<std::vector<Sha1Digest>> parse_scrape_query(wire::HttpTarget const& target);

struct HttpAnnounceAnswer {
  std::int64_t interval_seconds;
  std::int64_t interval_min_seconds;
  std::uint32_t seeds;
  std::uint32_t leeches;
  std::uint32_t completed;
  Bytes peers;   ///< 6 bytes each
  Bytes peers6;  ///< 18 bytes each
};
/// In the long form a peer is a dictionary of address and port; its id is not kept, as `no_peer_id`
/// would have it.
[[nodiscard]] Bytes write_announce_answer(HttpAnnounceAnswer const& answer, bool compact);
/// `retry_minutes` 0: not said.
[[nodiscard]] Bytes write_tracker_failure(std::string_view reason, std::int64_t retry_minutes = 0);

struct ScrapedTorrent {
  Sha1Digest info_hash;
  ScrapeAnswer counts;
};
/// Sorts by info hash, as bencode wants it.
[[nodiscard]] Bytes write_scrape_answer(std::vector<ScrapedTorrent> torrents);

}  // namespace mutirao::swarm
