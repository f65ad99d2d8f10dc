#include "disk_tree.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace mutirao::sim {

namespace {
constexpr std::size_t kNameBytesMax = 255;

void set_entry(std::map<std::string, InodeRef, std::less<>>& entries, std::string const& name,
               InodeRef const& inode) {
  if (inode) {
    entries[name] = inode;
  } else {
    entries.erase(name);
  }
}
}  // namespace

/// What a set of operations touches: later operations on the same things depend on them.
class DiskTree::Touched {
 public:
  void add(Operation const& operation) {
    for (auto const& change : operation) {
      names_.emplace(change.directory->number, change.name);
      for (auto const& inode : {change.was, change.now}) {
        if (inode) inodes_.insert(inode->number);
      }
    }
  }
  void add(Inode const& inode) { inodes_.insert(inode.number); }
  [[nodiscard]] bool by(Operation const& operation) const {
    return std::ranges::any_of(operation, [this](Change const& change) {
      return names_.contains({change.directory->number, change.name}) || contains(change.was) ||
             contains(change.now);
    });
  }
  /// Also when the operation only happens inside of a touched folder.
  [[nodiscard]] bool by_or_around(Operation const& operation) const {
    return by(operation) || std::ranges::any_of(operation, [this](Change const& change) {
             return contains(change.directory);
           });
  }

 private:
  [[nodiscard]] bool contains(InodeRef const& inode) const {
    return inode && inodes_.contains(inode->number);
  }
  std::set<std::pair<std::uint64_t, std::string>> names_;
  std::set<std::uint64_t> inodes_;
};

DiskTree::DiskTree(std::uint64_t capacity_bytes, bool directory_sync_needed)
    : budget_{std::make_shared<PageBudget>(
          PageBudget{.capacity = capacity_bytes / FileContent::kPageBytes})},
      directory_sync_needed_{directory_sync_needed},
      root_{std::make_shared<Inode>(++last_number_, true, budget_)} {}

Result<std::vector<std::string>> DiskTree::split(std::string_view path) {
  if (path.starts_with('/'))
    return fail(Fault::invalid, fmt::format("{}: the path is absolute", path));
  if (path.contains('\0')) return fail(Fault::invalid, "the path holds a NUL");
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= path.size();) {
    auto const end = std::min(path.find('/', at), path.size());
    auto const part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..")
      return fail(Fault::invalid, fmt::format("{}: the path leaves its folder", path));
    if (part.size() > kNameBytesMax) return system_failure(ENAMETOOLONG, path);
    parts.emplace_back(part);
  }
  return parts;
}

Result<InodeRef> DiskTree::find(InodeRef const& from, std::vector<std::string> const& parts) const {
  auto inode = from;
  for (auto const& part : parts) {
    if (!inode->directory) return system_failure(ENOTDIR, part);
    auto const found = inode->entries.find(part);
    if (found == inode->entries.end()) return system_failure(ENOENT, part);
    auto next = found->second;
    inode = std::move(next);
  }
  return inode;
}

Result<InodeRef> DiskTree::find_directory(InodeRef const& from,
                                          std::vector<std::string> const& parts,
                                          bool create_missing) {
  auto inode = from;
  for (auto const& part : parts) {
    auto const found = inode->entries.find(part);
    InodeRef next;
    if (found != inode->entries.end()) {
      next = found->second;
    } else if (create_missing) {
      next = create(inode, part, true);
    } else {
      return system_failure(ENOENT, part);
    }
    if (!next->directory) return system_failure(ENOTDIR, part);
    inode = std::move(next);
  }
  return inode;
}

InodeRef DiskTree::create(InodeRef const& directory, std::string const& name, bool is_directory) {
  auto inode = std::make_shared<Inode>(++last_number_, is_directory, budget_);
  apply({{directory, name, nullptr, inode}});
  return inode;
}

Result<void> DiskTree::remove(InodeRef const& from, std::string_view path) {
  auto parts = MUT_TRY(split(path));
  if (parts.empty()) return system_failure(EINVAL, path);
  auto const inode = MUT_TRY(find(from, parts));
  if (inode->directory && !inode->entries.empty()) return system_failure(ENOTEMPTY, path);
  auto name = std::move(parts.back());
  parts.pop_back();
  apply({{MUT_TRY(find(from, parts)), std::move(name), inode, nullptr}});
  return {};
}

