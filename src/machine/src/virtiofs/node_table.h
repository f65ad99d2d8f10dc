#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mutirao/threads/mutex.h"
#include "mutirao/world/file_tree.h"

#include "snapshot/state.h"

namespace mutirao::machine {

/// The nodes that a client knows, by number, each until it was forgotten as often as it was told
/// of. The root is always there.
///
/// A number is never given twice, so that a client which is late finds nothing instead of another
/// file. Any number of threads may use it.
///
/// In a snapshot a node is the place at which the client saw it last, below the root. It is looked
/// for there when the client next speaks of it, name by name as the client itself would: a restored
/// machine does not wait until all of its files are found, and finds nothing outside the tree.
class NodeTable {
 public:
  using Node = std::shared_ptr<world::TreeNode>;
  static constexpr std::uint64_t kRoot = 1;

  /// A name in a folder that the client knows.
  struct Place {
    std::uint64_t folder = 0;  ///< its number
    std::string name{};        ///< empty: nowhere
    auto operator<=>(Place const&) const = default;
  };

  NodeTable(Node root, std::size_t nodes_max) : root_{std::move(root)}, nodes_max_{nodes_max} {}

  /// Nothing if the client does not know it, or if it is gone since the snapshot was made. Of a
  /// node that was not looked for yet, waits for the disk.
  [[nodiscard]] Node find(std::uint64_t number);
  /// The number under which the client is told of the node at `place`, once more where it knows it;
  /// nothing when it knows too many. `info` is that of `node`.
  [[nodiscard]] std::optional<std::uint64_t> tell(Node node, world::NodeInfo const& info,
                                                  Place place);
  void forget(std::uint64_t number, std::uint64_t times);
  void clear();
  [[nodiscard]] std::size_t size() const;

  /// The node at `place` is looked for now, if that is still to be done: it is about to move.
  void settle(Node node, world::NodeInfo const& info, Place const& place);
  /// A node that the client may know stands at `to` now, and was at `from`.
  void moved(world::NodeInfo const& info, Place const& from, Place to);

  void save(StateWriter& to) const;
  /// Of a table that is empty.
  [[nodiscard]] bool restore(StateReader& from);

 private:
  using Identity = std::pair<std::uint64_t, std::uint64_t>;  // device, inode
  struct Known {
    Node node;  // none: to be looked for
    Identity identity;
    std::uint32_t kind;  // as in st_mode
    std::uint64_t told;
    Place place;
  };

  /// With the lock.
  void put(std::uint64_t number, Known& known, Node node, world::NodeInfo const& info);
  [[nodiscard]] Known* waiting_at(Place const& place, world::NodeInfo const& info,
                                  std::uint64_t& number);
  [[nodiscard]] std::vector<std::uint64_t> way_to(std::uint64_t number, Node& begin) const;

  Node const root_;
  std::size_t const nodes_max_;
  mutable threads::mutex mutex_;
  std::unordered_map<std::uint64_t, Known> known_;
  std::map<Identity, std::uint64_t> numbers_;
  std::map<Place, std::uint64_t> waiting_;  // those that are to be looked for
  std::uint64_t next_ = kRoot + 1;
};

/// The files and folders that a client has open, by number.
class FileTable {
 public:
  using File = std::shared_ptr<world::TreeFile>;
  struct Opened {
    File file;  ///< none: it could not be opened again when the machine was restored
    std::uint64_t node = 0;
    world::TreeOpen options{};
  };

  explicit FileTable(std::size_t files_max) : files_max_{files_max} {}

  [[nodiscard]] std::optional<Opened> find(std::uint64_t number) const;
  /// Nothing when there are too many.
  [[nodiscard]] std::optional<std::uint64_t> add(Opened opened);
  /// False if there is none.
  bool remove(std::uint64_t number);
  void clear();
  [[nodiscard]] std::size_t size() const;

  void save(StateWriter& to) const;
  /// Of a table that is empty. `open` opens a file of the node of that number once more, or gives
  /// none.
  template <class Open>
  [[nodiscard]] bool restore(StateReader& from, Open const& open) {
    if (!read(from)) return false;
    for (auto& [number, opened] : open_) opened.file = open(opened.node, opened.options);
    return true;
  }

 private:
  [[nodiscard]] bool read(StateReader& from);

  std::size_t const files_max_;
  mutable threads::mutex mutex_;
  std::unordered_map<std::uint64_t, Opened> open_;
  std::uint64_t next_ = 1;
};

}  // namespace mutirao::machine
