#include "virtiofs/node_table.h"

#include <algorithm>
#include <mutex>
#include <sys/stat.h>

namespace mutirao::machine {
namespace {

constexpr std::size_t kNameBytesMax = 255;
/// Of folders in each other: what names of one letter make of the longest path (PATH_MAX).
constexpr std::size_t kTreeDepthMax = 2048;

}  // namespace

// --- nodes -------------------------------------------------------------------------------------

/// The numbers from below the first node that stands, which is `begin`, to `number`; none when no
/// way leads there.
std::vector<std::uint64_t> NodeTable::way_to(std::uint64_t number, Node& begin) const {
  std::vector<std::uint64_t> way;
  for (; number != kRoot; number = known_.at(number).place.folder) {
    auto const found = known_.find(number);
    if (found == known_.end() || way.size() == kTreeDepthMax) return {};
    if (found->second.node) {
      begin = found->second.node;
      break;
    }
    if (found->second.place.name.empty()) return {};
    way.push_back(number);
  }
  std::ranges::reverse(way);
  return way;
}

NodeTable::Node NodeTable::find(std::uint64_t number) {
  if (number == kRoot) return root_;
  Node at = root_;
  std::unique_lock lock{mutex_};
  auto const found = known_.find(number);
  if (found == known_.end()) return nullptr;
  if (found->second.node) return found->second.node;
  auto const way = way_to(number, at);
  if (way.empty()) return nullptr;
  for (auto const each : way) {
    auto const waits = known_.find(each);
    if (waits == known_.end()) return nullptr;
    Place const place = waits->second.place;
    lock.unlock();
    auto next = at->find(place.name);
    auto const info = next ? (*next)->info() : std::unexpected{next.error()};
    if (!info) return nullptr;
    at = *std::move(next);
    lock.lock();
    // Others may have found or forgotten it meanwhile.
    auto const again = known_.find(each);
    if (again == known_.end() || again->second.place != place) return nullptr;
    if (!again->second.node && again->second.kind != (info->mode & S_IFMT)) return nullptr;
    if (!again->second.node) put(each, again->second, at, *info);
    at = again->second.node;
  }
  return at;
}

void NodeTable::put(std::uint64_t number, Known& known, Node node, world::NodeInfo const& info) {
  known.node = std::move(node);
  known.identity = {info.device, info.inode};
  numbers_.emplace(known.identity, number);
  waiting_.erase(known.place);
}

NodeTable::Known* NodeTable::waiting_at(Place const& place, world::NodeInfo const& info,
                                        std::uint64_t& number) {
  auto const waits = waiting_.find(place);
  if (waits == waiting_.end()) return nullptr;
  number = waits->second;
  Known& known = known_.at(number);
  if (known.kind == (info.mode & S_IFMT)) return &known;
  // Something else has its name: it is gone.
  known.place = {};
  waiting_.erase(waits);
  return nullptr;
}

void NodeTable::settle(Node node, world::NodeInfo const& info, Place const& place) {
  std::lock_guard const lock{mutex_};
  std::uint64_t number = 0;
  if (auto* const known = waiting_at(place, info, number))
    put(number, *known, std::move(node), info);
}

std::optional<std::uint64_t> NodeTable::tell(Node node, world::NodeInfo const& info, Place place) {
  Identity const identity{info.device, info.inode};
  std::lock_guard const lock{mutex_};
  std::uint64_t number = 0;
  if (auto* const known = waiting_at(place, info, number)) {
    put(number, *known, std::move(node), info);
    ++known->told;
    return number;
  }
  if (auto const found = numbers_.find(identity); found != numbers_.end()) {
    Known& known = known_.at(found->second);
    ++known.told;
    known.place = std::move(place);
    return found->second;
  }
  if (known_.size() >= nodes_max_) return std::nullopt;
  number = next_++;
  numbers_.emplace(identity, number);
  known_.emplace(number, Known{std::move(node), identity, info.mode & S_IFMT, 1, std::move(place)});
  return number;
}

void NodeTable::moved(world::NodeInfo const& info, Place const& from, Place to) {
  std::lock_guard const lock{mutex_};
  auto const found = numbers_.find({info.device, info.inode});
  if (found == numbers_.end()) return;
  Known& known = known_.at(found->second);
  // Under another of its names it stays.
  if (known.place == from) known.place = std::move(to);
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
  auto const erase_mine = [number](auto& map, auto const& key) {
    auto const mine = map.find(key);
    if (mine != map.end() && mine->second == number) map.erase(mine);
  };
  erase_mine(numbers_, known.identity);
  erase_mine(waiting_, known.place);
  known_.erase(found);
}

void NodeTable::clear() {
  std::unordered_map<std::uint64_t, Known> gone;
  std::lock_guard const lock{mutex_};
  gone.swap(known_);
  numbers_.clear();
  waiting_.clear();
}

std::size_t NodeTable::size() const {
  std::lock_guard const lock{mutex_};
  return known_.size();
}

void NodeTable::save(StateWriter& to) const {
  std::lock_guard const lock{mutex_};
  to.put(next_);
  to.put(static_cast<std::uint32_t>(known_.size()));
  for (auto const& [number, known] : known_) {
    to.put(number);
    to.put(known.told);
    to.put(known.kind);
    to.put(known.place.folder);
    to.put(base::view_of(known.place.name));
  }
}

bool NodeTable::restore(StateReader& from) {
  std::uint32_t count = 0;
  if (!from.get(next_) || !from.get(count) || next_ <= kRoot || count > nodes_max_)
    return from.wrong();
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint64_t number = 0;
    Known known{};
    Bytes name;
    bool const there = from.get(number) && from.get(known.told) && from.get(known.kind) &&
                       from.get(known.place.folder) && from.get(name, kNameBytesMax);
    known.place.name = base::text_of(name);
    if (!there || number <= kRoot || number >= next_ || known.told == 0 ||
        (!name.empty() && !world::check_tree_name(known.place.name)))
      return from.wrong();
    Place const place = known.place;
    if (!known_.emplace(number, std::move(known)).second) return from.wrong();
    if (name.empty()) continue;
    // Of two at one place the older one was replaced, on the host.
    auto const [at, first] = waiting_.emplace(place, number);
    if (first) continue;
    auto const older = std::min(at->second, number);
    at->second = std::max(at->second, number);
    known_.at(older).place = {};
  }
  return true;
}