Result<void> DiskTree::rename(InodeRef const& from, std::string_view source,
                              std::string_view target) {
  auto source_parts = MUT_TRY(split(source));
  auto target_parts = MUT_TRY(split(target));
  if (source_parts.empty() || target_parts.empty()) return system_failure(EINVAL, source);
  auto const inode = MUT_TRY(find(from, source_parts));
  bool const into_itself =
      inode->directory && target_parts.size() > source_parts.size() &&
      std::equal(source_parts.begin(), source_parts.end(), target_parts.begin());
  if (into_itself) return system_failure(EINVAL, target);
  auto source_name = std::move(source_parts.back());
  auto target_name = std::move(target_parts.back());
  source_parts.pop_back();
  target_parts.pop_back();
  auto const source_directory = MUT_TRY(find(from, source_parts));
  auto const target_directory = MUT_TRY(find_directory(from, target_parts, true));
  auto const found = target_directory->entries.find(target_name);
  auto const replaced = found != target_directory->entries.end() ? found->second : nullptr;
  if (replaced == inode) return {};
  if (replaced) {
    if (replaced->directory && !inode->directory) return system_failure(EISDIR, target);
    if (!replaced->directory && inode->directory) return system_failure(ENOTDIR, target);
    if (!replaced->entries.empty()) return system_failure(ENOTEMPTY, target);
  }
  apply({{source_directory, std::move(source_name), inode, nullptr},
         {target_directory, std::move(target_name), replaced, inode}});
  return {};
}

void DiskTree::apply(Operation operation) {
  for (auto const& change : operation)
    set_entry(change.directory->entries, change.name, change.now);
  if (directory_sync_needed_) {
    journal_.push_back(std::move(operation));
  } else {
    make_durable(operation);
  }
}

void DiskTree::make_durable(Operation const& operation) {
  for (auto const& change : operation)
    set_entry(change.directory->durable_entries, change.name, change.now);
}

void DiskTree::sync_directory(Inode const& directory) {
  // From the newest backwards: what happened in the folder, and whatever that depends on.
  Touched needed;
  std::vector<bool> chosen(journal_.size(), false);
  for (std::size_t i = journal_.size(); i-- > 0;) {
    auto const& operation = journal_[i];
    bool const here = std::ranges::any_of(
        operation, [&](Change const& change) { return change.directory.get() == &directory; });
    if (!here && !needed.by(operation)) continue;
    chosen[i] = true;
    needed.add(operation);
    // A folder that moves takes the place of its new parent with it: else each could hold the
    // other.
    for (auto const& change : operation) {
      if (operation.size() > 1 && change.now && change.now->directory)
        needed.add(*change.directory);
    }
  }
  std::vector<Operation> rest;
  for (std::size_t i = 0; i < journal_.size(); ++i) {
    if (chosen[i]) {
      make_durable(journal_[i]);
    } else {
      rest.push_back(std::move(journal_[i]));
    }
  }
  journal_ = std::move(rest);
}

void DiskTree::crash(SeededEntropy& random) {
  Touched lost;
  for (auto const& operation : std::exchange(journal_, {})) {
    if (lost.by_or_around(operation) || random.chance(0.5)) {
      lost.add(operation);
    } else {
      make_durable(operation);
    }
  }
  take_durable(*root_, random);
}

void DiskTree::take_durable(Inode& directory, SeededEntropy& random) {
  directory.entries = directory.durable_entries;
  for (auto const& [name, inode] : directory.entries) {
    if (inode->directory) {
      take_durable(*inode, random);
    } else {
      inode->content.crash(random);
    }
  }
}

std::vector<Inode*> DiskTree::files() const {
  std::vector<Inode*> found;
  std::vector<Inode const*> folders{root_.get()};
  while (!folders.empty()) {
    auto const* const folder = folders.back();
    folders.pop_back();
    for (auto const& [name, inode] : folder->entries) {
      if (inode->directory) {
        folders.push_back(inode.get());
      } else {
        found.push_back(inode.get());
      }
    }
  }
  return found;
}

std::uint64_t DiskTree::unsynced_bytes() const {
  std::uint64_t total = 0;
  for (auto const* const file : files()) total += file->content.unsynced_bytes();
  return total;
}

}  // namespace mutirao::sim
