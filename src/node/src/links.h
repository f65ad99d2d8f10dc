#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mutirao/node/library.h"
#include "mutirao/swarm/ids.h"
#include "mutirao/world/address.h"

namespace mutirao::node {

/// Under which addresses and URLs others find this node.
///
/// A link that works only on the machine that made it is the first thing that goes wrong with
/// sharing: so a link names the addresses of the local networks first, and loopback last for a
/// second node on the same machine. Pure.
struct Contact {
  std::vector<world::Endpoint> endpoints;  ///< best first, at most 8, never empty
  std::string base_url;                    ///< "http://192.168.1.5:6881"
  std::string announce_url;                ///< base_url + "/announce"
  std::string udp_announce_url;            ///< empty without a UDP tracker

  /// `bound` is where the node listens; `local` are the addresses of this host. `named_url` is what
  /// the user said how others reach the node, or empty.
  [[nodiscard]] static Contact of(world::Endpoint bound, std::vector<world::IpAddress> const& local,
                                  std::string named_url, bool udp_tracker);
};

/// The links of a torrent that this node serves. `trackers` are those beside the node's own;
/// without `torrent_known` there is no .torrent to link to. A private torrent gets no address of
/// ours (BEP 27: only its trackers may introduce peers).
[[nodiscard]] Links make_links(Contact const& contact, swarm::InfoHash const& info_hash,
                               std::string const& name, std::vector<std::string> const& trackers,
                               bool torrent_known, bool is_private);

}  // namespace mutirao::node
