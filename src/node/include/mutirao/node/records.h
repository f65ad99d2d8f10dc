#pragma once

#include <string>

#include "mutirao/middleware/codec.h"
#include "mutirao/node/library.h"
#include "mutirao/node/node.h"
#include "mutirao/swarm/make_torrent.h"
#include "mutirao/swarm/swarm.h"
#include "mutirao/threads/diagnostics.h"
#include "mutirao/world/address.h"

/// How the values of a node's objects travel. The numbers are what is sent: never change one, never
/// use one again.
namespace mutirao::middleware {

/// As people write it.
template <>
struct Codec<world::Endpoint> {
  static constexpr Shape shape{.kind = ShapeKind::string};
  static void write(wire::MsgpackWriter& out, world::Endpoint const& value) {
    out.string(value.to_string());
  }
  static world::Endpoint read(Decoder& from) {
    auto const endpoint = world::Endpoint::parse(from.in.string());
    if (!endpoint) from.refuse("no address with a port");
    return endpoint.value_or(world::Endpoint{});
  }
};

template <>
inline constexpr auto record_of<node::Links> =
    record("Links", field(1, "magnet", &node::Links::magnet), field(2, "page", &node::Links::page),
           field(3, "torrent", &node::Links::torrent));

template <>
inline constexpr auto record_of<node::FileEntry> =
    record("FileEntry", field(1, "path", &node::FileEntry::path),
           field(2, "bytes", &node::FileEntry::bytes));

template <>
inline constexpr auto record_of<swarm::PeerStatus> =
    record("PeerStatus", field(1, "endpoint", &swarm::PeerStatus::endpoint),
           field(2, "client", &swarm::PeerStatus::client),
           field(3, "incoming", &swarm::PeerStatus::incoming),
           field(4, "own_network", &swarm::PeerStatus::own_network),
           field(5, "progress", &swarm::PeerStatus::progress),
           field(6, "download_rate", &swarm::PeerStatus::download_rate),
           field(7, "upload_rate", &swarm::PeerStatus::upload_rate),
           field(8, "downloaded", &swarm::PeerStatus::downloaded),
           field(9, "uploaded", &swarm::PeerStatus::uploaded),
           field(10, "we_choke", &swarm::PeerStatus::we_choke),
           field(11, "they_choke", &swarm::PeerStatus::they_choke),
           field(12, "we_interested", &swarm::PeerStatus::we_interested),
           field(13, "they_interested", &swarm::PeerStatus::they_interested),
           field(14, "requests_in_flight", &swarm::PeerStatus::requests_in_flight));

template <>
inline constexpr auto record_of<swarm::TrackerStatus> = record(
    "TrackerStatus", field(1, "url", &swarm::TrackerStatus::url),
    field(2, "state", &swarm::TrackerStatus::state), field(3, "why", &swarm::TrackerStatus::why),
    field(4, "peers", &swarm::TrackerStatus::peers),
    field(5, "seeds", &swarm::TrackerStatus::seeds),
    field(6, "leeches", &swarm::TrackerStatus::leeches));

template <>
inline constexpr auto record_of<swarm::WebSeedStatus> = record(
    "WebSeedStatus", field(1, "url", &swarm::WebSeedStatus::url),
    field(2, "state", &swarm::WebSeedStatus::state), field(3, "why", &swarm::WebSeedStatus::why),
    field(4, "downloaded", &swarm::WebSeedStatus::downloaded));

template <>
inline constexpr auto record_of<swarm::TorrentStatus> = record(
    "TorrentStatus", field(1, "id", &swarm::TorrentStatus::id),
    field(2, "name", &swarm::TorrentStatus::name), field(3, "phase", &swarm::TorrentStatus::phase),
    field(4, "why", &swarm::TorrentStatus::why), field(5, "mend", &swarm::TorrentStatus::mend),
    field(6, "since", &swarm::TorrentStatus::since),
    field(7, "bytes_total", &swarm::TorrentStatus::bytes_total),
    field(8, "bytes_verified", &swarm::TorrentStatus::bytes_verified),
    field(9, "downloaded", &swarm::TorrentStatus::downloaded),
    field(10, "uploaded", &swarm::TorrentStatus::uploaded),
    field(11, "wasted", &swarm::TorrentStatus::wasted),
    field(12, "wrong", &swarm::TorrentStatus::wrong),
    field(13, "download_rate", &swarm::TorrentStatus::download_rate),
    field(14, "upload_rate", &swarm::TorrentStatus::upload_rate),
    field(15, "pieces_total", &swarm::TorrentStatus::pieces_total),
    field(16, "pieces_verified", &swarm::TorrentStatus::pieces_verified),
    field(17, "connecting", &swarm::TorrentStatus::connecting),
    field(18, "known_peers", &swarm::TorrentStatus::known_peers),
    field(19, "peers", &swarm::TorrentStatus::peers),
    field(20, "trackers", &swarm::TorrentStatus::trackers),
    field(21, "web_seeds", &swarm::TorrentStatus::web_seeds),
    field(22, "time_left", &swarm::TorrentStatus::time_left));

template <>
inline constexpr auto record_of<node::Transfer> =
    record("Transfer", field(1, "status", &node::Transfer::status),
           field(2, "origin", &node::Transfer::origin), field(3, "folder", &node::Transfer::folder),
           field(4, "added_s", &node::Transfer::added_s),
           field(5, "peers_connected", &node::Transfer::peers_connected),
           field(6, "files_total", &node::Transfer::files_total),
           field(7, "links", &node::Transfer::links), field(8, "files", &node::Transfer::files),
           field(9, "piece_map", &node::Transfer::piece_map));

template <>
inline constexpr auto record_of<node::ShareRequest> =
    record("ShareRequest", field(1, "path", &node::ShareRequest::path),
           field(2, "format", &node::ShareRequest::format),
           field(3, "trackers", &node::ShareRequest::trackers),
           field(4, "is_private", &node::ShareRequest::is_private),
           field(5, "comment", &node::ShareRequest::comment));

template <>
inline constexpr auto record_of<node::Shared> =
    record("Shared", field(1, "transfer", &node::Shared::transfer),
           field(2, "skipped", &node::Shared::skipped));

template <>
inline constexpr auto record_of<node::GetRequest> =
    record("GetRequest", field(1, "what", &node::GetRequest::what),
           field(2, "folder", &node::GetRequest::folder),
           field(3, "internal_trackers", &node::GetRequest::internal_trackers));

template <>
inline constexpr auto record_of<node::Started> =
    record("Started", field(1, "transfer", &node::Started::transfer),
           field(2, "watched", &node::Started::watched));

template <>
inline constexpr auto record_of<swarm::MakeProgress> =
    record("MakeProgress", field(1, "bytes_done", &swarm::MakeProgress::bytes_done),
           field(2, "bytes_total", &swarm::MakeProgress::bytes_total));

template <>
inline constexpr auto record_of<node::NodeStatus> = record(
    "NodeStatus", field(1, "version", &node::NodeStatus::version),
    field(2, "process_id", &node::NodeStatus::process_id),
    field(3, "uptime", &node::NodeStatus::uptime),
    field(4, "state_folder", &node::NodeStatus::state_folder),
    field(5, "listen", &node::NodeStatus::listen), field(6, "page", &node::NodeStatus::page),
    field(7, "tracker", &node::NodeStatus::tracker),
    field(8, "udp_tracker", &node::NodeStatus::udp_tracker),
    field(9, "download_rate", &node::NodeStatus::download_rate),
    field(10, "upload_rate", &node::NodeStatus::upload_rate),
    field(11, "downloaded", &node::NodeStatus::downloaded),
    field(12, "uploaded", &node::NodeStatus::uploaded),
    field(13, "threads_alive", &node::NodeStatus::threads_alive),
    field(14, "lwps", &node::NodeStatus::lwps),
    field(15, "file_engine", &node::NodeStatus::file_engine),
    field(16, "hash_engine", &node::NodeStatus::hash_engine),
    field(17, "transfers", &node::NodeStatus::transfers),
    field(18, "control", &node::NodeStatus::control), field(19, "key", &node::NodeStatus::key));

template <>
inline constexpr auto record_of<threads::runtime_info> =
    record("RuntimeInfo", field(1, "processors", &threads::runtime_info::processors),
           field(2, "lwps", &threads::runtime_info::lwps),
           field(3, "lwps_blocked", &threads::runtime_info::lwps_blocked),
           field(4, "lwps_resting", &threads::runtime_info::lwps_resting),
           field(5, "lwps_refused", &threads::runtime_info::lwps_refused),
           field(6, "stalls", &threads::runtime_info::stalls),
           field(7, "monitor_looks", &threads::runtime_info::monitor_looks),
           field(8, "threads_alive", &threads::runtime_info::threads_alive),
           field(9, "switches", &threads::runtime_info::switches),
           field(10, "steals", &threads::runtime_info::steals),
           field(11, "guard", &threads::runtime_info::guard),
           field(12, "files", &threads::runtime_info::files));

template <>
inline constexpr auto record_of<threads::processor_info> =
    record("ProcessorInfo", field(1, "index", &threads::processor_info::index),
           field(2, "queued", &threads::processor_info::queued),
           field(3, "switches", &threads::processor_info::switches),
           field(4, "steals", &threads::processor_info::steals),
           field(5, "in_blocking_call", &threads::processor_info::in_blocking_call));

template <>
inline constexpr auto record_of<threads::thread_info> = record(
    "ThreadInfo", field(1, "id", &threads::thread_info::id),
    field(2, "name", &threads::thread_info::name), field(3, "scope", &threads::thread_info::scope),
    field(4, "depth", &threads::thread_info::depth),
    field(5, "state", &threads::thread_info::state),
    field(6, "waits_for", &threads::thread_info::waits_for),
    field(7, "wait", &threads::thread_info::wait), field(8, "since", &threads::thread_info::since),
    field(9, "age", &threads::thread_info::age),
    field(10, "stop_requested", &threads::thread_info::stop_requested));

template <>
inline constexpr auto record_of<threads::runtime_report> =
    record("RuntimeReport", field(1, "info", &threads::runtime_report::info),
           field(2, "processors", &threads::runtime_report::processors),
           field(3, "threads", &threads::runtime_report::threads));

}  // namespace mutirao::middleware