// --- open files --------------------------------------------------------------------------------

std::optional<FileTable::Opened> FileTable::find(std::uint64_t number) const {
  std::lock_guard const lock{mutex_};
  auto const found = open_.find(number);
  if (found == open_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::uint64_t> FileTable::add(Opened opened) {
  std::lock_guard const lock{mutex_};
  if (open_.size() >= files_max_) return std::nullopt;
  open_.emplace(next_, std::move(opened));
  return next_++;
}

bool FileTable::remove(std::uint64_t number) {
  Opened last;
  std::lock_guard const lock{mutex_};
  auto const found = open_.find(number);
  if (found == open_.end()) return false;
  last = std::move(found->second);
  open_.erase(found);
  return true;
}

void FileTable::clear() {
  std::unordered_map<std::uint64_t, Opened> gone;
  std::lock_guard const lock{mutex_};
  gone.swap(open_);
}

std::size_t FileTable::size() const {
  std::lock_guard const lock{mutex_};
  return open_.size();
}

void FileTable::save(StateWriter& to) const {
  std::lock_guard const lock{mutex_};
  to.put(next_);
  to.put(static_cast<std::uint32_t>(open_.size()));
  for (auto const& [number, opened] : open_) {
    to.put(number);
    to.put(opened.node);
    for (bool const flag : {opened.options.read, opened.options.write, opened.options.append,
                            opened.options.synchronous})
      to.put(flag);
  }
}

bool FileTable::read(StateReader& from) {
  std::lock_guard const lock{mutex_};
  std::uint32_t count = 0;
  if (!from.get(next_) || !from.get(count) || next_ == 0 || count > files_max_) return from.wrong();
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint64_t number = 0;
    Opened opened;
    auto& options = opened.options;
    bool const there = from.get(number) && from.get(opened.node) && from.get(options.read) &&
                       from.get(options.write) && from.get(options.append) &&
                       from.get(options.synchronous);
    if (!there || number == 0 || number >= next_ ||
        !open_.emplace(number, std::move(opened)).second)
      return from.wrong();
  }
  return true;
}

}  // namespace mutirao::machine
