#include "virtiofs/node_table.h"

#include <mutex>

namespace mutirao::machine {

NodeTable::Node NodeTable::find(std::uint64_t number) const {
  if (number == kRoot) return root_;
  std::lock_guard const lock{mutex_};
  auto const found = known_.find(number);
  return found == known_.end() ? nullptr : found->second.node;
}

std::optional<std::uint64_t> NodeTable::tell(Node node, world::NodeInfo const& info) {
  Identity const identity{info.device, info.inode};
  std::lock_guard const lock{mutex_};
  if (auto const found = numbers_.find(identity); found != numbers_.end()) {
    ++known_.at(found->second).told;
    return found->second;
  }
  if (known_.size() >= nodes_max_) return std::nullopt;
  std::uint64_t const number = next_++;
  numbers_.emplace(identity, number);
  known_.emplace(number, Known{std::move(node), identity, 1});
  return number;
}

void NodeTable::forget(std::uint64_t number, std::uint64_t times) {
  Node last;  // let go without the lock: it may wait for the device
  std::lock_guard const lock{mutex_};
  auto const found = known_.find(number);
  if (found == known_.end()) return;
  Known& known = found->second;
  if (times < known.told) {
    known.told -= times;
    return;
  }
  last = std::move(known.node);
  numbers_.erase(known.identity);
  known_.erase(found);
}

void NodeTable::clear() {
  std::unordered_map<std::uint64_t, Known> gone;
  std::lock_guard const lock{mutex_};
  gone.swap(known_);
  numbers_.clear();
}

std::size_t NodeTable::size() const {
  std::lock_guard const lock{mutex_};
  return known_.size();
}

FileTable::File FileTable::find(std::uint64_t number) const {
  std::lock_guard const lock{mutex_};
  auto const found = open_.find(number);
  return found == open_.end() ? nullptr : found->second;
}

std::optional<std::uint64_t> FileTable::add(File file) {
  std::lock_guard const lock{mutex_};
  if (open_.size() >= files_max_) return std::nullopt;
  open_.emplace(next_, std::move(file));
  return next_++;
}

bool FileTable::remove(std::uint64_t number) {
  File last;
  std::lock_guard const lock{mutex_};
  auto const found = open_.find(number);
  if (found == open_.end()) return false;
  last = std::move(found->second);
  open_.erase(found);
  return true;
}

void FileTable::clear() {
  std::unordered_map<std::uint64_t, File> gone;
  std::lock_guard const lock{mutex_};
  gone.swap(open_);
}

std::size_t FileTable::size() const {
  std::lock_guard const lock{mutex_};
  return open_.size();
}

}  // namespace mutirao::machine
