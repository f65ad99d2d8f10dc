#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "mutirao/threads/mutex.h"
#include "mutirao/world/file_tree.h"

namespace mutirao::machine {

/// The nodes that a client knows, by number, each until it was forgotten as often as it was told
/// of. The root is always there.
///
/// A number is never given twice, so that a client which is late finds nothing instead of another
/// file. Any number of threads may use it.
class NodeTable {
 public:
  using Node = std::shared_ptr<world::TreeNode>;
  static constexpr std::uint64_t kRoot = 1;

  NodeTable(Node root, std::size_t nodes_max) : root_{std::move(root)}, nodes_max_{nodes_max} {}

  /// Nothing if the client does not know it.
  [[nodiscard]] Node find(std::uint64_t number) const;
  /// The number under which the client is told of a node, once more where it knows it; nothing when
  /// it knows too many. `info` is that of `node`.
  [[nodiscard]] std::optional<std::uint64_t> tell(Node node, world::NodeInfo const& info);
  void forget(std::uint64_t number, std::uint64_t times);
  void clear();
  [[nodiscard]] std::size_t size() const;

 private:
  using Identity = std::pair<std::uint64_t, std::uint64_t>;  // device, inode
  struct Known {
    Node node;
    Identity identity;
    std::uint64_t told;
  };

  Node const root_;
  std::size_t const nodes_max_;
  mutable threads::mutex mutex_;
  std::unordered_map<std::uint64_t, Known> known_;
  std::map<Identity, std::uint64_t> numbers_;
  std::uint64_t next_ = kRoot + 1;
};

/// The files and folders that a client has open, by number.
class FileTable {
 public:
  using File = std::shared_ptr<world::TreeFile>;

  explicit FileTable(std::size_t files_max) : files_max_{files_max} {}

  [[nodiscard]] File find(std::uint64_t number) const;
  /// Nothing when there are too many.
  [[nodiscard]] std::optional<std::uint64_t> add(File file);
  /// False if there is none.
  bool remove(std::uint64_t number);
  void clear();
  [[nodiscard]] std::size_t size() const;

 private:
  std::size_t const files_max_;
  mutable threads::mutex mutex_;
  std::unordered_map<std::uint64_t, File> open_;
  std::uint64_t next_ = 1;
};

}  // namespace mutirao::machine
