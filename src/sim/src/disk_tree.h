#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"

#include "file_content.h"

namespace mutirao::sim {

/// A failure as the kernel would report it, of `path`.
[[nodiscard]] inline std::unexpected<Error> system_failure(int number, std::string_view path) {
  return std::unexpected{base::system_error(number, path)};
}

struct Inode;
using InodeRef = std::shared_ptr<Inode>;

/// A file or a folder. A folder knows its entries twice: as programs see them, and as a crash would
/// leave them.
struct Inode {
  Inode(std::uint64_t inode_number, bool is_directory, std::shared_ptr<PageBudget> budget)
      : number{inode_number}, directory{is_directory}, content{std::move(budget)} {}
  std::uint64_t number;
  bool directory;
  std::int64_t modified_ns = 0;
  FileContent content;
  std::map<std::string, InodeRef, std::less<>> entries;
  std::map<std::string, InodeRef, std::less<>> durable_entries;
};

/// The names of one disk, and which of their changes would survive a crash.
class DiskTree {
 public:
  DiskTree(std::uint64_t capacity_bytes, bool directory_sync_needed);

  [[nodiscard]] InodeRef const& root() const noexcept { return root_; }
  [[nodiscard]] PageBudget& budget() noexcept { return *budget_; }
  [[nodiscard]] PageBudget const& budget() const noexcept { return *budget_; }

  /// The parts of a relative path; "." and empty ones are dropped. Refuses what leaves the folder.
  static Result<std::vector<std::string>> split(std::string_view path);

  Result<InodeRef> find(InodeRef const& from, std::vector<std::string> const& parts) const;
  /// The folder at `parts`, with all that is missing on the way when `create`.
  Result<InodeRef> find_directory(InodeRef const& from, std::vector<std::string> const& parts,
                                  bool create);
  InodeRef create(InodeRef const& directory, std::string const& name, bool is_directory);
  Result<void> remove(InodeRef const& from, std::string_view path);
  Result<void> rename(InodeRef const& from, std::string_view source, std::string_view target);

  void sync_directory(Inode const& directory);
  void crash(SeededEntropy& random);
  /// Every regular file, by folder and name.
  [[nodiscard]] std::vector<Inode*> files() const;
  [[nodiscard]] std::uint64_t unsynced_bytes() const;

 private:
  struct Change {
    InodeRef directory;
    std::string name;
    InodeRef was;  // null: nothing
    InodeRef now;  // null: nothing
  };
  /// Changes that happen together or not at all.
  using Operation = std::vector<Change>;
  class Touched;

  void apply(Operation operation);
  static void make_durable(Operation const& operation);
  static void take_durable(Inode& directory, SeededEntropy& random);

  std::shared_ptr<PageBudget> budget_;
  bool directory_sync_needed_;
  std::uint64_t last_number_ = 0;
  InodeRef root_;
  std::vector<Operation> journal_;  // not durable yet, oldest first
};

}  // namespace mutirao::sim
