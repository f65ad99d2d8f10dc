#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mutirao/net/http_client.h"
#include "mutirao/world/address.h"

namespace mutirao::node {

inline constexpr std::uint16_t kDefaultPort = 6881;
extern std::string_view const kVersion;  ///< of the CMake project

/// Everything that a node has to be told. What it can find out itself is not here.
struct NodeConfig {
  /// Database, maps of what is verified, log. One node at a time; made when missing.
  std::string state_folder;
  /// The Unix socket on which `mutirao status` and the like reach the node.
  std::string control_socket;
  /// Where downloads go when the request names no folder.
  std::string download_folder;
  /// Peers, the page and the HTTP tracker (TCP) and the UDP tracker share this endpoint. Absent:
  /// the port of last time, else 6881, else the next free one, on every address. A specific address
  /// is also the source of the connections that the node makes. Port 0: the system chooses.
  std::optional<world::Endpoint> listen;
  /// Where commands of other machines reach the node, by TLS and with keys that it knows (see
  /// remote.h), on the address of `listen`. Absent: nowhere. 0: the system chooses.
  std::optional<std::uint16_t> control_port;
  /// How others reach this node ("http://share.example.org"); empty: by the addresses of this host.
  std::string base_url;
  /// Where trackers and web seeds that a torrent names may lie.
  net::Reach reach = net::Reach::public_only;
  std::uint64_t upload_rate_max = 0;    ///< bytes/s, 0: unlimited
  std::uint64_t download_rate_max = 0;  ///< bytes/s, 0: unlimited
  std::int64_t process_id = 0;          ///< named to whoever finds the state folder in use
  std::string log_level = "info";       ///< what is told here only, so that it can be looked at
  /// Where values came from that are not the defaults, by the keys of ConfigEntry: "--listen",
  /// "$XDG_STATE_HOME".
  std::map<std::string, std::string> from{};
};

/// One value of a node's configuration, for people and programs that look at it.
struct ConfigEntry {
  std::string key;    ///< the flag of `mutirao up` without its dashes, where there is one
  std::string value;  ///< in force; "none" where there is none; without secrets
  std::string from;   ///< "default", or as NodeConfig::from has it
  std::string about;
};

}  // namespace mutirao::node
