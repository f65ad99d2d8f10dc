#pragma once

#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/swarm/announce.h"

/// The HTTP tracker protocol as text and bytes (BEP 3, 7, 23, 31, 48); no I/O.
namespace mutirao::swarm {

/// The request target of an announce: the tracker's own target, its query kept, with ours behind
/// it.
[[nodiscard]] std::string http_announce_target(std::string_view tracker_target,
                                               AnnounceRequest const& request);

/// BEP 48: the last path segment, which must begin with "announce", becomes "scrape".
[[nodiscard]] Result<std::string> http_scrape_target(std::string_view tracker_target,
                                                     Sha1Digest const& info_hash);

/// The body of an answer. `failure reason` is Fault::refused.
[[nodiscard]] Result<AnnounceAnswer> parse_http_announce_answer(ByteView body);
[[nodiscard]] Result<ScrapeAnswer> parse_http_scrape_answer(ByteView body,
                                                            Sha1Digest const& info_hash);

/// The tracker's own words when `body` is a failure answer; an empty text otherwise.
[[nodiscard]] std::string http_failure_reason(ByteView body);

}  // namespace mutirao::swarm
