#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/middleware/interface.h"
#include "mutirao/middleware/schema.h"
#include "mutirao/node/library.h"
#include "mutirao/node/node.h"
#include "mutirao/node/records.h"
#include "mutirao/swarm/make_torrent.h"
#include "mutirao/threads/diagnostics.h"

/// The objects that a node offers on its control socket, and to those whose keys it knows on its
/// control port. Whatever a command can do, it does by
/// calling one of them; and so can any other program, also as JSON over HTTP and by msgpack-rpc.
namespace mutirao::node {

/// What sharing tells: how far the hashing is, and in the end what became of it.
struct ShareStep {
  std::optional<swarm::MakeProgress> hashing;
  std::optional<Shared> shared;
};

/// "library": what the node shares and fetches. The rules are those of class Library.
struct LibraryObject {
  static constexpr std::string_view kType = "Library";
  static constexpr std::string_view kName = "library";
  template <middleware::Name kMethod, class Signature, class... Traits>
  using Method = middleware::Method<kMethod, Signature, Traits...>;
  using Idempotent = middleware::Idempotent;
  using Reads = middleware::Reads;

  Method<"share", middleware::Yields<ShareStep>(ShareRequest)> share;
  Method<"put", middleware::Yields<ShareStep>(std::string, ShareRequest, middleware::Attachment)>
      put;
  Method<"get", Started(GetRequest), Idempotent> get;
  Method<"list", std::vector<Transfer>(), Reads> list;
  Method<"show", Transfer(std::string), Reads> show;
  Method<"pause", Transfer(std::string), Idempotent> pause;
  Method<"resume", Transfer(std::string), Idempotent> resume;
  Method<"verify", Transfer(std::string), Idempotent> verify;
  Method<"remove", Transfer(std::string, bool)> remove;
  Method<"watch", middleware::Yields<std::vector<Transfer>>(std::string, std::chrono::milliseconds),
         Reads>
      watch;
};

/// "swarm": the engine below the library: torrents with their peers and trackers.
struct SwarmObject {
  static constexpr std::string_view kType = "Swarm";
  static constexpr std::string_view kName = "swarm";

  middleware::Method<"list", std::vector<swarm::TorrentStatus>(), middleware::Reads> list;
  middleware::Method<"status", swarm::TorrentStatus(std::string), middleware::Reads> status;
  middleware::Method<"suggest_peer", void(std::string, std::string), middleware::Idempotent>
      suggest_peer;
};

/// "node": the node itself.
struct NodeObject {
  static constexpr std::string_view kType = "Node";
  static constexpr std::string_view kName = "node";

  middleware::Method<"status", NodeStatus(), middleware::Reads> status;
  middleware::Method<"stop", void(), middleware::Idempotent> stop;
  middleware::Method<"config", std::vector<ConfigEntry>(), middleware::Reads> config;
};

/// Somebody who may control a node from another machine.
struct AllowedKey {
  std::string key;   ///< "ed25519:..."
  std::string role;  ///< "viewer": may call what only reads; "owner": may do everything
  std::string name;  ///< for people
};

/// "keys": who may control the node from other machines. For owners alone, whatever interceptors
/// there are.
struct KeysObject {
  static constexpr std::string_view kType = "Keys";
  static constexpr std::string_view kName = "keys";

  middleware::Method<"list", std::vector<AllowedKey>(), middleware::Reads> list;
  /// Replaces what the key had. Counts at once.
  middleware::Method<"allow", void(AllowedKey), middleware::Idempotent> allow;
  /// By the key or its name; its connections are ended.
  middleware::Method<"revoke", AllowedKey(std::string)> revoke;
};

/// "threads": what its user threads do and wait for.
struct ThreadsObject {
  static constexpr std::string_view kType = "Threads";
  static constexpr std::string_view kName = "threads";

  middleware::Method<"report", threads::runtime_report(), middleware::Reads> report;
};

/// What every node of this version offers, "meta" of middleware/reflection.h included.
/// golden/schema.json is the one that programs of others were made for.
[[nodiscard]] middleware::Schema node_schema();

}  // namespace mutirao::node

template <>
inline constexpr auto mutirao::middleware::record_of<mutirao::node::ConfigEntry> =
    record("ConfigEntry", field(1, "key", &mutirao::node::ConfigEntry::key),
           field(2, "value", &mutirao::node::ConfigEntry::value),
           field(3, "from", &mutirao::node::ConfigEntry::from),
           field(4, "about", &mutirao::node::ConfigEntry::about));

template <>
inline constexpr auto mutirao::middleware::record_of<mutirao::node::AllowedKey> =
    record("AllowedKey", field(1, "key", &mutirao::node::AllowedKey::key),
           field(2, "role", &mutirao::node::AllowedKey::role),
           field(3, "name", &mutirao::node::AllowedKey::name));

template <>
inline constexpr auto mutirao::middleware::record_of<mutirao::node::ShareStep> =
    record("ShareStep", field(1, "hashing", &mutirao::node::ShareStep::hashing),
           field(2, "shared", &mutirao::node::ShareStep::shared));
