#pragma once

#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/swarm/metainfo.h"

namespace mutirao::swarm {

/// Where this site can be reached, as a visitor sees it.
struct SiteOrigin {
  std::string url;        ///< "http://host:port", no slash at the end
  std::string authority;  ///< "host:port", the port always there
};

/// The origin of a base URL, or of a Host field; refuses what is no host name, address or port, so
/// that nothing odd is ever repeated to other visitors.
[[nodiscard]] Result<SiteOrigin> site_origin(std::string_view base_url,
                                             std::string_view host_field);

/// The torrent with our tracker, HTTP and UDP, as its first tier, and our web seed beside its own.
/// A private torrent (BEP 27) that has trackers keeps those alone: its peers must not be mixed.
[[nodiscard]] Result<Bytes> torrent_with_origin(Metainfo const& metainfo, std::string const& id,
                                                SiteOrigin const& origin);
[[nodiscard]] std::string magnet_with_origin(Metainfo const& metainfo, std::string const& id,
                                             SiteOrigin const& origin);

}  // namespace mutirao::swarm
