#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/middleware/attachment.h"
#include "mutirao/swarm/make_torrent.h"
#include "mutirao/swarm/swarm.h"

namespace mutirao::node {

/// How a torrent came to this node.
enum class Origin : std::uint8_t { shared, fetched };

/// What to hand to somebody who wants it too.
struct Links {
  std::string magnet;
  std::string page;     ///< URL of this node's page
  std::string torrent;  ///< URL of the .torrent on this node; empty while its metadata is unknown
};

struct FileEntry {
  std::string path;
  std::uint64_t bytes = 0;
};

/// A torrent of this node, as people and programs see it.
struct Transfer {
  swarm::TorrentStatus status;
  Origin origin = Origin::fetched;
  std::string folder;        ///< its files lie below this one
  std::int64_t added_s = 0;  ///< since 1970
  std::uint32_t peers_connected = 0;
  std::uint32_t files_total = 0;  ///< 0 while the metadata is unknown
  Links links;
  // Only in the answer to show():
  std::vector<FileEntry> files;  ///< at most kFilesShown
  std::vector<std::uint8_t>
      piece_map;  ///< verified percent of each of at most kMapCells equal runs of pieces

  static constexpr std::size_t kFilesShown = 1000;
  static constexpr std::size_t kMapCells = 64;
};

struct ShareRequest {
  std::string path;  ///< absolute; not of what is put
  swarm::TorrentFormat format = swarm::TorrentFormat::hybrid;
  std::vector<std::string> trackers;  ///< besides the one of this node
  bool is_private = false;
  std::string comment;
};

struct Shared {
  Transfer transfer;
  std::vector<std::string> skipped;  ///< links and special files inside the folder
};

struct GetRequest {
  std::string what;    ///< magnet link, absolute path of a .torrent, or an http(s) URL of one
  std::string folder;  ///< absolute; empty: the node's download folder
  /// Also talk to trackers at internal addresses that a .torrent names. Those in a magnet link were
  /// named by the user, and so was the host of a URL: they need no permission.
  bool internal_trackers = false;
};

struct Started {
  Transfer transfer;
  bool watched = false;  ///< another get waits for it right now
};

/// What a node has, and how it gets more: the service behind share, get and swarm.
///
/// There are two: the one inside the node, and one that speaks to it over its control socket, so
/// that a command reads the same wherever the node is. `name` is an id, a unique prefix of at least
/// 6 digits, or a name that only one torrent has. Any number of threads may call.
class Library {
 public:
  virtual ~Library() = default;

  /// Hashes what lies at the path and serves it from there. `progress` is called about four times a
  /// second; when it returns false, the hashing ends as cancelled. Sharing the same content again
  /// returns what is there.
  virtual Result<Shared> share(ShareRequest request,
                               std::function<bool(swarm::MakeProgress)> progress,
                               Deadline deadline) = 0;
  /// Stores what comes along as a file of that name in the node's download folder, and shares it as
  /// share() does; the request names no path. A name that is taken is refused.
  virtual Result<Shared> put(std::string name, ShareRequest request,
                             middleware::Attachment const& content,
                             std::function<bool(swarm::MakeProgress)> progress,
                             Deadline deadline) = 0;
  /// Begins, or goes on with, a download; does not wait for it.
  virtual Result<Started> get(GetRequest request, Deadline deadline) = 0;

  /// In the order in which they were added; without peers and files.
  virtual Result<std::vector<Transfer>> list(Deadline deadline) = 0;
  virtual Result<Transfer> show(std::string_view name, Deadline deadline) = 0;

  virtual Result<Transfer> pause(std::string_view name, Deadline deadline) = 0;
  virtual Result<Transfer> resume(std::string_view name, Deadline deadline) = 0;
  /// Begins to recheck all content against its hashes; does not wait for it.
  virtual Result<Transfer> verify(std::string_view name, Deadline deadline) = 0;
  /// Forgets it, and with `content` deletes its files, also those that were shared in place.
  virtual Result<Transfer> remove(std::string_view name, bool content, Deadline deadline) = 0;

  /// Calls `see` with the state of all, or of the one named, now and then every `interval`, until
  /// it returns false. Fails when the node goes away.
  virtual Result<void> watch(std::string_view name, Duration interval,
                             std::function<bool(std::vector<Transfer> const&)> see,
                             Deadline deadline) = 0;
};

}  // namespace mutirao::node
