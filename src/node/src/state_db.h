#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/node/library.h"

namespace mutirao::node {

/// What a node remembers of a torrent; its bytes and their map belong to the swarm's store.
struct TorrentRecord {
  std::string id;
  std::string name;
  std::string folder;
  Origin origin = Origin::fetched;
  std::int64_t added_s = 0;           ///< since 1970
  std::string source;                 ///< what the user asked for: a path, a magnet link, a URL
  std::vector<std::string> trackers;  ///< named by the user or ours: allowed to be internal

  friend bool operator==(TorrentRecord const&, TorrentRecord const&) = default;
};

/// The memory of a node: an SQLite database in its state folder.
///
/// It is also the lock of that folder: while one is open, no other process opens it. The lock ends
/// with the process, however it ends. A call returns after its change would survive a crash. Any
/// number of threads; each call runs as a blocking section, on a thread with room for SQLite's
/// frames.
class StateDb {
 public:
  /// `path` in an existing folder. Opened by another process: Fault::refused. A newer schema
  /// than this program knows: unsupported.
  [[nodiscard]] static Result<std::unique_ptr<StateDb>> open(std::string const& path);
  ~StateDb();

  Result<void> put(TorrentRecord const& record);  ///< replaces what has that id
  Result<void> remove(std::string_view id);
  /// In the order in which they were added.
  [[nodiscard]] Result<std::vector<TorrentRecord>> torrents();

  [[nodiscard]] Result<std::optional<std::string>> setting(std::string_view key);
  Result<void> set(std::string_view key, std::string_view value);

  struct State;

 private:
  explicit StateDb(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::node
