#include "links.h"

#include <algorithm>

#include "mutirao/swarm/magnet.h"

namespace mutirao::node {
namespace {

constexpr std::size_t kEndpointsMax = 8;

bool is_link_local(world::IpAddress const& address) {
  auto const bytes = address.bytes();
  return address.is_v4() ? bytes[0] == 169 && bytes[1] == 254
                         : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

/// Lower comes first: local IPv4 networks are what a neighbour most likely shares with us.
int rank(world::IpAddress const& address) {
  if (address.is_loopback()) return 3;
  return address.is_v4() ? 0 : address.is_internal() ? 2 : 1;
}

}  // namespace

Contact Contact::of(world::Endpoint bound, std::vector<world::IpAddress> const& local,
                    std::string named_url, bool udp_tracker) {
  Contact contact;
  if (!bound.address.is_unspecified()) {
    contact.endpoints.push_back(bound);
  } else {
    bool const also_v6 = !bound.address.is_v4();
    for (auto const& address : local)
      if (!is_link_local(address) && !address.is_unspecified() && (address.is_v4() || also_v6))
        contact.endpoints.push_back({address, bound.port});
    std::ranges::stable_sort(contact.endpoints, {},
                             [](auto const& endpoint) { return rank(endpoint.address); });
    if (contact.endpoints.empty())
      contact.endpoints.push_back({world::IpAddress::loopback(), bound.port});
    if (contact.endpoints.size() > kEndpointsMax) contact.endpoints.resize(kEndpointsMax);
  }
  auto const& best = contact.endpoints.front();
  contact.base_url = named_url.empty() ? "http://" + best.to_string() : std::move(named_url);
  while (contact.base_url.ends_with('/')) contact.base_url.pop_back();
  contact.announce_url = contact.base_url + "/announce";
  if (udp_tracker) contact.udp_announce_url = "udp://" + best.to_string() + "/announce";
  return contact;
}

Links make_links(Contact const& contact, swarm::InfoHash const& info_hash, std::string const& name,
                 std::vector<std::string> const& trackers, bool torrent_known, bool is_private) {
  swarm::Magnet magnet;
  magnet.info_hash = info_hash;
  magnet.name = name;
  auto const add_tracker = [&](std::string const& url) {
    if (!url.empty() && magnet.trackers.size() < 16 &&
        std::ranges::find(magnet.trackers, url) == magnet.trackers.end())
      magnet.trackers.push_back(url);
  };
  if (!is_private) {
    add_tracker(contact.announce_url);
    add_tracker(contact.udp_announce_url);
    magnet.peers = contact.endpoints;
  }
  for (auto const& url : trackers) add_tracker(url);
  return {.magnet = magnet.to_string(),
          .page = contact.base_url + "/",
          .torrent = torrent_known ? contact.base_url + "/torrents/" + info_hash.id() + ".torrent"
                                   : std::string{}};
}

}  // namespace mutirao::node
